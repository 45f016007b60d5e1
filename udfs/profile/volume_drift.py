"""Noticing that somebody does much more or much less than before: the detector over the volume of a day.

Shares say nothing of volume, so the day's number of events is put into classes by powers of two and the same comparison
is made of them, a step per local day. Silent days count once something comes after them; who falls silent for good is
the business of decay and of the lifecycle tags. An alarm calls for no rebuild: decayed weights follow volume.
"""

from __future__ import annotations

from msgspec.structs import replace

from schemas.drift_memory import VolumeMemory
from schemas.drift_rules import MS_PER_YEAR, DriftRules
from schemas.tag_group import MS_PER_DAY
from udfs.local_time import is_workday
from udfs.profile.e_detector import Instant, accumulate, estimated_change
from udfs.profile.share_drift import Noticed
from udfs.profile.shares import (
    REBUILT_MASS,
    Numbers,
    before_and_since,
    compare,
    distance_bits,
    learn,
    observed_and_expected,
)

CLASSES = 12
"""0, 1, 2-3, 4-7 ... 1,024 and more events a day."""
_CONTEXTS = 2
_POPULATION = [1.0 / CLASSES] * CLASSES
_MAX_SILENT_DAYS = 60
_MIN_DAYS = 21
_SHORT_DAYS, _LONG_DAYS = 7.0, 64.0
_PERSISTENCE = 0.3
_NEIGHBOUR = 0.2
_MIN_DISTANCE_BITS = 0.2


def count(memory: VolumeMemory, day: int, events: int, rules: DriftRules, utc_offset_ms: int) -> Noticed | None:
    """Add events of a local day; a later day closes the one being counted and the silent ones between.

    Returns what was noticed at the last of them that raised an alarm; `rose` or `fell` has one entry without a tag,
    events a day before and since.
    """
    noticed = None
    if day > memory.day:
        silent = range(max(memory.day + 1, day - _MAX_SILENT_DAYS), day)
        for closed in (memory.day, *silent):
            noticed = (
                _close(memory, closed, memory.count if closed == memory.day else 0, rules, utc_offset_ms) or noticed
            )
        memory.day, memory.count = day, 0
    memory.count += events
    return noticed


def _close(memory: VolumeMemory, day: int, events: int, rules: DriftRules, utc_offset_ms: int) -> Noticed | None:
    rules = replace(
        rules, short_half_life_buckets=_SHORT_DAYS, long_half_life_buckets=_LONG_DAYS, persistence=_PERSISTENCE
    )
    numbers = Numbers(memory.numbers, _CONTEXTS, CLASSES)
    context = int(is_workday(day))
    shares = _classed(events)
    step = compare(numbers, context, shares, _POPULATION, rules)
    start_ms = day * MS_PER_DAY - utc_offset_ms
    evidence = 0.0
    if memory.days >= _MIN_DAYS:
        pi = rules.alpha_per_year * MS_PER_DAY / MS_PER_YEAR
        memory.evidence, evidence = accumulate(memory.evidence, step.e_value, pi, Instant(day, memory.days))
    learn(numbers, context, shares, step, rules)
    memory.days += 1
    noticed = None
    if evidence >= 1.0:
        observed, expected = observed_and_expected(numbers)
        distance = distance_bits(observed, expected)
        if distance >= _MIN_DISTANCE_BITS:
            changed = estimated_change(memory.evidence)
            since_ms = round(changed.time) * MS_PER_DAY - utc_offset_ms
            mixtures = before_and_since(numbers, memory.days - changed.step, rules)
            before, since = (_events_a_day(shares) for shares in mixtures)
            change = [("", before, since)]
            at_ms = start_ms + MS_PER_DAY
            rose = since > before
            noticed = Noticed(at_ms, since_ms, evidence, distance, change if rose else [], [] if rose else change)
            numbers.begin_anew(REBUILT_MASS, 0.0)
            memory.evidence = b""
            memory.days = 0
            memory.alarm_ms = at_ms
    memory.numbers = numbers.packed()
    return noticed


def _classed(events: int) -> list[float]:
    """The day's class, and a little of its neighbours: a day of 63 events is hardly another than one of 64."""
    shares = [0.0] * CLASSES
    middle = min(events.bit_length(), CLASSES - 1)
    below, above = max(middle - 1, 0), min(middle + 1, CLASSES - 1)
    shares[below] += _NEIGHBOUR
    shares[above] += _NEIGHBOUR
    shares[middle] += 1.0 - 2 * _NEIGHBOUR
    return shares


def _events_a_day(shares: list[float]) -> float:
    """Mean of the classes' middles under the shares: readable, not exact."""
    middles = [0.0, 1.0, *(0.75 * 2.0**k for k in range(2, CLASSES))]
    return round(sum(share * middle for share, middle in zip(shares, middles, strict=True)), 1)
