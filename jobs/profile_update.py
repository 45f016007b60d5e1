"""The job `profile_update`: events in, living profiles out.

    feeds -> micro-batch by identifier -> door -> micro-batch by person -> profiles -> hot sink (Redis) -> receipts
                                                                              \\-> micro-batch -> history (ClickHouse)

Run it with ``livetags run profile_update``, or submit this file to a cluster with ``flink run -py``; see README.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from threading import Thread

import msgspec
from pyflink.common import Types
from pyflink.datastream import DataStream, FlatMapFunction, KeyedStream, MapFunction, StreamExecutionEnvironment
from pyflink.table import StreamTableEnvironment

from jobs.environment import make_environment
from jobs.micro_batch import (
    BATCH_TYPE,
    FORWARDED_TYPE,
    forwarded_batches,
    keyed_by_shard,
    lane_batches,
    published_updates,
    shard_batches,
)
from jobs.operators.door import FORWARDED, DoorOperator
from jobs.operators.history_writer import HistoryWriter
from jobs.operators.hot_writer import HotWriter
from jobs.operators.profile import ProfileOperator
from jobs.operators.reloadable import UPDATES, Reloadable
from jobs.operators.shard_operator import HISTORY, HISTORY_TYPE, HOT_TYPE, ShardOperator
from jobs.rule_topic import rule_messages, updates_of
from jobs.trigger_topic import ROW_TYPE, TopicRows, send_to_topic
from schemas.run import Run
from schemas.settings import Settings
from sources import FEEDS

NAME = "profile_update"
_SECOND_WINDOW_PARTS = 4


def build(
    environment: StreamExecutionEnvironment,
    settings: Settings,
    run: Run,
    *,
    hot: FlatMapFunction,
    history: MapFunction,
    startup: str = "earliest-offset",
) -> None:
    """Wire the job; nothing runs yet.

    Parameters
    ----------
    hot, history
        The sinks: functions that write a batch and return; `hot` gives the history the receipts of triggers.
    startup
        Kafka's ``scan.startup.mode`` where no state is restored.
    """
    t_env = StreamTableEnvironment.create(environment)
    t_env.get_config().set("table.exec.resource.default-parallelism", str(settings.parallelism))
    t_env.get_config().set("table.local-time-zone", "UTC")
    t_env.get_config().set("table.exec.uid.generation", "ALWAYS")

    kafka_properties = {name: value.get_secret_value() for name, value in settings.kafka_properties.items()}
    window_ms = replay_window(settings, run) if run.bounded else settings.window_ms
    # What the doors pass on comes in a burst after each of their windows: a shorter one collects it, and is waited for
    # less. A replay needs the same windows at both, to put the records back in order.
    second_window_ms = window_ms if run.bounded else max(window_ms // _SECOND_WINDOW_PARTS, 1)
    batches = shard_batches(  # Row(shard, Row(shard, [key ...], [value ...], [position ...], [number ...]))
        t_env,
        run,
        startup=startup,
        kafka_properties=kafka_properties,
        shards=settings.shards,
        window_ms=window_ms,
    )
    updates = published_updates(t_env, run)
    bootstrap, topic = settings.rule_topic_address()
    if topic and not run.bounded:
        messages = rule_messages(
            t_env,
            bootstrap,
            topic,
            bounded=False,
            kafka_properties=kafka_properties,
        )
        updates = updates_of(messages).union(updates) if updates is not None else updates_of(messages)
    door = (  # packed HotBatch
        _processed(keyed_by_shard(batches, BATCH_TYPE), DoorOperator(settings.public(), run), updates)
        .uid(state_uid("door", settings))
        .name("door")
    )
    changed, packed = door, door.get_side_output(HISTORY)  # packed HotBatch; Row(lane, packed HistoryBatch)
    if any(FEEDS[source.feed].linked for source in run.inputs):
        forwarded = door.get_side_output(FORWARDED)  # Row(person's shard, number, packed Forwarded)
        profiles = (  # packed HotBatch
            _processed(
                keyed_by_shard(forwarded_batches(t_env, forwarded, run, window_ms=second_window_ms), FORWARDED_TYPE),
                ProfileOperator(settings.public(), run, settings.shards),
                updates,
            )
            .uid(state_uid("profiles", settings))
            .name("profiles")
        )
        changed, packed = changed.union(profiles), packed.union(profiles.get_side_output(HISTORY))
    receipts = (  # Row(lane, packed HistoryBatch). A task of its own: while it waits for Redis, folding goes on
        changed.flat_map(hot, output_type=HISTORY_TYPE)
        .uid("hot")
        .name("hot profiles and triggers to Redis")
        .start_new_chain()
    )

    if settings.trigger_topic:
        rows = receipts.flat_map(TopicRows(settings.trigger_topic_format), output_type=ROW_TYPE).uid("trigger-rows")
        send_to_topic(t_env, rows, settings.trigger_topic, kafka_properties)

    lanes = lane_batches(t_env, packed.union(receipts), bounded=run.bounded, window_ms=settings.history_window_ms)
    (  # Row(lane, [packed HistoryBatch ...])
        lanes.map(history, output_type=Types.INT())
        .uid("history")
        .name("history to ClickHouse")
        .set_parallelism(min(settings.history_writers, settings.parallelism))
    )


def _processed(batches: KeyedStream, operator: ShardOperator, updates: DataStream | None) -> DataStream:
    """The operator over the batches; what is published while it runs reaches every one of its instances."""
    if updates is None:
        return batches.process(operator, output_type=HOT_TYPE)
    return batches.connect(updates.broadcast(UPDATES)).process(Reloadable(operator), output_type=HOT_TYPE)


def replay_window(settings: Settings, run: Run) -> int:
    """Window of input that ends: so many records of files, so many milliseconds of topics."""
    return settings.replay_window_records if run.spool else settings.replay_window_ms


def state_uid(name: str, settings: Settings) -> str:
    """Identity of an operator's state: restoring it under another shard count or mode would lose profiles silently.

    With these in the name Flink refuses instead: it can't map the state.
    """
    return f"{name}-{settings.shards}-{settings.execution_mode}"


def main(arguments: list[str]) -> None:
    """Entry point, for the command and for ``flink run -py``."""
    parser = argparse.ArgumentParser(prog=NAME, description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True, help="what to read: JSON of schemas.run.Run, or @file")
    parser.add_argument("--settings", default="{}", help="JSON of the public settings, or @file")
    parser.add_argument("--jar", action="append", default=[], help="connector jar, if the cluster has it not")
    parser.add_argument("--local", action="store_true", help="run in a local Flink inside this process's JVM")
    parser.add_argument("--rest-port", type=int, help="port of the local Flink's REST address")
    parser.add_argument("--restore", default="", help="savepoint or retained checkpoint to start from")
    parser.add_argument("--startup", default="earliest-offset", help="where a topic is read from without --restore")
    chosen = parser.parse_args(arguments)

    if chosen.local:
        _end_with_parent()
    settings = Settings.on_worker(_text(chosen.settings))
    run = msgspec.json.decode(_text(chosen.run), type=Run)
    environment = make_environment(
        settings,
        [Path(jar) for jar in chosen.jar],
        local=chosen.local,
        rest_port=chosen.rest_port,
        restore=chosen.restore,
    )
    build(
        environment,
        settings,
        run,
        hot=HotWriter(settings.public()),
        history=HistoryWriter(settings.public(), run.run_id),
        startup=chosen.startup,
    )
    environment.execute(f"{NAME} {run.run_id}")


def _end_with_parent() -> None:
    """End this process, and with it its JVM, when the command that started it is gone: nobody else would."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    Thread(target=watch, name="end-with-parent", daemon=True).start()


def _text(argument: str) -> str:
    return Path(argument[1:]).read_text() if argument.startswith("@") else argument


if __name__ == "__main__":
    main(sys.argv[1:])
