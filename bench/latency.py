"""Latency from the moment an event was due to the moment its profile changed in Redis, under an open-loop load."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from math import inf
from pathlib import Path
from uuid import uuid4

import msgspec
from msgspec import Struct

from bench.child import BenchError
from bench.measures import percentile
from bench.open_loop import Plan, Produced, probe, probe_record
from bench.watcher import Watcher
from livetags import ledger
from livetags.embedded import topics
from livetags.job_process import JobFailed, JobProcess
from livetags.runner import prepare_stores
from schemas.redis_keys import profile_key
from schemas.run import FeedInput, Run
from schemas.settings import Settings

WARM_UP_S = 10.0
MEASURED_S = 30.0
PROBES_PER_S = 200.0
# A probe user comes round this often; what has not been seen by then counts as lost.
PROBE_PERIOD_S = 10.0
_START_TIMEOUT_S = 120.0
_COUNT_TIMEOUT_S = 60.0
_POLL_S = 0.2


class Latency(Struct):
    """Milliseconds from due to visible, after the warm-up.

    `lost`: probes not seen before their user came round, which count as infinite; JSON has null for that.
    """

    window_ms: int
    rate: float
    events: int
    probes: int
    lost: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    producer_max_lag_ms: float


def measure(settings: Settings, bootstrap: str, window_ms: int, rate: float, scratch: Path) -> Latency:
    """Run the project's job, unbounded, with the real sinks, under `rate` events a second; stop it with a savepoint.

    Raises
    ------
    BenchError
        When the job, or the producer, fails or does not start, or an event is missing from the job's totals.
    """
    run_id = f"live-{window_ms}ms-{uuid4().hex[:8]}"
    settings = settings.model_copy(
        update={
            "window_ms": window_ms,
            "redis_key_prefix": run_id,
            "checkpoint_dir": (scratch / run_id / "checkpoints").as_uri(),
        }
    )
    (scratch / run_id).mkdir(parents=True)
    topics.create_topic(bootstrap, run_id, 2)
    client = prepare_stores(settings)
    source = FeedInput("household", "kafka", (run_id,), bootstrap=bootstrap)
    job = JobProcess(settings, Run(run_id, (source,), bounded=False))
    watcher = None
    try:
        prefix = profile_key(settings.redis_key_prefix, "probe-").rstrip("}")
        watcher = Watcher(settings.redis_url.get_secret_value(), prefix)
        _wait_until_it_serves(job, watcher, bootstrap, run_id)
        plan = Plan(
            bootstrap=bootstrap,
            topic=run_id,
            rate=rate,
            seconds=WARM_UP_S + MEASURED_S,
            start=time.monotonic() + 2.0,
            probe_every=max(2, round(rate / PROBES_PER_S)),
            probes=max(1, round(min(PROBES_PER_S, rate / 2) * PROBE_PERIOD_S)),
            outcome=str(scratch / run_id / "produced.json"),
        )
        produced = _produce(plan, scratch / run_id, job)
        _wait_for_count(job, client, settings, run_id, produced.events + 1)
        job.savepoint((scratch / run_id / "savepoint").as_uri())
    except JobFailed as error:
        msg = f"latency at a window of {window_ms} ms: {error}"
        raise BenchError(msg) from None
    finally:
        job.kill()
        if watcher is not None:
            watcher.close()
        client.close()
    if watcher.error:
        raise BenchError(watcher.error)
    waited, lost = matched(plan, watcher.seen, settings.redis_key_prefix)
    if not waited:
        msg = f"no probe was seen in time at {rate:,.0f} events/s: the job is far behind"
        raise BenchError(msg)
    # A lost one waited longer than all that were seen; how long is not known.
    everyone = waited + [inf] * lost
    return Latency(
        window_ms=window_ms,
        rate=rate,
        events=produced.events,
        probes=len(everyone),
        lost=lost,
        p50_ms=percentile(everyone, 0.5) * 1000,
        p99_ms=percentile(everyone, 0.99) * 1000,
        max_ms=everyone[-1] * 1000,
        producer_max_lag_ms=produced.max_lag_s * 1000,
    )


def matched(plan: Plan, seen: Sequence[tuple[float, str]], prefix: str) -> tuple[list[float], int]:
    """Seconds each probe due after the warm-up waited, sorted; and how many were not seen before the user's next one.

    A message about a user belongs to its newest probe that was due; a profile that changed without one outstanding (a
    second message about the same write) is passed over.
    """
    by_key: dict[str, deque[float]] = {}
    for at, key in seen:
        by_key.setdefault(key, deque()).append(at)
    waited: list[float] = []
    lost = 0
    sent = range(0, plan.events(), plan.probe_every)
    period_s = plan.probes * plan.probe_every / plan.rate
    for turn, number in enumerate(sent):
        due = plan.due(number)
        times = by_key.get(profile_key(prefix, probe(turn % plan.probes)), deque())
        while times and times[0] < due:
            times.popleft()
        found = times.popleft() if times and times[0] < due + period_s else None
        if due - plan.start < WARM_UP_S:
            continue
        if found is None:
            lost += 1
        else:
            waited.append(found - due)
    return sorted(waited), lost


def _wait_until_it_serves(job: JobProcess, watcher: Watcher, bootstrap: str, topic: str) -> None:
    """Send one event and wait for it."""
    key, value = probe_record(10**9, 1, int(time.time() * 1000))
    topics.publish(bootstrap, topic, [(key, value)])
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not watcher.seen:
        if not job.running() or time.monotonic() > deadline:
            msg = f"the job did not write its first profile within {_START_TIMEOUT_S:.0f} s; its log: {job.log}"
            raise BenchError(msg)
        time.sleep(_POLL_S)


def _produce(plan: Plan, folder: Path, job: JobProcess) -> Produced:
    """Run the producer in a process of its own: two loops in one interpreter would delay each other."""
    file = folder / "plan.json"
    file.write_bytes(msgspec.json.encode(plan))
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.open_loop", str(file)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + plan.seconds + 60.0
    try:
        while process.poll() is None:
            if time.monotonic() > deadline or not job.running():
                msg = "the producer, or the job under it, did not come to an end as planned"
                raise BenchError(msg)
            time.sleep(_POLL_S)
    finally:
        if process.poll() is None:
            process.kill()
        _, said = process.communicate(timeout=10)
    if process.returncode != 0:
        msg = f"the producer failed: {said[-500:]}"
        raise BenchError(msg)
    return msgspec.json.decode(Path(plan.outcome).read_bytes(), type=Produced)


def _wait_for_count(job: JobProcess, client: object, settings: Settings, run_id: str, events: int) -> None:
    """Wait until the job's own totals in ClickHouse name every event produced."""
    deadline = time.monotonic() + _COUNT_TIMEOUT_S
    while True:
        found = ledger.totals(client, settings.clickhouse_database, run_id)  # type: ignore[arg-type]
        if found.folded == events:
            return
        if time.monotonic() > deadline or not job.running():
            msg = f"{events:,} events were produced, the job's totals are {found}"
            raise BenchError(msg)
        time.sleep(_POLL_S)
