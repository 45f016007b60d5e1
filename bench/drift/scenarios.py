"""The scenarios S1 to S8: what people of each do, and the truth about it. S9 and S10 have files of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from bench.drift.history import (
    FIRST_DAY,
    PARTS,
    History,
    Ints,
    Traits,
    active_buckets,
    draw_counts,
    long_run,
    multipliers,
)
from bench.drift.people import TAGS, Population, Shares, by_context, js_bits, population, preferences

PLAIN = Traits()
SEASONAL = Traits(season=1.0)
DAY_PARTS = Traits(season=1.0, all_parts=True)
STICKY = Traits(season=1.0, sticky=0.3)
VERY_STICKY = Traits(season=1.0, sticky=0.5)
ALWAYS_THERE = replace(STICKY, lapses_per_year=0.0)  # a trip without any activity would be none
SPARSE = Traits(activity=(0.02, 0.08, 0.1, 0.1), season=0.5, sessions=1.0, lapses_per_year=1.0)

STRATA = ((0.05, 0.10), (0.10, 0.25), (0.25, 0.40), (0.40, 0.60))
"""True divergences of abrupt changes, in bits."""

_YEAR = 365
_BEFORE_DAYS = (100, 160)
_TRIES = 200


@dataclass(frozen=True)
class Scenario:
    """One scenario; `make` draws a person of it.

    Attributes
    ----------
    people
        Per seed, in a full run.
    window
        Active buckets after a change within which an alarm finds it; 0: there is no change to find.
    traits
        How the people behave apart from the change.
    """

    key: str
    title: str
    people: int
    make: Callable[[Generator, Population, int], History]
    traits: Traits
    window: int = 0

    @property
    def null(self) -> bool:
        """Whether every alarm is a false one."""
        return self.window == 0


def histories(scenario: Scenario, seed: int, first: int, last: int) -> list[History]:
    """People number `first` to `last` - 1 of a seed; each depends on the scenario, the seed and his number alone."""
    people = population(seed)
    number = list(SCENARIOS).index(scenario.key)
    return [scenario.make(np.random.default_rng([seed, 2, number, one]), people, one) for one in range(first, last)]


def changed(rng: Generator, people: Population, base: Shares, factors: Shares, traits: Traits, bits: float) -> Shares:
    """Other preferences of the same person, whose long-run shares are `bits` away from those of `base`.

    A part of everything is given up for the preferences of somebody else.

    Raises
    ------
    ValueError
        When nobody is found who differs enough.
    """
    before = long_run(by_context(base, factors), traits)

    def away(weight: float, other: Shares) -> float:
        mixed = (1 - weight) * base + weight * other
        return js_bits(before, long_run(by_context(mixed, factors), traits))

    for _ in range(_TRIES):
        other = preferences(rng, people)
        if away(1.0, other) < bits:
            continue
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if away(middle, other) < bits else (low, middle)
        return (1 - high) * base + high * other
    msg = f"nobody of {_TRIES} drawn differs by {bits:.2f} bit: ask for a smaller change"
    raise ValueError(msg)


def _start(rng: Generator) -> int:
    return (FIRST_DAY + int(rng.integers(7))) * PARTS


def _steady(traits: Traits, days: int = _YEAR) -> Callable[[Generator, Population, int], History]:
    def make(rng: Generator, people: Population, _number: int) -> History:
        start = _start(rng)
        stop = start + days * PARTS
        shares = by_context(preferences(rng, people), multipliers(rng, traits))
        buckets = active_buckets(rng, traits, start, stop)
        counts = draw_counts(rng, traits, buckets, shares, None, None)
        truth = long_run(shares, traits)
        return History(buckets, counts, start, stop, before=truth, after=truth)

    return make


def _drifting(
    traits: Traits,
    weight: Callable[[Ints, int], Shares],
    after_days: int,
    strata: tuple[tuple[float, float], ...],
    before_days: tuple[int, int] = _BEFORE_DAYS,
    back_after_days: int | None = None,
) -> Callable[[Generator, Population, int], History]:
    """A change whose weight in each bucket is `weight` (buckets, change)."""

    def make(rng: Generator, people: Population, number: int) -> History:
        start = _start(rng)
        change = start + int(rng.integers(before_days[0] * PARTS, before_days[1] * PARTS))
        stop = change + after_days * PARTS
        low, high = strata[number % len(strata)]
        factors = multipliers(rng, traits)
        base = preferences(rng, people)
        other = changed(rng, people, base, factors, traits, rng.uniform(low, high))
        before, after = by_context(base, factors), by_context(other, factors)
        buckets = active_buckets(rng, traits, start, stop)
        counts = draw_counts(rng, traits, buckets, before, after, weight(buckets, change))
        old, new = long_run(before, traits), long_run(after, traits)
        back = () if back_after_days is None else (change + back_after_days * PARTS,)
        label = f"{low:.2f}-{high:.2f}"
        return History(buckets, counts, start, stop, (change, *back), None, js_bits(old, new), old, new, label=label)

    return make


def _abrupt(buckets: Ints, change: int) -> Shares:
    return (buckets >= change).astype(float)


def _gradual(days: int) -> Callable[[Ints, int], Shares]:
    return lambda buckets, change: np.clip((buckets - change + 1) / (days * PARTS), 0.0, 1.0)


def _for_a_time(days: int) -> Callable[[Ints, int], Shares]:
    return lambda buckets, change: ((buckets >= change) & (buckets < change + days * PARTS)).astype(float)


def _trip(traits: Traits, days: int) -> Callable[[Generator, Population, int], History]:
    """One tag has 90 % for some days, then all is as before."""

    def make(rng: Generator, people: Population, _number: int) -> History:
        start = _start(rng)
        change = start + int(rng.integers(_BEFORE_DAYS[0], _BEFORE_DAYS[1])) * PARTS
        until = change + days * PARTS
        stop = until + 30 * PARTS
        before = by_context(preferences(rng, people), multipliers(rng, traits))
        away = np.zeros_like(before)
        away[:, int(rng.integers(len(TAGS)))] = 1.0
        buckets = active_buckets(rng, traits, start, stop)
        weight = 0.9 * ((buckets >= change) & (buckets < until))
        counts = draw_counts(rng, traits, buckets, before, away, weight)
        truth = long_run(before, traits)
        return History(buckets, counts, start, stop, (change,), until, 0.0, truth, truth, label=f"{days} d")

    return make


def _flood(traits: Traits, events: int) -> Callable[[Generator, Population, int], History]:
    """One bucket gets a great many events of one tag."""

    def make(rng: Generator, people: Population, _number: int) -> History:
        start = _start(rng)
        change = start + int(rng.integers(_BEFORE_DAYS[0] * PARTS, _BEFORE_DAYS[1] * PARTS))
        stop = change + 31 * PARTS
        before = by_context(preferences(rng, people), multipliers(rng, traits))
        buckets = active_buckets(rng, traits, start, stop)
        buckets = np.union1d(buckets, [change])
        counts = draw_counts(rng, traits, buckets, before, None, None)
        counts[int(np.searchsorted(buckets, change)), int(rng.integers(len(TAGS)))] += events
        truth = long_run(before, traits)
        return History(buckets, counts, start, stop, (change,), change + 1, 0.0, truth, truth, label="one bucket")

    return make


_BIG = ((0.25, 0.60),)
_SPARSE_BEFORE = (800, 1000)

SCENARIOS = {
    one.key: one
    for one in (
        Scenario("S1", "stationary, independent buckets", 300, _steady(PLAIN), PLAIN),
        Scenario("S2", "seasonal: weekday/weekend x day/night, strong", 300, _steady(SEASONAL), SEASONAL),
        Scenario("S2-parts", "seasonal, each day-part different", 300, _steady(DAY_PARTS), DAY_PARTS),
        Scenario("S3-.3", "seasonal and sticky .3", 300, _steady(STICKY), STICKY),
        Scenario("S3-.5", "seasonal and sticky .5", 300, _steady(VERY_STICKY), VERY_STICKY),
        Scenario(
            "S4-flood", "10,000 events of one tag in one bucket", 300, _flood(ALWAYS_THERE, 10_000), ALWAYS_THERE, 120
        ),
        *(
            Scenario(f"S4-{days}d", f"one tag at 90 % for {days} d", 300, _trip(ALWAYS_THERE, days), ALWAYS_THERE, 120)
            for days in (1, 2, 3, 7)
        ),
        Scenario("S5", "abrupt", 160, _drifting(PLAIN, _abrupt, 90, STRATA), PLAIN, 200),
        Scenario("S5-seasonal", "abrupt, strong season", 160, _drifting(SEASONAL, _abrupt, 90, STRATA), SEASONAL, 200),
        Scenario("S5-sticky", "abrupt, season, sticky .3", 160, _drifting(STICKY, _abrupt, 90, STRATA), STICKY, 200),
        Scenario("S6-14d", "gradual over 14 d", 160, _drifting(STICKY, _gradual(14), 60, _BIG), STICKY, 100),
        Scenario("S6-60d", "gradual over 60 d", 160, _drifting(STICKY, _gradual(60), 130, _BIG), STICKY, 300),
        Scenario(
            "S7", "A-B-A, 45 d of B", 160, _drifting(STICKY, _for_a_time(45), 90, _BIG, back_after_days=45), STICKY, 60
        ),
        Scenario("S8", "sparse people, .3 buckets a day, steady", 300, _steady(SPARSE, 3 * _YEAR), SPARSE),
        Scenario(
            "S8-abrupt",
            "sparse people, abrupt",
            160,
            _drifting(SPARSE, _abrupt, 800, _BIG, _SPARSE_BEFORE),
            SPARSE,
            200,
        ),
    )
}
