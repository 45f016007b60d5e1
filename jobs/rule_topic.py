"""The source of trigger rules that come by a compacted topic: key the rule's id, value its JSON document."""

from __future__ import annotations

from pyflink.datastream import DataStream
from pyflink.table import StreamTableEnvironment

from jobs.micro_batch import kafka_options


def rule_messages(
    t_env: StreamTableEnvironment, bootstrap: str, topic: str, *, bounded: bool, kafka_properties: dict[str, str]
) -> DataStream:
    """Messages of the topic from its beginning, ``Row(key, value, published_ms)``, for `RuleLog.take_message`.

    A missing key or value is None: a rule is withdrawn by a message without a value. `published_ms` is the broker's
    time of the message, milliseconds since the epoch. The source has one instance, so messages keep their order.
    """
    options = kafka_options(bootstrap, topic, bounded, "earliest-offset", kafka_properties)
    t_env.execute_sql(
        "CREATE TEMPORARY TABLE rule_messages (k STRING, v STRING, "
        f"ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL) WITH ({options}, 'scan.parallelism' = '1')"
    )
    published_ms = "EXTRACT(EPOCH FROM ts) * 1000 + EXTRACT(MILLISECOND FROM ts)"
    return t_env.to_data_stream(t_env.sql_query(f"SELECT k, v, {published_ms} AS published_ms FROM rule_messages"))
