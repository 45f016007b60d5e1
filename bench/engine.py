"""One command, one machine, one report: ``python -m bench.engine``.

a   the project's job, both micro-batches, discarding sinks
a2  the same micro-batch and update without any output: what compares with b and c
b   plain PyFlink, one call and one state access per event, thread mode
b-process  the same in process mode, PyFlink's default, over the topic's beginning
c   Flink SQL inside the JVM, a sum and a count per user and category
d   the project's job into the embedded stores; d-year the same over third-party household data
d-live     the same with the short windows of a live job
e   latency of an event to Redis at half the rate of d-live

Each run is a process and a JVM of its own, over a bounded topic of a real broker on this machine; a run that did not
process every event is an error, never a number. Repeats alternate. Start-up is measured over a topic of two events.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console

from bench import events, real_stores
from bench.child import BenchError, JobRun, Topic, run_job
from bench.job import OURS, OURS_REAL_SINKS, PER_EVENT, SQL, UPDATE_ONLY
from bench.latency import Latency, measure
from bench.machine import facts
from bench.measures import spread
from bench.report import RESULTS, Measured, Report
from livetags.embedded import jars, java, topics
from livetags.embedded.kafka_broker import KafkaBroker
from schemas.settings import Settings
from sources import household

EVENTS, REPEATS, QUICK_EVENTS = 2_000_000, 3, 100_000
PER_EVENT_AT_MOST = 200_000
SHORTEST_S = 1.0
LETTERS = ("a", "a2", "b", "b-process", "c", "d", "e")
WINDOWS_MS = (200, 50)

Record = tuple[bytes | None, bytes | None]


@dataclass(frozen=True)
class Variant:
    """One row of the report; `letter` is what ``--only`` names."""

    key: str
    letter: str
    what: str
    job: str
    topic: str
    process_mode: bool = False
    live_window: bool = False


VARIANTS = (
    Variant("a", "a", "this project, discarding sinks", OURS, "all"),
    Variant("a2", "a2", "micro-batch and update only", UPDATE_ONLY, "all"),
    Variant("b", "b", "plain PyFlink per event, thread mode", PER_EVENT, "all"),
    Variant("b-process", "b-process", "plain PyFlink per event, process mode", PER_EVENT, "part", process_mode=True),
    Variant("c", "c", "Flink SQL in the JVM (SUM, COUNT)", SQL, "all"),
    Variant("d", "d", "this project into Valkey and ClickHouse", OURS_REAL_SINKS, "quarter"),
    Variant("d-live", "d", "the same, windows of the live job (200 ms)", OURS_REAL_SINKS, "quarter", live_window=True),
    Variant("d-year", "d", "d with third-party household data", OURS_REAL_SINKS, "year"),
)


@dataclass
class Runs:
    """The finished runs of a variant."""

    full: list[JobRun] = field(default_factory=list)
    start_up: list[JobRun] = field(default_factory=list)
    stores_cpu_s: dict[str, float] = field(default_factory=dict)


class Bench:
    """One measurement of everything chosen.

    Parameters
    ----------
    console
        Where progress goes.
    scratch
        A folder that is deleted afterwards.
    stack
        What is started is put on it, and ended when it unwinds.
    """

    def __init__(self, chosen: argparse.Namespace, console: Console, scratch: Path, stack: ExitStack) -> None:
        self._chosen = chosen
        self._console = console
        self._scratch = scratch
        self._stack = stack
        self._jars = jars.fetch("flink-kafka", jars.DEFAULT_FOLDER)
        self._broker_jars = jars.fetch("kafka-broker", jars.DEFAULT_FOLDER)
        self._topics: dict[str, Topic] = {}
        self._stores: Settings | None = None
        self.problems: list[str] = []

    def run(self) -> Report:
        """Measure."""
        chosen = self._chosen
        at = datetime.now(UTC)
        machine = facts([*self._jars, *self._broker_jars])
        bootstrap = self._start_broker()
        # e needs the rate of d-live, unless it is told one
        wanted = set(chosen.only) | ({"d"} if "e" in chosen.only and chosen.rate is None else set())
        variants = [variant for variant in VARIANTS if variant.letter in wanted]
        self._fill(bootstrap, {"start", *(variant.topic for variant in variants)})
        if wanted & {"d", "e"}:
            self._say("starting the embedded stores")
            self._stores = self._stack.enter_context(real_stores.running(self._scratch / "stores", jars.DEFAULT_FOLDER))
        measured = self._rates(variants)
        latencies = self._latencies(bootstrap, measured) if "e" in wanted else []
        return Report(
            at=at.isoformat(timespec="seconds"),
            command=shlex.join(["python", "-m", "bench.engine", *chosen.arguments]),
            repeats=chosen.repeats,
            machine=machine,
            measured=measured,
            latencies=latencies,
            problems=self.problems,
            notes=self._notes(measured),
        )

    def _start_broker(self) -> str:
        self._say("starting the broker")
        broker = KafkaBroker(self._scratch / "kafka", java.java_home(), self._broker_jars)
        self._stack.enter_context(broker)
        return broker.bootstrap

    def _fill(self, bootstrap: str, names: set[str]) -> None:
        """Publish the topics that are needed. A part is the beginning of the whole, event times too."""
        total: int = self._chosen.events
        quarter = max(total // 4, 1)
        sizes = {"start": 2, "all": total, "part": min(total, PER_EVENT_AT_MOST), "quarter": quarter}
        for name in sorted(names):
            self._say(f"filling topic {name}")
            topics.create_topic(bootstrap, f"bench.{name}", 2)
            made: Iterator[Record]
            if name == "year":
                lines = household.sample(min(quarter, household.FEED.sample_events), 0)
                made = ((household.subscriber(line), line) for line in lines)
            else:
                made = events.events(sizes[name], spread_over=total)
            count = topics.publish(bootstrap, f"bench.{name}", made)
            held = sum(topics.end_offsets(bootstrap, f"bench.{name}").values())
            if held != count:
                msg = f"topic {name}: {count:,} events were published, it holds {held:,}"
                raise BenchError(msg)
            self._topics[name] = Topic(bootstrap, f"bench.{name}", count, has_rejects=name == "year")

    def _rates(self, variants: Sequence[Variant]) -> list[Measured]:
        runs = {variant.key: Runs() for variant in variants}
        failed: set[str] = set()
        for repeat in range(self._chosen.repeats):
            for variant in variants:
                if variant.key in failed:
                    continue
                try:
                    self._one(variant, runs[variant.key], repeat)
                except BenchError as error:
                    failed.add(variant.key)
                    self.problems.append(f"{variant.key}: {error}")
                    self._say(f"{variant.key}: {error}")
        return [
            _measured(variant, self._topics[variant.topic], runs[variant.key])
            for variant in variants
            if variant.key not in failed
        ]

    def _one(self, variant: Variant, runs: Runs, repeat: int) -> None:
        """One repeat: the start-up, then the topic."""
        for name, into in (("start", runs.start_up), (variant.topic, runs.full)):
            settings = Settings(data_dir=self._scratch / "data")
            if variant.job == OURS_REAL_SINKS:
                assert self._stores is not None
                settings = self._stores
                real_stores.empty_redis(settings)
            if variant.live_window:
                settings = settings.model_copy(update={"replay_window_ms": settings.window_ms})
            if variant.process_mode:
                settings = settings.model_copy(update={"execution_mode": "process"})
            before = real_stores.cpu_s(settings) if variant.job == OURS_REAL_SINKS else {}
            topic = self._topics[name]
            into.append(run_job(variant.job, topic, settings, self._jars, self._scratch / "runs", variant.process_mode))
            if before:
                after = real_stores.cpu_s(settings)
                runs.stores_cpu_s = {store: after[store] - used for store, used in before.items() if store in after}
        last = runs.full[-1]
        rate = last.seen.events or last.flink.source_records
        self._say(
            f"{variant.key}, {repeat + 1} of {self._chosen.repeats}: {last.wall_s:.1f} s for {rate:,} events, "
            f"start-up {runs.start_up[-1].wall_s:.1f} s"
        )

    def _latencies(self, bootstrap: str, measured: Sequence[Measured]) -> list[Latency]:
        assert self._stores is not None
        rate = self._chosen.rate
        if rate is None:
            # a live job writes a user once per short window, so it is slower than the replay of d
            found = [one for one in measured if one.key == "d-live"]
            if not found:
                self.problems.append("e: there is no rate of d-live to take half of")
                return []
            rate = (found[0].steady or found[0].whole).median / 2
        done = []
        for window_ms in WINDOWS_MS:
            self._say(f"e: window {window_ms} ms at {rate:,.0f} events/s")
            real_stores.empty_redis(self._stores)
            try:
                done.append(measure(self._stores, bootstrap, window_ms, rate, self._scratch / "live"))
            except BenchError as error:
                self.problems.append(f"e, window {window_ms} ms: {error}")
                self._say(self.problems[-1])
        return done

    def _notes(self, measured: Sequence[Measured]) -> list[str]:
        notes = [
            f"Events: {events.USERS:,} users, {events.CATEGORIES} categories, 2 partitions, seed {events.SEED}; "
            "see bench/events.py. All jobs: RocksDB, a checkpoint every 10 s, parallelism 1, a fresh JVM each.",
            "Steady rate: events / (wall time - median wall time over a topic of two events). Every count was checked: "
            "Flink's own count of records read, and the operators' of events folded.",
            "a does more per event than b and c: it hands on each changed profile, and every event's evidence through "
            "the second micro-batch. What becomes of them there (snapshots, rows, writing) is in d only. "
            "a2 does the work of b. c keeps a plain sum and a count: no decay, no de-duplication, no profile.",
            "CPU is that of the job's processes (client, JVM, workers), the start-up's taken off; broker, stores and "
            "producer run on the same cores and are not in it.",
            "State per user: encoded profiles; checkpoint: all state in the last one, as Flink says.",
        ]
        if any(one.key == "b-process" and one.events < self._chosen.events for one in measured):
            notes.append(
                f"b-process ran on the first {PER_EVENT_AT_MOST:,} events only, being slow: its profiles stay smaller "
                "than a's, which favours it; the JVM's warm-up weighs more on it, which does not."
            )
        if any(one.key == "d-year" for one in measured):
            notes.append("d-year: the first lines of third-party household data, 2,469 households in all.")
        notes.append(
            "Latency counts from when the open-loop schedule had the event due; seen through Valkey's client-side "
            "caching in broadcast mode, restricted to probe users (see bench/watcher.py): nothing is polled."
        )
        return notes

    def _say(self, text: str) -> None:
        self._console.print(f"{datetime.now(UTC):%H:%M:%S} {text}", markup=False, highlight=False)


def _measured(variant: Variant, topic: Topic, runs: Runs) -> Measured:
    start_up = spread([run.wall_s for run in runs.start_up])
    start_up_cpu = spread([run.cpu_s for run in runs.start_up])
    last = runs.full[-1]
    totals = last.seen.totals
    millions = topic.events / 1e6
    working_s = [run.wall_s - start_up.median for run in runs.full]
    # Both times vary by parts of a second: what is left of a shorter run says nothing.
    steady = spread([topic.events / each for each in working_s]) if min(working_s) >= SHORTEST_S else None
    return Measured(
        key=variant.key,
        what=variant.what,
        events=topic.events,
        wall_s=spread([run.wall_s for run in runs.full]),
        start_up_s=start_up,
        whole=spread([topic.events / run.wall_s for run in runs.full]),
        steady=steady,
        cpu_s_per_million=spread([max(run.cpu_s - start_up_cpu.median, 0.0) / millions for run in runs.full]),
        operator_span_s=last.seen.last_s - last.seen.first_s,
        state_bytes_per_user=totals["state_bytes"] / totals["users"] if totals.get("users") else 0.0,
        checkpoint_bytes=last.flink.state_bytes,
        checkpoints=last.flink.checkpoints,
        tasks=last.flink.tasks,
        totals=totals,
        stores_cpu_s_per_million={store: used / millions for store, used in runs.stores_cpu_s.items()},
    )


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.engine", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(LETTERS), help="which, of " + ",".join(LETTERS))
    parser.add_argument("--events", type=int, help=f"events of the topic (default {EVENTS:,})")
    parser.add_argument("--repeats", type=int, help=f"default {REPEATS}")
    parser.add_argument("--rate", type=float, help="events/s for e instead of half the rate of d-live")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_EVENTS:,} events, once: to see that it works")
    chosen = parser.parse_args(arguments)
    chosen.arguments = list(arguments)
    chosen.only = [letter.strip() for letter in chosen.only.split(",") if letter.strip()]
    chosen.events = chosen.events or (QUICK_EVENTS if chosen.quick else EVENTS)
    chosen.repeats = chosen.repeats or (1 if chosen.quick else REPEATS)
    if unknown := sorted(set(chosen.only) - set(LETTERS)):
        parser.error(f"--only: got {','.join(unknown)}, expected some of {','.join(LETTERS)}")
    if chosen.events < 8 or chosen.repeats < 1 or (chosen.rate is not None and chosen.rate <= 0):
        parser.error("--events must be at least 8, --repeats at least 1, --rate above 0")
    return chosen


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit status: 1 when anything chosen could not be measured."""
    chosen = _arguments(arguments)
    console = Console(width=None if sys.stdout.isatty() else 200)
    # What clears up on Ctrl-C does so when the session is ended, too.
    signal.signal(signal.SIGTERM, _as_interrupt)
    signal.signal(signal.SIGHUP, _as_interrupt)
    # A setting left in the environment would be measured by some jobs and not by others.
    for name in [name for name in os.environ if name.startswith("LIVETAGS_")]:
        del os.environ[name]
    try:
        with (
            tempfile.TemporaryDirectory(prefix="livetags-bench-", ignore_cleanup_errors=True) as scratch,
            ExitStack() as stack,
        ):
            report = Bench(chosen, console, Path(scratch), stack).run()
    except KeyboardInterrupt:
        console.print("interrupted; everything started here has been ended")
        return 130
    report.show(console)
    for file in report.write(RESULTS):
        console.print(str(file))
    return 1 if report.problems else 0


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main(sys.argv[1:]))
