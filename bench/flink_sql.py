"""The job without Python: Flink SQL, all inside the JVM, for less work (a plain sum, not a decayed one)."""

from __future__ import annotations

from pyflink.datastream import StreamExecutionEnvironment
from pyflink.table import StreamTableEnvironment

from schemas.run import Run
from schemas.settings import Settings

MINI_BATCH_LATENCY = "2 s"
MINI_BATCH_SIZE = 50_000


def run_sql(environment: StreamExecutionEnvironment, settings: Settings, run: Run) -> None:
    """Run the query to the end of the topic."""
    t_env = StreamTableEnvironment.create(environment)
    for name, value in {
        "table.exec.resource.default-parallelism": str(settings.parallelism),
        "table.exec.mini-batch.enabled": "true",
        "table.exec.mini-batch.allow-latency": MINI_BATCH_LATENCY,
        "table.exec.mini-batch.size": str(MINI_BATCH_SIZE),
    }.items():
        t_env.get_config().set(name, value)
    source = run.inputs[0]
    t_env.execute_sql(
        "CREATE TEMPORARY TABLE purchases (household_id STRING, category STRING, sales_value DOUBLE) WITH ("
        f"'connector' = 'kafka', 'topic' = '{source.logs[0]}', 'properties.bootstrap.servers' = '{source.bootstrap}', "
        "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json')"
    )
    t_env.execute_sql(
        "CREATE TEMPORARY TABLE discarded (household_id STRING, category STRING, spend DOUBLE, events BIGINT, "
        "PRIMARY KEY (household_id, category) NOT ENFORCED) WITH ('connector' = 'blackhole')"
    )
    t_env.execute_sql(
        "INSERT INTO discarded SELECT household_id, category, SUM(sales_value), COUNT(*) FROM purchases "
        "GROUP BY household_id, category"
    ).wait()
