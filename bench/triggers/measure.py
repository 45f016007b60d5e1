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
PROBES_PER_S = 100.0
_INTRODUCED = 4 * (PEOPLE + PROBES)
_START_TIMEOUT_S, _COUNT_TIMEOUT_S = 180.0, 240.0
_POLL_S = 0.2
_FEEDS = ("link", "consent", "dpi")


class Sustained(Struct):
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


class Measured(Struct):
    """Of one job."""

    sustained: Sustained
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

    def sustained(self, flows: int) -> Sustained:
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
        return Sustained(self.rules, self.window_ms, flows, rate, self.reader.others - fired)

    def latency(self, share: float, rate: float) -> Latency:
        """Open loop at a rate: half a minute after a warm-up."""
        self.reader.seen.clear()
        flows = int(rate * (WARM_UP_S + MEASURED_S))
        every = max(round(rate / PROBES_PER_S), 2)
        produced = self._produce(flows, rate, every)
        begin = self._produced
        self._until(lambda: self.events_in() - begin >= flows, _COUNT_TIMEOUT_S, "every flow was counted")
        self._produced += flows
        time.sleep(1.0)
        if self.reader.error:
            raise BenchError(self.reader.error)
        # the first that counts was due after the warm-up
        skipped = int(WARM_UP_S * rate / every)
        waited = sorted(seen - due for due, seen in self.reader.seen[skipped:])
        expected = produced.probes - skipped
        everyone = waited + [inf] * (expected - len(waited))
        return Latency(
            self.window_ms,
            share,
            rate,
            expected,
            expected - len(waited),
            *(percentile(everyone, q) for q in (0.5, 0.99, 0.999)),
            everyone[-1],
            produced.max_lag_ms,
        )

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


def measure(
    settings: Settings,
    bootstrap: str,
    window_ms: int,
    rules: Sequence[TriggerRule],
    scratch: Path,
    flows: int,
    shares: Sequence[float],
) -> Measured:
    """A job of its own: the backlog, and latencies at shares of its rate.

    Raises
    ------
    BenchError
        When the job or a producer fails, or something is missing.
    """
    in_force = [*rules, probe_rule()] if shares else rules
    try:
        with LiveJob(settings, bootstrap, window_ms, in_force, scratch) as job:
            sustained = job.sustained(flows)
            return Measured(sustained, [job.latency(share, sustained.rate * share) for share in shares])
    except JobFailed as error:
        raise BenchError(str(error)) from None
