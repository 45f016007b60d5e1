"""Simulated people for the tests of the detectors: what they turn to in each part of a day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from struct import unpack

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from schemas.drift_memory import DriftMemory
from schemas.drift_rules import DriftRules
from udfs.profile import share_drift
from udfs.profile.share_drift import Noticed

Vector = NDArray[np.float64]
Bucket = tuple[int, dict[str, int]]
DAY_MS = 86_400_000
BUCKET_MS = DAY_MS // 4
FIRST_DAY = 20_454  # 2026-01-01, a Thursday
RULES = DriftRules()


def tag(index: int) -> str:
    return f"content:{index:02}"


def habit(rng: Generator, tags: int = 8) -> Vector:
    """Shares of a person; night and weekend differ from it by what `life` makes of it."""
    return rng.dirichlet(np.full(tags, 0.6)) * 0.95 + 0.05 / tags


def life(
    rng: Generator,
    habit_on: Callable[[int], Vector],
    days: int,
    first_day: int = FIRST_DAY,
    events: float = 15.0,
    parts: Sequence[int] = (1, 2, 3),
    burst: float = 12.0,
    sticky: float = 0.2,
) -> Iterable[Bucket]:
    """Active buckets; each has shares of its own around the habit, or those of the one before.

    `burst` is the concentration of those shares, small for bursty people; workdays and weekends, days and evenings
    prefer other tags, the same ones for everybody.
    """
    before: Vector | None = None
    for day in range(first_day, first_day + days):
        mix = habit_on(day - first_day)
        for part in parts:
            taste = np.ones(len(mix))
            taste[0] *= 3.0 if part == 3 else 1.0
            taste[-1] *= 2.0 if (day + 3) % 7 >= 5 else 1.0
            mean = mix * taste / (mix @ taste)
            shares = before if before is not None and rng.random() < sticky else rng.dirichlet(burst * mean + 1e-3)
            before = shares
            counts = rng.multinomial(1 + rng.poisson(events), shares)
            yield 4 * day + part, {tag(k): int(n) for k, n in enumerate(counts) if n}


def noticed_in(memory: DriftMemory, buckets: Iterable[Bucket], rules: DriftRules = RULES) -> list[Noticed]:
    closed = [share_drift.close(memory, bucket, counts, rules, 0) for bucket, counts in buckets]
    return [each for each in closed if each is not None]


def evidence_of(memory: DriftMemory) -> float:
    """R, from what is kept of it."""
    return float(np.mean(unpack("<3f", memory.evidence[:12]))) if memory.evidence else 0.0
