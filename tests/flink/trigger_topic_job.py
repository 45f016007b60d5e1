"""A job that sends given triggers to a topic, in both ways of running Python: run by path, as a job is."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
from pyflink.common import Types
from pyflink.datastream import FlatMapFunction
from pyflink.table import StreamTableEnvironment

from jobs.environment import make_environment
from jobs.trigger_topic import ROW_TYPE, send_to_topic, topic_rows
from schemas.outputs import Receipt
from schemas.settings import Settings


class Sent(FlatMapFunction):  # type: ignore[misc]
    """Packed receipts, hexadecimal -> rows of the topic."""

    def __init__(self, public_settings: str) -> None:
        self._public_settings = public_settings

    def flat_map(self, value: str):  # type: ignore[no-untyped-def]
        form = Settings.on_worker(self._public_settings).trigger_topic_format
        yield from topic_rows(msgspec.msgpack.decode(bytes.fromhex(value), type=list[Receipt]), form)


def main(public_settings: str, packed: str, jars: list[str]) -> None:
    settings = Settings.on_worker(public_settings)
    environment = make_environment(settings, [Path(jar) for jar in jars], local=True)
    t_env = StreamTableEnvironment.create(environment)
    batches = environment.from_collection([packed], Types.STRING())
    rows = batches.flat_map(Sent(public_settings), output_type=ROW_TYPE)
    send_to_topic(t_env, rows, settings.trigger_topic, {"client.id": "it's livetags"})
    environment.execute("triggers to a topic")


if __name__ == "__main__":
    import trigger_topic_job

    trigger_topic_job.main(sys.argv[1], sys.argv[2], sys.argv[3:])
