"""The micro-batch: windows inside the JVM turn records into batches, checkpointed, with no Java code of ours.

Crossing between JVM and Python costs tens of microseconds a record; a batch crosses once. The same mechanism batches
for a sink soundly: PyFlink gives Python no snapshot hook, so a buffer kept in Python is lost on failure, while a window
is Flink's own state.

Time: a replay of files is windowed by the records' number in the replay, so its batches are the same at any speed and
any parallelism. A topic that is read to its end is windowed by ingestion time, because processing-time windows drop
their last batch at the end of input; a topic read for ever by processing time, because a watermark stands still while a
source is idle.
"""

from __future__ import annotations

from pyflink.common import Types
from pyflink.common.typeinfo import TypeInformation
from pyflink.datastream import DataStream, KeyedStream
from pyflink.java_gateway import get_gateway
from pyflink.table import Schema, StreamTableEnvironment

from jobs.operators.reloadable import DICTIONARIES, RULES
from schemas.position import FEED_SHIFT, PARTITION_SHIFT
from schemas.run import FeedInput, Run
from sources import FEEDS

INGESTION_TIME = "CAST(CURRENT_ROW_TIMESTAMP() AS TIMESTAMP_LTZ(3))"

# A record as old as the watermark is late already, and a window drops what is late. Without slack the records of a
# watermark's own millisecond can be lost (49,802 of 50,000 arrived with windows of 1 ms), and after a step of the clock
# back all until it catches up.
_SLACK = "INTERVAL '1' SECOND"


def _interval(window_ms: int) -> str:
    return f"INTERVAL '{window_ms // 1000}.{window_ms % 1000:03d}' SECOND(6, 3)"


def _timed(schema: Schema.Builder, bounded: bool) -> Schema.Builder:
    """With the time column ``ts`` of batches on their way through the job."""
    if bounded:
        return schema.column_by_expression("ts", INGESTION_TIME).watermark("ts", f"ts - {_SLACK}")
    return schema.column_by_expression("ts", "PROCTIME()")


def quoted(text: str) -> str:
    """The text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def replay_table(spool: str) -> str:
    """DDL of the source table of spooled files. Numbers only grow, so nothing is ever late."""
    return (
        "CREATE TEMPORARY TABLE replay (s BIGINT, p BIGINT, k STRING, v BYTES, ts AS TO_TIMESTAMP_LTZ(s, 3), "
        "WATERMARK FOR ts AS ts) WITH ("
        f"'connector' = 'filesystem', 'format' = 'json', 'path' = {quoted(spool)})"
    )


def kafka_options(bootstrap: str, topic: str, bounded: bool, startup: str, kafka_properties: dict[str, str]) -> str:
    """Options of a table of a topic's committed records: column ``k`` is the key as it is, the other the value."""
    options = {
        "connector": "kafka",
        "topic": topic,
        "properties.bootstrap.servers": bootstrap,
        "properties.isolation.level": "read_committed",
        "scan.startup.mode": startup,
        "key.format": "raw",
        "key.fields": "k",
        "value.format": "raw",
        "value.fields-include": "EXCEPT_KEY",
        **({"scan.bounded.mode": "latest-offset"} if bounded else {}),
        **{f"properties.{name}": value for name, value in kafka_properties.items()},
    }
    return ", ".join(f"{quoted(name)} = {quoted(value)}" for name, value in options.items())


def topic_table(table: str, source: FeedInput, bounded: bool, startup: str, kafka_properties: dict[str, str]) -> str:
    """DDL of the source table of one topic."""
    options = kafka_options(source.bootstrap, source.logs[0], bounded, startup, kafka_properties)
    time = f"ts AS {INGESTION_TIME}, WATERMARK FOR ts AS ts - {_SLACK}" if bounded else "ts AS PROCTIME()"
    return (
        f"CREATE TEMPORARY TABLE {table} (k BYTES, v BYTES, `partition` INT METADATA VIRTUAL, "
        f"`offset` BIGINT METADATA VIRTUAL, {time}) WITH ({options})"
    )


def _topic_records(table: str, number: int, source: FeedInput) -> str:
    """One topic's records as ``(k, v, p, s, ts)``: the key of the record, or what the feed's key expression finds."""
    key = f"CASE WHEN CHAR_LENGTH(CAST(k AS STRING)) > 0 THEN k ELSE {FEEDS[source.feed].key_sql} END"
    position = f"{number << FEED_SHIFT} + CAST(`partition` AS BIGINT) * {1 << PARTITION_SHIFT} + `offset`"
    return f"SELECT {key} AS k, v, {position} AS p, CAST(0 AS BIGINT) AS s, ts FROM {table}"


