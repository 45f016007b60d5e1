"""S10: events that arrive late, one by one, against the same events in order.

15 % of the events come up to 12 h late. `drift.observe` keeps two buckets open, so up to 6 h nothing may change; what
comes later still is not seen by the detector.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.random import Generator

from bench.drift.history import History
from bench.drift.ours import BUCKET_MS
from schemas.drift_memory import DriftMemory
from schemas.rules import Rules
from udfs.profile.drift import observe

_LATE_SHARE, _LATEST_MS = 0.15, 12 * 3_600_000
_MOST_EVENTS = 40


class LateOutcome(Struct):
    """One person under both orders of arrival: ``(index of the active bucket, bucket)`` of each alarm."""

    sorted_alarms: list[tuple[int, int]]
    shuffled_alarms: list[tuple[int, int]]
    events: int
    unseen: int


def compare_orders(history: History, seed: int, number: int) -> LateOutcome:
    """Feed a person's events sorted and as they arrive."""
    rng = np.random.default_rng([seed, 4, number])
    bucket_of, tag_of = _events(history, rng)
    times = bucket_of * BUCKET_MS + rng.integers(0, BUCKET_MS, len(bucket_of))
    late = rng.random(len(times)) < _LATE_SHARE
    arrives = times + late * rng.integers(0, _LATEST_MS, len(times))
    in_order, unseen_in_order = _alarms(history, times[(order := np.argsort(times))], tag_of[order])
    shuffled, unseen = _alarms(history, times[(order := np.argsort(arrives))], tag_of[order])
    assert unseen_in_order == 0
    return LateOutcome(in_order, shuffled, len(times), unseen)


def _events(history: History, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Bucket and tag of each event; a bucket of very many is cut to some drawn from it."""
    buckets, tags = [], []
    for bucket, row in zip(history.buckets.tolist(), history.counts, strict=True):
        drawn = np.repeat(np.arange(len(row)), row)
        if len(drawn) > _MOST_EVENTS:
            drawn = rng.choice(drawn, _MOST_EVENTS, replace=False)
        buckets.append(np.full(len(drawn), bucket))
        tags.append(drawn)
    return np.concatenate(buckets), np.concatenate(tags)


def _alarms(history: History, times: np.ndarray, tags: np.ndarray) -> tuple[list[tuple[int, int]], int]:
    memory, rules = DriftMemory(), Rules(groups={})
    raised = []
    names = [(tag,) for tag in history.tags]
    for time_ms, tag in zip(times.tolist(), tags.tolist(), strict=True):
        for kind, noticed in observe(memory, names[tag], time_ms, rules, None):
            if kind == "shares":
                bucket = noticed.at_ms // BUCKET_MS - 1
                raised.append((history.index_of(bucket), bucket))
    return raised, memory.late
