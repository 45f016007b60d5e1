"""Triggers that were sent, to a Kafka topic too: Flink's own connector, inside the JVM.

At least once: after a failure what was sent since the last checkpoint is sent again, with the same ids. Not in
transactions, on purpose: their triggers could be read only after the next checkpoint, seconds later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal
from urllib.parse import urlsplit

from pyflink.common import Row, Types
from pyflink.datastream import DataStream, FlatMapFunction
from pyflink.table import StreamTableEnvironment

from jobs.micro_batch import quoted
from schemas.outputs import Receipt, unpack_history
from sinks.trigger_message import as_json, as_protobuf

Form = Literal["json", "protobuf"]

# Hexadecimal, because a message as protobuf is no text and thread mode converts bytes one by one
ROW_TYPE = Types.ROW_NAMED(["person", "hexadecimal"], [Types.STRING(), Types.STRING()])


def topic_rows(receipts: Iterable[Receipt], form: Form) -> list[Row]:
    """Rows of `ROW_TYPE` for the triggers that were sent; shadows and what was refused for an erasure were not."""
    encode = as_json if form == "json" else as_protobuf
    return [Row(trigger.user, encode(trigger).hex()) for trigger, sent_ms in receipts if sent_ms]


class TopicRows(FlatMapFunction):  # type: ignore[misc]
    """Receipts as they go to the history, ``Row(lane, packed HistoryBatch)``, as rows of `ROW_TYPE`."""

    def __init__(self, form: Form) -> None:
        self._form: Form = form

    def flat_map(self, value: Row) -> Iterator[Row]:
        """One row for each trigger sent."""
        yield from topic_rows(unpack_history(value[1].encode()).receipts, self._form)


def topic_table(topic: str, kafka_properties: Mapping[str, str]) -> str:
    """DDL of the sink table of ``kafka://host:port/topic``; the key is the person, so a person stays in order."""
    parts = urlsplit(topic)
    options = {
        "connector": "kafka",
        "topic": parts.path.strip("/"),
        "properties.bootstrap.servers": parts.netloc,
        "key.format": "raw",
        "key.fields": "person",
        "value.format": "raw",
        "value.fields-include": "EXCEPT_KEY",
        "sink.delivery-guarantee": "at-least-once",
        **{f"properties.{name}": value for name, value in kafka_properties.items()},
    }
    with_options = ", ".join(f"{quoted(name)} = {quoted(value)}" for name, value in options.items())
    return f"CREATE TEMPORARY TABLE trigger_topic (person STRING, message BYTES) WITH ({with_options})"


def send_to_topic(
    t_env: StreamTableEnvironment, rows: DataStream, topic: str, kafka_properties: Mapping[str, str]
) -> None:
    """Write the rows, of `ROW_TYPE`, to the topic, as part of the job that the environment executes.

    Parameters
    ----------
    topic
        ``kafka://host:port[,host:port]/topic``, the setting `trigger_topic`; the topic must exist, unless the brokers
        make it.
    kafka_properties
        For the producer, for example ``security.protocol``.
    """
    t_env.execute_sql(topic_table(topic, kafka_properties))
    t_env.create_temporary_view("sent_triggers", t_env.from_data_stream(rows))
    statements = t_env.create_statement_set()
    statements.add_insert_sql("INSERT INTO trigger_topic SELECT person, UNHEX(hexadecimal) FROM sent_triggers")
    statements.attach_as_datastream()