def shard_batches(
    t_env: StreamTableEnvironment,
    run: Run,
    *,
    startup: str,
    kafka_properties: dict[str, str],
    shards: int,
    window_ms: int,
) -> DataStream:
    """Records of every input as ``Row(shard, Row(shard, keys, values, positions, numbers))`` for `keyed_by_shard`.

    A shard is the key's hash modulo `shards`; records without a key go to shard 0, where they are rejected. ABS is
    applied after the remainder, since ABS of the smallest integer stays negative. `numbers` are those of the replay,
    zero for topics. A millisecond of `window_ms` is a record in a replay.
    """
    if run.spool:
        t_env.execute_sql(replay_table(run.spool))
        records = "SELECT CAST(k AS BYTES) AS k, v, p, s, ts FROM replay"
    else:
        selects = []
        for number, source in enumerate(run.inputs):
            table = f"log_{source.feed}"
            t_env.execute_sql(topic_table(table, source, run.bounded, startup, kafka_properties))
            selects.append(_topic_records(table, number, source))
        records = " UNION ALL ".join(selects)
    t_env.create_temporary_view("records", t_env.sql_query(records))
    shard = f"COALESCE(ABS(MOD(HASH_CODE(CAST(k AS STRING)), {shards})), 0)"
    batches = t_env.sql_query(
        f"SELECT {shard} AS shard, ARRAY_AGG(k) AS ks, ARRAY_AGG(v) AS vs, ARRAY_AGG(p) AS ps, ARRAY_AGG(s) AS ss FROM "
        f"TABLE(TUMBLE(TABLE records, DESCRIPTOR(ts), {_interval(window_ms)})) "
        f"GROUP BY {shard}, window_start, window_end"
    )
    t_env.create_temporary_view("batches", batches)
    return t_env.to_data_stream(t_env.sql_query("SELECT shard AS k, ROW(shard, ks, vs, ps, ss) AS v FROM batches"))


BATCH_TYPE: TypeInformation = Types.ROW(
    [
        Types.INT(),
        Types.OBJECT_ARRAY(Types.PRIMITIVE_ARRAY(Types.BYTE())),
        Types.OBJECT_ARRAY(Types.PRIMITIVE_ARRAY(Types.BYTE())),
        Types.OBJECT_ARRAY(Types.LONG()),
        Types.OBJECT_ARRAY(Types.LONG()),
    ]
)

FORWARDED_TYPE: TypeInformation = Types.ROW([Types.INT(), Types.OBJECT_ARRAY(Types.PRIMITIVE_ARRAY(Types.BYTE()))])


def forwarded_batches(t_env: StreamTableEnvironment, forwarded: DataStream, run: Run, *, window_ms: int) -> DataStream:
    """What the doors passed on, ``Row(shard, number, packed)``, as ``Row(shard, Row(shard, [packed ...]))``.

    A replay has the same windows here as at the doors: a batch holds all that they passed on from one window, so its
    receiver can put it back in the order of the replay.
    """
    schema = Schema.new_builder().column_by_expression("b", "CAST(packed AS BYTES)")
    if run.spool:
        schema = schema.column_by_expression("ts", "TO_TIMESTAMP_LTZ(number, 3)").watermark("ts", "SOURCE_WATERMARK()")
    else:
        schema = _timed(schema, run.bounded)
    t_env.create_temporary_view("forwarded", t_env.from_data_stream(forwarded, schema.build()))
    batches = t_env.sql_query(
        "SELECT shard, ARRAY_AGG(b) AS bs FROM "
        f"TABLE(TUMBLE(TABLE forwarded, DESCRIPTOR(ts), {_interval(window_ms)})) "
        "GROUP BY shard, window_start, window_end"
    )
    t_env.create_temporary_view("forwarded_batches", batches)
    return t_env.to_data_stream(t_env.sql_query("SELECT shard AS k, ROW(shard, bs) AS v FROM forwarded_batches"))


def keyed_by_shard(stream: DataStream, value_type: TypeInformation) -> KeyedStream:
    """Key the batches by shard inside the JVM.

    `DataStream.key_by` would carry every batch through Python once more, only to put its key beside it; the query above
    has put it there, in the very shape ``Row(key, value)`` that PyFlink's keyed operators read.
    """
    # The planner's own type description is not one that PyFlink's operators accept; this says the same of the rows.
    stream._j_data_stream.getTransformation().setOutputType(Types.ROW([Types.INT(), value_type]).get_java_type_info())
    selector = get_gateway().jvm.KeyByKeySelector()
    keyed = stream._j_data_stream.keyBy(selector, Types.ROW([Types.INT()]).get_java_type_info())
    return KeyedStream(keyed, value_type, stream)


def published_updates(t_env: StreamTableEnvironment, run: Run) -> DataStream | None:
    """Dictionaries and trigger rules as they are published, ``Row(of what, packed)``; None: nobody publishes any.

    One for each line of each file that is, or appears, in the run's folders.
    """
    selects = []
    for of_what, folder, interval in (
        (DICTIONARIES, run.dictionary_updates, "1 s"),
        (RULES, run.rule_updates if not run.bounded else "", "200 ms"),
    ):
        if folder:
            t_env.execute_sql(
                f"CREATE TEMPORARY TABLE {of_what}_updates (packed STRING) WITH ('connector' = 'filesystem', "
                f"'format' = 'raw', 'path' = {quoted(folder)}, 'source.monitor-interval' = '{interval}')"
            )
            selects.append(f"SELECT '{of_what}' AS of_what, packed FROM {of_what}_updates")
    return t_env.to_data_stream(t_env.sql_query(" UNION ALL ".join(selects))) if selects else None


def lane_batches(t_env: StreamTableEnvironment, packed: DataStream, *, bounded: bool, window_ms: int) -> DataStream:
    """The second micro-batch: ``Row(lane, packed)`` -> ``Row(lane, [packed bytes ...])``, one per lane and window."""
    schema = _timed(Schema.new_builder().column_by_expression("b", "CAST(packed AS BYTES)"), bounded)
    t_env.create_temporary_view("history", t_env.from_data_stream(packed, schema.build()))
    return t_env.to_data_stream(
        t_env.sql_query(
            "SELECT lane, ARRAY_AGG(b) AS bs FROM "
            f"TABLE(TUMBLE(TABLE history, DESCRIPTOR(ts), {_interval(window_ms)})) "
            "GROUP BY lane, window_start, window_end"
        )
    )
