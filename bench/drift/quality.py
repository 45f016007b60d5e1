"""What a rebuild is worth: how near a decayed profile is to the truth, by policy, in the days after a change.

A profile is a sum of events by tag, decayed with a half-life of a week. A rebuild multiplies what is older than some
time by 1/8. Compared by the cosine between the profile and the true long-run shares of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from bench.drift.detector import Raised
from bench.drift.history import PARTS, History
from bench.drift.people import Shares

DAYS = (0, 1, 2, 3, 5, 7, 10, 14, 21, 28)
POLICIES = ("decay only", "provisional", "refined", "perfect")
_HALF_LIFE_DAYS = 7.0
_KEPT = 1 / 8


def qualities(history: History, alarms: Sequence[Raised], truth: Shares, begin: int) -> dict[str, list[float]]:
    """Cosine by policy at each of `DAYS` after bucket `begin`.

    `provisional` down-weights, at the alarm, all that came before it; `refined` at the alarm what is older than the
    estimated change; `perfect`, from the beginning of the change on, what is older than that.
    """
    result: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    for day in DAYS:
        now = begin + day * PARTS
        known = history.buckets < now
        times = history.buckets[known]
        weights = np.exp2((times - now) / (PARTS * _HALF_LIFE_DAYS))
        raised = [one for one in alarms if history.buckets[one.index] < now]
        factors = {policy: np.ones(len(times)) for policy in POLICIES}
        for one in raised:
            closed = history.buckets[one.index]
            factors["provisional"][times <= closed] *= _KEPT
            since = closed if one.since is None else one.since
            factors["refined"][times < since] *= _KEPT
        if history.changes:
            factors["perfect"][times < history.changes[0]] *= _KEPT
        for policy in POLICIES:
            profile = (weights * factors[policy]) @ history.counts[known]
            result[policy].append(cosine(profile, truth))
    return result


def cost_of_false_alarm(history: History, seed: int) -> list[float]:
    """Cosine lost to an alarm raised by chance in a steady history, at each of `DAYS` after it: refined rebuild, whose
    estimated beginning is 20 active buckets before. The loss of the provisional one follows after.
    """
    rng = np.random.default_rng([seed, 3, len(history.buckets)])
    index = int(rng.integers(len(history.buckets) // 2, len(history.buckets) - 130))
    begin = int(history.buckets[index]) + 1
    got = qualities(history, [Raised(index, float(history.buckets[index - 20]))], history.before, begin)
    return [
        without - with_it
        for policy in ("refined", "provisional")
        for without, with_it in zip(got["decay only"], got[policy], strict=True)
    ]


def mean_by_day(rows: Sequence[Sequence[float]]) -> list[float]:
    """Mean of each column."""
    return [fmean(column) for column in zip(*rows, strict=True)]


def cosine(one: Shares, other: Shares) -> float:
    """1: the same direction."""
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / length if length else 0.0
