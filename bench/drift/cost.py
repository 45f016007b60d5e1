"""What a detector costs: microseconds of CPU a step, and bytes of state per person."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from statistics import median

import msgspec
import numpy as np
from msgspec import Struct
from river import drift

from bench.drift.features import features
from bench.drift.history import PARTS, History, active_buckets, draw_counts, multipliers
from bench.drift.people import TAGS, by_context
from bench.drift.rivals import RIVALS, Adapter
from bench.drift.scenarios import SEASONAL
from schemas.drift_memory import DriftMemory
from schemas.drift_rules import DriftRules
from schemas.state import Profile, encode
from udfs.profile import share_drift

CLASSES = (12, 20, 32)
_YEAR = 365
_REPEATS = 5


class Cost(Struct):
    """Of a step and of a person's state; `features_us` is what a rival's input takes besides, where that is known."""

    what: str
    us_per_step: float
    bytes_per_user: int
    note: str = ""


def steady(classes: int) -> History:
    """A year of a person with so many tags, all of whom turn up."""
    rng = np.random.default_rng([classes, 9])
    shares = np.zeros(len(TAGS))
    shares[:classes] = rng.dirichlet(np.full(classes, 1.0))
    start = 19_000 * PARTS
    buckets = active_buckets(rng, SEASONAL, start, start + _YEAR * PARTS)
    rows = by_context(shares + 1e-3 * (np.arange(len(TAGS)) < classes), multipliers(rng, SEASONAL))
    return History(buckets, draw_counts(rng, SEASONAL, buckets, rows, None, None), start, start + _YEAR * PARTS)


def ours(classes: int) -> Cost:
    """Ours with `classes` classes: one less is a tag, the last is everything else."""
    history = steady(classes - 1)
    closed = [history.closed(index) for index in range(len(history.buckets))]
    buckets, rules = history.buckets.tolist(), DriftRules()
    times = []
    for _ in range(_REPEATS):
        memory = DriftMemory()
        begin = time.process_time()
        for bucket, counts in zip(buckets, closed, strict=True):
            share_drift.close(memory, bucket, counts, rules, 0)
        times.append((time.process_time() - begin) / len(buckets) * 1e6)
    size = len(msgspec.msgpack.encode(memory))
    stored = len(encode(Profile(drift=memory))) - len(encode(Profile()))
    note = f"the whole step; MessagePack, {stored:,} B of it in the state, which is compressed"
    return Cost(f"ours, {len(memory.tags) + 1} classes", median(times), size, note)


def rivals() -> list[Cost]:
    """Each rival's test alone over a year, parameters as by default; state pickled."""
    history = steady(16)
    known = features(history)
    result = []
    for rival in RIVALS.values():
        if rival.feature == "shares":
            result.append(_bank(known.shares))
            continue
        values = known.values[rival.feature].tolist()
        if rival.name.startswith("KSWIN"):
            values = values[:250]
            make: Callable[[], object] = lambda: drift.KSWIN(seed=1)  # noqa: E731
        else:
            make = lambda rival=rival: Adapter(rival, None).fresh(1)  # type: ignore[misc]  # noqa: E731
        result.append(_timed(rival.name, make, values))
    return result


def _timed(name: str, make: Callable[[], object], values: list[float]) -> Cost:
    times = []
    for _ in range(_REPEATS):
        test = make()
        step = test if callable(test) else test.update  # type: ignore[attr-defined]
        begin = time.process_time()
        for value in values:
            step(value)
        times.append((time.process_time() - begin) / len(values) * 1e6)
    return Cost(name, median(times), _pickled(test), "test alone, its input not counted")


def _bank(shares: np.ndarray) -> Cost:
    seen = np.flatnonzero(shares.any(axis=0))
    rows = shares[:, seen].tolist()
    tests = [drift.ADWIN(delta=0.002 / len(seen)) for _ in seen]
    begin = time.process_time()
    for row in rows:
        for test, value in zip(tests, row, strict=True):
            test.update(value)
    took = (time.process_time() - begin) / len(rows) * 1e6
    return Cost("ADWIN per tag", took, sum(_pickled(test) for test in tests), f"{len(seen)} tests")


def _pickled(test: object) -> int:
    """Bytes of the detector inside a test; 0 where there is none, or it can't be pickled."""
    for cell in getattr(test, "__closure__", None) or ():
        if type(cell.cell_contents).__module__.startswith(("river", "bench.drift.fast_kswin")):
            test = cell.cell_contents
    try:
        return len(pickle.dumps(test)) if type(test).__module__.startswith("river") else 0
    except (TypeError, pickle.PicklingError):
        return 0
