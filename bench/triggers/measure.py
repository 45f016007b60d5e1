"""One live job under rules: its sustained rate over a backlog, then the latency of triggers at parts of that rate."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from uuid import uuid4

import msgspec
from clickhouse_connect.driver.client import Client
from msgspec import Struct

from bench.child import BenchError
from bench.measures import percentile
from bench.real_stores import empty_redis
from bench.triggers.load import PEOPLE, PROBES, introductions, probe_rule
from bench.triggers.producer import Plan, Produced
from bench.triggers.reader import Reader
from livetags import ledger
from livetags.embedded import topics
from livetags.job_process import JobFailed, JobProcess
from livetags.key_file import ensure_keys
from livetags.rule_updates import publish, rules_folder
from livetags.runner import prepare_stores
from schemas.redis_keys import trigger_stream_key
from schemas.run import FeedInput, Run
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule

WARM_UP_S, MEASURED_S = 10.0, 30.0
SHARDS = 4
"""A few for one slot: every shard has batches of its own in every window."""
_STEP_S = 24.0
_FIRST_RATE, _STEP_UP = 1_000.0, 1.25
_GROWS_MS, _STANDS_MS = 100.0, 500.0
_LAST_RATE = 100_000.0
_SEEN_TIMEOUT_S = 30.0
PROBES_PER_S = 100.0
_INTRODUCED = 4 * (PEOPLE + PROBES)
_START_TIMEOUT_S, _COUNT_TIMEOUT_S = 180.0, 240.0
_POLL_S = 0.2
_FEEDS = ("link", "consent", "dpi")


class CaughtUp(Struct):
    """The rate at which a backlog was worked off, events a second, and what was fired meanwhile."""

    rules: int
    window_ms: int
    events: int
    rate: float
    fired: int


class Latency(Struct):
    """Milliseconds from due to readable in the stream; lost ones count as infinite, which JSON has null for."""

    window_ms: int
    share: float
    rate: float
    probes: int
    lost: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    producer_max_lag_ms: float


class Step(Struct):
    """A step of the ramp: median waits of its second and of its last third, milliseconds; infinite if lost."""

    rate: float
    window_ms: int
    second_ms: float
    last_ms: float

    @property
    def keeps_up(self) -> bool:
        """Whether events did not wait longer and longer, nor for what was late before."""
        return self.last_ms <= self.second_ms + _GROWS_MS and self.last_ms <= 2 * self.window_ms + _STANDS_MS


class Measured(Struct):
    """Of one job: the steps of the ramp, and latencies at shares of the highest rate that it kept up with."""

    window_ms: int
    sustained: float
    steps: list[Step]
    latencies: list[Latency]


class LiveJob:
    """A live job over topics of its own, with real sinks and checkpoints; entering it introduces everybody."""

    def __init__(
        self, settings: Settings, bootstrap: str, window_ms: int, rules: Sequence[TriggerRule], scratch: Path
    ) -> None:
        self.name = f"triggers-{uuid4().hex[:8]}"
        self.folder = scratch / self.name
        self.folder.mkdir(parents=True)
        self.settings = settings.model_copy(
            update={
                "window_ms": window_ms,
                "shards": SHARDS,
                "redis_key_prefix": self.name,
                "clickhouse_database": self.name.replace("-", "_"),
                "rule_updates": (self.folder / "rules").as_uri(),
                "checkpoint_dir": (self.folder / "checkpoints").as_uri(),
            }
        )
        self.window_ms, self.rules = window_ms, len(rules)
        self._bootstrap = bootstrap
        self._produced = 0
        ensure_keys(self.settings)
        publish(self.settings, rules)
        empty_redis(self.settings)

    def __enter__(self) -> LiveJob:
        for feed in _FEEDS:
            topics.create_topic(self._bootstrap, f"{self.name}.{feed}", 2)
        self.client: Client = prepare_stores(self.settings)
        sources = tuple(
            FeedInput(feed, "kafka", (f"{self.name}.{feed}",), bootstrap=self._bootstrap) for feed in _FEEDS
        )
        run = Run(self.name, sources, bounded=False, rule_updates=rules_folder(self.settings))
        self.job = JobProcess(self.settings, run)
        self.reader = Reader(
            self.settings.redis_url.get_secret_value(), trigger_stream_key(self.settings.redis_key_prefix)
        )
        try:
            by_feed = defaultdict(list)
            for feed, key, value in introductions(round(time.time() * 1_000)):
                by_feed[feed].append((key, value))
            done = 0
            for feed, records in by_feed.items():  # the links are known before the consents come
                topics.publish(self._bootstrap, f"{self.name}.{feed}", records)
                done += len(records)
                self._until(lambda done=done: self.events_in() >= done, _START_TIMEOUT_S, "everybody was introduced")
        except BaseException:
            self.__exit__()
            raise
        self._produced = done
        return self

    def __exit__(self, *_: object) -> None:
        self.job.kill()
        self.reader.close()
        self.client.close()

    def events_in(self) -> int:
        """Records the job has counted, as its history says; a second or so late."""
        return ledger.totals(self.client, self.settings.clickhouse_database, self.name).events_in

    def caught_up(self, flows: int) -> CaughtUp:
        """Work off a backlog; the rate is that between a tenth and nine tenths of it."""
        fired = self.reader.others
        self._produce(flows, 0.0)
        begin = self._produced
        samples: list[tuple[float, int]] = []

        def worked_off() -> bool:
            samples.append((time.monotonic(), self.events_in() - begin))
            return samples[-1][1] >= flows

        self._until(worked_off, _COUNT_TIMEOUT_S, "the backlog was worked off")
        self._produced += flows
        # totals come once a second: from the first sample of one to the first of another
        first = next(sample for sample in samples if sample[1] >= flows // 10)
        last = next(sample for sample in samples if sample[1] >= flows * 9 // 10)
        rate = (last[1] - first[1]) / (last[0] - first[0])
        return CaughtUp(self.rules, self.window_ms, flows, rate, self.reader.others - fired)

    def ramp(self) -> list[Step]:
        """Open loop at rising rates, up to the first that it does not keep up with twice in a row."""
        steps: list[Step] = []
        rate = _FIRST_RATE
        while rate < _LAST_RATE:
            for _ in range(2):  # a pause of the machine is no limit of the job
                waits = self._waits(rate, _STEP_S)
                third = len(waits) // 3
                medians = (percentile(sorted(part), 0.5) for part in (waits[third : 2 * third], waits[2 * third :]))
                steps.append(Step(rate, self.window_ms, *medians))
                if steps[-1].keeps_up:
                    break
            else:
                break
            rate *= _STEP_UP
        return steps

    def latency(self, share: float, rate: float) -> Latency:
        """Open loop at a rate: half a minute after a warm-up."""
        waits = self._waits(rate, WARM_UP_S + MEASURED_S)
        measured = sorted(waits[round(len(waits) * WARM_UP_S / (WARM_UP_S + MEASURED_S)) :])
        return Latency(
            self.window_ms,
            share,
            rate,
            len(measured),
            sum(wait == inf for wait in measured),
            *(percentile(measured, q) for q in (0.5, 0.99, 0.999)),
            measured[-1],
            self._producer_lag_ms,
        )

    def _waits(self, rate: float, seconds: float) -> list[float]:
        """Open loop: how long each probe's trigger took, in the order they were due; infinite if it was never seen."""
        self.reader.seen.clear()
        flows = int(rate * seconds)
        every = max(round(rate / PROBES_PER_S), 2)
        produced = self._produce(flows, rate, every)
        begin, began = self._produced, time.monotonic()
        self._until(lambda: self.events_in() - begin >= flows, _COUNT_TIMEOUT_S, "every flow was counted")
        self._produced += flows
        while len(self.reader.seen) < produced.probes and time.monotonic() - began < _SEEN_TIMEOUT_S:
            time.sleep(_POLL_S)
        if self.reader.error:
            raise BenchError(self.reader.error)
        self._producer_lag_ms = produced.max_lag_ms
        seen = dict(self.reader.seen)
        return [seen[due] - due if due in seen else inf for due in produced.due_ms]

    def _produce(self, flows: int, rate: float, probe_every: int = 0) -> Produced:
        """Run the producer in a process of its own: two loops in one interpreter would delay each other."""
        outcome, file = self.folder / "produced.json", self.folder / "plan.json"
        plan = Plan(
            bootstrap=self._bootstrap,
            topic=f"{self.name}.dpi",
            first=self._produced,
            flows=flows,
            rate=rate,
            start_ms=time.time() * 1_000 + 1_500,
            probe_every=probe_every,
            outcome=str(outcome),
        )
        file.write_bytes(msgspec.json.encode(plan))
        done = subprocess.run(
            [sys.executable, "-m", "bench.triggers.producer", str(file)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode != 0:
            msg = f"the producer failed: {done.stderr[-500:]}"
            raise BenchError(msg)
        return msgspec.json.decode(outcome.read_bytes(), type=Produced)

    def _until(self, what: Callable[[], bool], seconds: float, said: str) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            if not self.job.running() or time.monotonic() > deadline:
                msg = f"it was not so within {seconds:.0f} s that {said}; the job's log: {self.job.log}"
                raise BenchError(msg)
            time.sleep(_POLL_S)


def caught_up(
    settings: Settings, bootstrap: str, window_ms: int, rules: Sequence[TriggerRule], scratch: Path, flows: int
) -> CaughtUp:
    """A job of its own works off a backlog, after another that warms it up.

    Raises
    ------
    BenchError
        When the job or a producer fails, or something is missing.
    """
    try:
        with LiveJob(settings, bootstrap, window_ms, rules, scratch) as job:
            job.caught_up(flows)
            return job.caught_up(flows)
    except JobFailed as error:
        raise BenchError(str(error)) from None


def measure(
    settings: Settings,
    bootstrap: str,
    window_ms: int,
    rules: Sequence[TriggerRule],
    scratch: Path,
    shares: Sequence[float],
) -> Measured:
    """A job of its own: the highest rate it keeps up with, and latencies at shares of it.

    Raises
    ------
    BenchError
        When the job or a producer fails, or something is missing.
    """
    try:
        with LiveJob(settings, bootstrap, window_ms, [*rules, probe_rule()], scratch) as job:
            steps = job.ramp()
            sustained = max((step.rate for step in steps if step.keeps_up), default=0.0)
            if not sustained:
                msg = f"it did not keep up with {_FIRST_RATE:,.0f} events a second"
                raise BenchError(msg)
            return Measured(window_ms, sustained, steps, [job.latency(share, sustained * share) for share in shares])
    except JobFailed as error:
        raise BenchError(str(error)) from None
