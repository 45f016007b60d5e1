"""S9: everybody of a shard changes at once, with and without the guard; some change alone, too.

300 people are worked on in the order of time. A fifth of them change on their own, each at another time. On one day
everybody is moved: by a new version of a dictionary half of what each did is called otherwise from then on, or a
holiday of three days has everybody do the same.
"""

from __future__ import annotations

from heapq import merge

import numpy as np
from msgspec import Struct
from numpy.random import Generator

from bench.drift.history import FIRST_DAY, PARTS, History, active_buckets, draw_counts, long_run, multipliers
from bench.drift.ours import BUCKET_MS
from bench.drift.people import TAGS, Shares, by_context, js_bits, population, preferences
from bench.drift.scenarios import STICKY, changed
from schemas.drift_memory import DriftMemory
from schemas.fleet_memory import FleetMemory
from schemas.rules import Rules
from udfs.profile.drift import observe

SHIFTS = ("none", "dictionary", "holiday")
DAYS, SHIFT_DAY, HOLIDAY_DAYS = 240, 130, 3
_ALONE = 5  # one of so many changes alone
_ALONE_BITS = (0.25, 0.60)
AFTER_DAYS, WINDOW = 30, 60


class FleetOutcome(Struct):
    """One shard.

    Attributes
    ----------
    people
        Number of them who do not change alone.
    alarmed_after_shift
        Of these, how many had an alarm within `AFTER_DAYS` of the shift.
    alarms_otherwise
        Their other alarms, all false.
    alone, alone_found
        Changes of one person alone, and those found within `WINDOW` active buckets.
    raised_days
        Days from the shift to each time the guard saw one (negative: before it).
    """

    seed: int
    shift: str
    guard: bool
    people: int
    years: float
    alarmed_after_shift: int
    alarms_otherwise: int
    alone: int
    alone_found: int
    raised_days: list[float]


def run_shard(seed: int, shift: str, guard: bool, people: int) -> FleetOutcome:
    """Simulate a shard."""
    histories = [_person(np.random.default_rng([seed, 5, number]), seed, shift, number) for number in range(people)]
    alarms: list[list[int]] = [[] for _ in range(people)]
    memories = [DriftMemory() for _ in range(people)]
    fleet = FleetMemory() if guard else None
    rules = Rules(groups={})
    raised: list[float] = []
    order = merge(
        *([(bucket, number, index) for index, bucket in enumerate(history.buckets.tolist())]
          for number, history in enumerate(histories))
    )  # fmt: skip
    shift_ms = (FIRST_DAY + SHIFT_DAY) * PARTS * BUCKET_MS
    for bucket, number, index in order:
        tags = [tag for tag, count in histories[number].closed(index).items() for _ in range(min(count, 50))]
        for kind, noticed in observe(memories[number], tags, bucket * BUCKET_MS, rules, fleet):
            if kind == "shares":
                alarms[number].append(noticed.at_ms // BUCKET_MS - 1)
        if fleet is not None and fleet.raised:
            raised += [(at_ms - shift_ms) / BUCKET_MS / PARTS for at_ms, *_ in fleet.raised]
            fleet.raised.clear()
    return _judged(seed, shift, guard, histories, alarms, raised)


def _judged(
    seed: int, shift: str, guard: bool, histories: list[History], alarms: list[list[int]], raised: list[float]
) -> FleetOutcome:
    begin = (FIRST_DAY + SHIFT_DAY) * PARTS
    end = begin + AFTER_DAYS * PARTS
    together = [number for number, history in enumerate(histories) if not history.changes]
    after = [any(shift != "none" and begin <= b < end for b in alarms[number]) for number in together]
    otherwise = sum(sum(shift == "none" or not begin <= b < end for b in alarms[number]) for number in together)
    alone = [number for number, history in enumerate(histories) if history.changes]
    hits = 0
    for number in alone:
        history = histories[number]
        first = history.index_of(history.changes[0])
        hits += any(first <= history.index_of(b) < first + WINDOW for b in alarms[number])
    return FleetOutcome(
        seed=seed,
        shift=shift,
        guard=guard,
        people=len(together),
        years=len(together) * DAYS / 365.25,
        alarmed_after_shift=sum(after),
        alarms_otherwise=otherwise,
        alone=len(alone),
        alone_found=hits,
        raised_days=raised,
    )


def _person(rng: Generator, seed: int, shift: str, number: int) -> History:
    people = population(seed)
    start = FIRST_DAY * PARTS
    stop = start + DAYS * PARTS
    base, factors = preferences(rng, people), multipliers(rng, STICKY)
    before = by_context(base, factors)
    buckets = active_buckets(rng, STICKY, start, stop)
    changes: tuple[int, ...] = ()
    counts = draw_counts(rng, STICKY, buckets, before, None, None)
    after = before
    if number % _ALONE == 0:
        # at a time of its own, apart from everybody's shift
        day = int(rng.choice(np.concatenate([np.arange(60, SHIFT_DAY - 35), np.arange(SHIFT_DAY + 35, DAYS - 30)])))
        change = start + day * PARTS
        after = by_context(changed(rng, people, base, factors, STICKY, rng.uniform(*_ALONE_BITS)), factors)
        alone = draw_counts(rng, STICKY, buckets, after, None, None)
        counts[buckets >= change] = alone[buckets >= change]
        changes = (change,)
    counts = _shifted(rng, seed, shift, buckets, counts)
    old, new = long_run(before, STICKY), long_run(after, STICKY)
    return History(buckets, counts, start, stop, changes, None, js_bits(old, new), old, new)


def _shifted(rng: Generator, seed: int, shift: str, buckets: np.ndarray, counts: np.ndarray) -> np.ndarray:
    begin = (FIRST_DAY + SHIFT_DAY) * PARTS
    common = np.random.default_rng([seed, 6])
    if shift == "dictionary":
        # every other tag is now known under the name of another
        renamed = np.arange(len(TAGS))
        some = common.permutation(len(TAGS))[: len(TAGS) // 2]
        renamed[some] = np.roll(some, 1)
        moved = np.zeros_like(counts)
        moved[:, renamed] = counts
        counts = np.where((buckets >= begin)[:, None], moved, counts)
    elif shift == "holiday":
        festive: Shares = np.tile(preferences(common, population(seed)), (4, 1))
        during = (buckets >= begin) & (buckets < begin + HOLIDAY_DAYS * PARTS)
        other = draw_counts(rng, STICKY, buckets, festive, None, None)
        counts = np.where(during[:, None], other, counts)
    return counts
