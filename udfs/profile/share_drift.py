"""Noticing that what a person turns to has changed: the detector over shares of tags.

A step per closed bucket, that is per active part of a local day (00-06, 06-12, 12-18, 18-24), never per event: ten
thousand events of one tag in one bucket weigh what one does. States: stable; suspect, from R >= 0.03 until R < 0.005;
an alarm at R >= 1 with a distance and on distinct days enough; then a cool-down, in which the new behaviour is learnt.

What it can't see: changes of volume alone (see `volume_drift`), changes among tags beyond `max_tags` of a person,
changes slower than its long memory, and, for `min_buckets` after the beginning or an alarm, anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from schemas.drift_memory import DriftMemory
from schemas.drift_rules import MS_PER_YEAR, DriftRules
from schemas.outputs import ShareChange
from schemas.tag_group import MS_PER_DAY
from udfs.local_time import is_workday
from udfs.profile.e_detector import Instant, accumulate, estimated_change, evidence_of
from udfs.profile.shares import (
    PRIOR_MASS,
    REBUILT_MASS,
    Numbers,
    before_and_since,
    compare,
    distance_bits,
    learn,
    observed_and_expected,
    surely_apart,
)

OTHER = ""
"""Counts of tags not told apart in a bucket: they never get a class of their own."""
BUCKET_MS = 6 * 3_600_000
BUCKETS_PER_DAY = MS_PER_DAY // BUCKET_MS
CONTEXTS = 4

SUSPECT_FROM, SUSPECT_UNTIL = 0.03, 0.005
_ALARM_FROM = 1.0
_COUNTS_FROM = 1.05  # an e-value from which a day counts as one with evidence
_MONTH_MS = 30 * MS_PER_DAY
_SHOWN = 3
_SHOWN_FROM = 0.02  # of all; a smaller change of a share explains nothing
_KEPT_AFTER_SHIFT = 0.125


class Noticed(NamedTuple):
    """A change of behaviour: see `schemas.outputs.Alarm`."""

    at_ms: int
    since_ms: int
    evidence: float
    distance_bits: float
    rose: list[ShareChange]
    fell: list[ShareChange]


def begins_ms(bucket: int, utc_offset_ms: int) -> int:
    """When a bucket begins, milliseconds since the epoch."""
    return bucket * BUCKET_MS - utc_offset_ms


def context_of(bucket: int) -> int:
    """Workday or weekend, 06-18 h or the rest."""
    day, part = divmod(bucket, BUCKETS_PER_DAY)
    return 2 * is_workday(day) + (part in (1, 2))


def close(
    memory: DriftMemory, bucket: int, counts: Mapping[str, int], rules: DriftRules, utc_offset_ms: int
) -> Noticed | None:
    """Take a closed bucket into account; returns what was noticed, if that makes it an alarm.

    Parameters
    ----------
    memory
        Changed in place.
    bucket
        Local part of a day since the epoch, later than those closed before.
    counts
        ``<group>:<tag>`` -> events, one at least.

    Guarantee: while the envelope holds, at most `alpha_per_year` alarms per year are expected (`e_detector`).
    """
    tags = memory.tags
    numbers = Numbers(memory.numbers, CONTEXTS, len(tags) + 1)
    total = sum(counts.values())
    shares = [counts.get(tag, 0) / total for tag in tags]
    shares.append(max(1.0 - sum(shares), 0.0) if any(tag not in tags for tag in counts) else 0.0)
    population = population_shares(len(tags), rules.max_tags)
    context = context_of(bucket)
    start_ms = begins_ms(bucket, utc_offset_ms)
    step = compare(numbers, context, shares, population, rules)
    noticed = None
    if memory.buckets >= rules.min_buckets and _cooled_down(memory, start_ms, rules):
        elapsed_ms = (bucket - memory.bucket) * BUCKET_MS
        pi = rules.alpha_per_year * elapsed_ms / MS_PER_YEAR
        memory.evidence, evidence = accumulate(
            memory.evidence, step.e_value, pi, Instant(bucket, memory.buckets, memory.days)
        )
        _count_day(memory, bucket // BUCKETS_PER_DAY, step.e_value, evidence)
    else:
        evidence = 0.0
    learn(numbers, context, shares, step, rules)
    if evidence >= _ALARM_FROM and _days_since_change(memory) >= rules.min_days:
        noticed = _noticed(memory, numbers, start_ms + BUCKET_MS, evidence, rules, utc_offset_ms)
    if noticed is not None:
        numbers.begin_anew(REBUILT_MASS, 0.0)
        _reset(memory)
        memory.alarms_ms = [ms for ms in memory.alarms_ms if ms > noticed.at_ms - _MONTH_MS]
        memory.alarms_ms.append(noticed.at_ms)
    memory.buckets += 1
    memory.bucket = bucket
    _tell_apart(memory, numbers, context, counts, total, rules)
    memory.numbers = numbers.packed()
    return noticed


def described(memory: DriftMemory) -> dict[str, object]:
    """What the packed fields hold, for people: shares expected and observed lately, by tag; of volume, days counted."""
    numbers = Numbers(memory.numbers, CONTEXTS, len(memory.tags) + 1)
    observed, expected = observed_and_expected(numbers)
    tags = [*memory.tags, "other"]
    return {
        "numbers": {
            tag: {"expected": round(e, 4), "observed": round(o, 4)}
            for tag, e, o in zip(tags, expected, observed, strict=True)
        },
        "evidence": round(evidence_of(memory.evidence), 4),
        "volume": {"day": memory.volume.day, "events": memory.volume.count} if memory.volume is not None else None,
    }


def population_shares(tags: int, max_tags: int) -> list[float]:
    """What is expected of somebody unknown: all classes alike, those not told apart yet in the last one."""
    each = 1.0 / (max_tags + 1)
    return [each] * tags + [1.0 - tags * each]


def begin_anew(memory: DriftMemory) -> None:
    """After a shift of everybody: expect what comes, learn it before testing again, and raise nothing."""
    numbers = Numbers(memory.numbers, CONTEXTS, len(memory.tags) + 1)
    numbers.begin_anew(0.0, _KEPT_AFTER_SHIFT)
    memory.numbers = numbers.packed()
    _reset(memory)


def _reset(memory: DriftMemory) -> None:
    memory.evidence = b""
    memory.buckets = memory.days = 0
    memory.day = -1
    memory.suspect = False


def _cooled_down(memory: DriftMemory, time_ms: int, rules: DriftRules) -> bool:
    alarms = memory.alarms_ms
    if not alarms:
        return True
    if time_ms < alarms[-1] + rules.cooldown_ms:
        return False
    return len([ms for ms in alarms if ms > time_ms - _MONTH_MS]) < rules.max_alarms_per_30_days


def _count_day(memory: DriftMemory, day: int, e_value: float, evidence: float) -> None:
    if evidence < SUSPECT_UNTIL:
        memory.suspect = False
    elif evidence >= SUSPECT_FROM:
        memory.suspect = True
    if e_value > _COUNTS_FROM and day != memory.day:
        memory.days += 1
        memory.day = day


def _days_since_change(memory: DriftMemory) -> int:
    """Days with evidence since the estimated change."""
    return round(memory.days - estimated_change(memory.evidence).days)


def _noticed(
    memory: DriftMemory, numbers: Numbers, at_ms: int, evidence: float, rules: DriftRules, utc_offset_ms: int
) -> Noticed | None:
    observed, expected = observed_and_expected(numbers)
    distance = distance_bits(observed, expected) * surely_apart(numbers, rules)
    if distance < rules.min_distance_bits:
        return None
    # one bucket before the estimate: rather some old evidence at full weight than some new at little
    change = estimated_change(memory.evidence)
    since_ms = begins_ms(round(change.time) - 1, utc_offset_ms)
    shares_before, shares_since = before_and_since(numbers, memory.buckets + 1 - change.step, rules)
    changes = [
        (tag, round(before, 4), round(since, 4))
        for tag, before, since in zip([*memory.tags, "other"], shares_before, shares_since, strict=True)
        if abs(since - before) >= _SHOWN_FROM
    ]
    changes.sort(key=lambda change: (change[1] - change[2], change[0]))
    rose = [change for change in changes if change[2] > change[1]][:_SHOWN]
    fell = [change for change in reversed(changes) if change[2] < change[1]][:_SHOWN]
    return Noticed(at_ms, since_ms, evidence, distance, rose, fell)


def _tell_apart(
    memory: DriftMemory, numbers: Numbers, context: int, counts: Mapping[str, int], total: int, rules: DriftRules
) -> None:
    """Give tags seen for the first time a class of their own; of a full house the lightest makes room for a heavier.

    After the bucket was compared, so that what it is compared with does not depend on it.
    """
    tags = memory.tags
    other = len(tags)
    pooled_mass = sum(numbers.mass) + PRIOR_MASS
    for tag in sorted(counts):
        if tag in tags or tag == OTHER:
            continue
        share = counts[tag] / total
        if len(tags) < rules.max_tags:
            index = len(tags)
            tags.append(tag)
            numbers.add_class((share + PRIOR_MASS / (rules.max_tags + 1)) / pooled_mass, index)
            other += 1
        else:
            weights = [sum(row[k] for row in numbers.baseline) for k in range(other)]
            index = min(range(other), key=weights.__getitem__)
            if weights[index] >= share:
                continue
            numbers.merge_class(index, other)
            tags[index] = tag
            numbers.expected[index] = (share + PRIOR_MASS / (rules.max_tags + 1)) / pooled_mass * sum(numbers.expected)
        # this bucket was learnt as "other"
        for row in (numbers.observed, numbers.previous, numbers.baseline[context]):
            moved = min(share, row[other])
            row[other] -= moved
            row[index] += moved
