"""The micro-batch: windows inside the JVM turn records into batches, checkpointed, with no Java code of ours.

Crossing between JVM and Python costs tens of microseconds a record; a batch crosses once. The same mechanism batches
for a sink soundly: PyFlink gives Python no snapshot hook, so a buffer kept in Python is lost on failure, while a window
is Flink's own state.

Time: bounded input is windowed by ingestion time, because processing-time windows drop their last batch at the end of
input; unbounded input by processing time, because a watermark stands still while a source is idle.
"""

from __future__ import annotations

from pyflink.common import Types
from pyflink.common.typeinfo import TypeInformation
from pyflink.datastream import DataStream, KeyedStream
from pyflink.java_gateway import get_gateway
from pyflink.table import Schema, StreamTableEnvironment

from schemas.position import FEED_SHIFT, PARTITION_SHIFT
from schemas.run import FeedInput
from sources import FEEDS

INGESTION_TIME = "CAST(CURRENT_ROW_TIMESTAMP() AS TIMESTAMP_LTZ(3))"

# A record as old as the watermark is late already, and a window drops what is late. Without slack the records of a
# watermark's own millisecond can be lost (49,802 of 50,000 arrived with windows of 1 ms), and after a step of the clock
# back all until it catches up.
_SLACK = "INTERVAL '1' SECOND"


def _time_columns(bounded: bool) -> str:
    if bounded:
        return f"ts AS {INGESTION_TIME}, WATERMARK FOR ts AS ts - {_SLACK}"
    return "ts AS PROCTIME()"


def _interval(window_ms: int) -> str:
    return f"INTERVAL '{window_ms // 1000}.{window_ms % 1000:03d}' SECOND(6, 3)"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def log_table(table: str, source: FeedInput, bounded: bool, startup: str, kafka_properties: dict[str, str]) -> str:
    """DDL of the source table of one feed: spooled files, or a Kafka topic."""
    if source.transport == "files":
        return (
            f"CREATE TEMPORARY TABLE {table} (p BIGINT, k STRING, v BYTES, {_time_columns(bounded)}) WITH ("
            f"'connector' = 'filesystem', 'format' = 'json', 'path' = {_quoted(source.spool)})"
        )
    options = {
        "connector": "kafka",
        "topic": source.logs[0],
        "properties.bootstrap.servers": source.bootstrap,
        "properties.isolation.level": "read_committed",
        "scan.startup.mode": startup,
        "key.format": "raw",
        "key.fields": "k",
        "value.format": "raw",
        "value.fields-include": "EXCEPT_KEY",
        **({"scan.bounded.mode": "latest-offset"} if bounded else {}),
        **{f"properties.{name}": value for name, value in kafka_properties.items()},
    }
    with_options = ", ".join(f"{_quoted(name)} = {_quoted(value)}" for name, value in options.items())
    return (
        f"CREATE TEMPORARY TABLE {table} (k BYTES, v BYTES, `partition` INT METADATA VIRTUAL, "
        f"`offset` BIGINT METADATA VIRTUAL, {_time_columns(bounded)}) WITH ({with_options})"
    )


def _records(table: str, number: int, source: FeedInput) -> str:
    """One feed's records as ``(k, v, p, ts)``: the key found by the record or by the feed's key expression."""
    if source.transport == "files":
        # the spool has applied the key expression already
        return f"SELECT CAST(k AS BYTES) AS k, v, p, ts FROM {table}"
    key = f"CASE WHEN CHAR_LENGTH(CAST(k AS STRING)) > 0 THEN k ELSE {FEEDS[source.feed].key_sql} END"
    position = f"{number << FEED_SHIFT} + CAST(`partition` AS BIGINT) * {1 << PARTITION_SHIFT} + `offset`"
    return f"SELECT {key} AS k, v, {position} AS p, ts FROM {table}"


def shard_batches(
    t_env: StreamTableEnvironment,
    inputs: tuple[FeedInput, ...],
    *,
    bounded: bool,
    startup: str,
    kafka_properties: dict[str, str],
    shards: int,
    window_ms: int,
) -> DataStream:
    """Records of every input as ``Row(shard, Row(shard, keys, values, positions))``, ready for `keyed_by_shard`.

    A shard is the key's hash modulo `shards`; records without a key go to shard 0, where they are rejected. ABS is
    applied after the remainder, since ABS of the smallest integer stays negative.
    """
    selects = []
    for number, source in enumerate(inputs):
        table = f"log_{source.feed}"
        t_env.execute_sql(log_table(table, source, bounded, startup, kafka_properties))
        selects.append(_records(table, number, source))
    t_env.create_temporary_view("records", t_env.sql_query(" UNION ALL ".join(selects)))
    shard = f"COALESCE(ABS(MOD(HASH_CODE(CAST(k AS STRING)), {shards})), 0)"
    batches = t_env.sql_query(
        f"SELECT {shard} AS shard, ARRAY_AGG(k) AS ks, ARRAY_AGG(v) AS vs, ARRAY_AGG(p) AS ps FROM "
        f"TABLE(TUMBLE(TABLE records, DESCRIPTOR(ts), {_interval(window_ms)})) "
        f"GROUP BY {shard}, window_start, window_end"
    )
    t_env.create_temporary_view("batches", batches)
    return t_env.to_data_stream(t_env.sql_query("SELECT shard AS k, ROW(shard, ks, vs, ps) AS v FROM batches"))


BATCH_TYPE: TypeInformation = Types.ROW(
    [
        Types.INT(),
        Types.OBJECT_ARRAY(Types.PRIMITIVE_ARRAY(Types.BYTE())),
        Types.OBJECT_ARRAY(Types.PRIMITIVE_ARRAY(Types.BYTE())),
        Types.OBJECT_ARRAY(Types.LONG()),
    ]
)


def keyed_by_shard(stream: DataStream) -> KeyedStream:
    """Key the batches by shard inside the JVM.

    `DataStream.key_by` would carry every batch through Python once more, only to put its key beside it; the query above
    has put it there, in the very shape ``Row(key, value)`` that PyFlink's keyed operators read.
    """
    # The planner's own type description is not one that PyFlink's operators accept; this says the same of the rows.
    stream._j_data_stream.getTransformation().setOutputType(Types.ROW([Types.INT(), BATCH_TYPE]).get_java_type_info())
    selector = get_gateway().jvm.KeyByKeySelector()
    keyed = stream._j_data_stream.keyBy(selector, Types.ROW([Types.INT()]).get_java_type_info())
    return KeyedStream(keyed, BATCH_TYPE, stream)


def lane_batches(t_env: StreamTableEnvironment, packed: DataStream, *, bounded: bool, window_ms: int) -> DataStream:
    """The second micro-batch: ``Row(lane, packed)`` -> ``Row(lane, [packed bytes ...])``, one per lane and window."""
    schema = Schema.new_builder().column_by_expression("b", "CAST(packed AS BYTES)")
    if bounded:
        schema = schema.column_by_expression("ts", INGESTION_TIME).watermark("ts", f"ts - {_SLACK}")
    else:
        schema = schema.column_by_expression("ts", "PROCTIME()")
    t_env.create_temporary_view("history", t_env.from_data_stream(packed, schema.build()))
    return t_env.to_data_stream(
        t_env.sql_query(
            "SELECT lane, ARRAY_AGG(b) AS bs FROM "
            f"TABLE(TUMBLE(TABLE history, DESCRIPTOR(ts), {_interval(window_ms)})) "
            "GROUP BY lane, window_start, window_end"
        )
    )
