"""The detector of shares: against its plain transcription, and gate by gate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import isclose

import msgspec
import numpy as np
import pytest
from habits import (
    BUCKET_MS,
    DAY_MS,
    FIRST_DAY,
    RULES,
    Bucket,
    Vector,
    evidence_of,
    habit,
    life,
    noticed_in,
    tag,
)
from msgspec.structs import replace
from plain_detector import PlainAlarm, PlainDetector

from schemas.drift_memory import DriftMemory
from schemas.drift_rules import DriftRules
from udfs.profile import share_drift, shares
from udfs.profile.share_drift import SUSPECT_FROM, SUSPECT_UNTIL, Noticed
from udfs.profile.shares import Numbers, Step

FIRST_BUCKET = 4 * FIRST_DAY
JUMPY = replace(RULES, min_buckets=4, min_days=1, min_distance_bits=0.01, cooldown_ms=0, alpha_per_year=10.0)


def turned(seed: int, days: int, change_day: int, **how: object) -> list[Bucket]:
    """Somebody who turns to something else on a day."""
    rng = np.random.default_rng(seed)
    before, since = habit(rng), habit(rng)
    while np.abs(before - since).sum() < 0.9:
        since = habit(rng)
    return list(life(rng, lambda day: before if day < change_day else since, days, **how))  # type: ignore[arg-type]


def assert_same_alarm(noticed: Noticed, plain: PlainAlarm, utc_offset_ms: int) -> None:
    assert noticed.at_ms == plain.at_ms
    since_bucket = (noticed.since_ms + utc_offset_ms) / BUCKET_MS
    assert abs(since_bucket - (plain.since_bucket - 1)) <= 0.55
    assert isclose(noticed.distance_bits, plain.distance_bits, rel_tol=0.01)
    for mine, plainly in ((noticed.rose, plain.rose), (noticed.fell, plain.fell)):
        assert [name for name, _, _ in mine] == [name for name, _, _ in plainly]
        for (_, *told), (_, *plainly_told) in zip(mine, plainly):
            assert np.allclose(told, plainly_told, atol=0.002)


RANDOM_RULES = {
    "as measured": RULES,
    "few tags told apart": replace(RULES, max_tags=4),
    "one tag told apart": replace(RULES, max_tags=1),
    "jumpy": replace(JUMPY, cooldown_ms=2 * DAY_MS),
    "other half-lives": replace(RULES, short_half_life_buckets=5.0, long_half_life_buckets=60.0, persistence=0.4),
    "other envelope": replace(RULES, envelope_error=0.2, envelope_relative=0.05, envelope_population=0.02),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", RANDOM_RULES)
def test_it_does_what_the_plain_transcription_does(name: str, seed: int) -> None:
    rules, utc_offset_ms = RANDOM_RULES[name], (0, 8 * 3_600_000, -5 * 3_600_000)[seed]
    history = turned(seed, 60, 30, events=40.0, parts=((0, 1, 2, 3), (1, 2, 3), (3,))[seed])
    history = [each for each in history if (each[0] * 7 + seed) % 5]  # gaps
    memory, plain = DriftMemory(), PlainDetector(rules, utc_offset_ms)
    alarms = 0
    for bucket, counts in history:
        noticed = share_drift.close(memory, bucket, counts, rules, utc_offset_ms)
        step = plain.close(bucket, counts)
        assert (noticed is None) == (step.alarm is None)
        assert memory.tags == plain.tags
        assert memory.suspect == step.suspect
        if noticed is not None and step.alarm is not None:
            assert_same_alarm(noticed, step.alarm, utc_offset_ms)
            assert isclose(noticed.evidence, step.evidence, rel_tol=0.01)
            alarms += 1
        elif step.evidence:
            assert isclose(evidence_of(memory), step.evidence, rel_tol=0.01)
            assert memory.days == len(plain.evidence_days)
    assert alarms >= (name == "jumpy")


def test_nothing_is_tested_before_enough_buckets() -> None:
    history = turned(1, 60, 15)
    for enough in (10, 45, 60):
        memory = DriftMemory()
        rules = replace(JUMPY, min_buckets=enough)
        noticed_in(memory, history[:enough], rules)
        assert (memory.evidence, memory.buckets, memory.alarms_ms) == (b"", enough, [])
        share_drift.close(memory, *history[enough], rules, 0)
        assert memory.evidence or memory.alarms_ms


def surprised(memory: DriftMemory, first_bucket: int, buckets: int, name: str, rules: DriftRules) -> list[int]:
    """Days on which somebody who does only what they never did raises an alarm."""
    news = [(bucket, {name: 10}) for bucket in range(first_bucket, first_bucket + buckets)]
    return [each.at_ms // DAY_MS - first_bucket // 4 for each in noticed_in(memory, news, rules)]


@pytest.mark.parametrize("days", [1, 2, 3, 5])
def test_evidence_on_enough_distinct_days_is_needed(days: int) -> None:
    rng = np.random.default_rng(3)
    mix, memory = habit(rng), DriftMemory()
    rules = replace(RULES, min_days=days, min_distance_bits=0.0, alpha_per_year=1e4, cooldown_ms=0)
    noticed_in(memory, life(rng, lambda _: mix, 10), replace(rules, min_buckets=31))
    memory.buckets = 100
    first = 4 * (FIRST_DAY + 10)
    alarms = []
    for bucket in range(first, first + 40):
        noticed = share_drift.close(memory, bucket, {tag(0): 10} if bucket % 4 < 2 else {tag(90): 10}, rules, 0)
        alarms.append(noticed is not None)
        if noticed is not None:
            break
    # days are counted from the estimated change, a mean of instants, so rather a day too late than too early
    assert days - 1 <= alarms.index(True) // 4 <= days


def test_several_buckets_of_a_day_with_evidence_are_one_day() -> None:
    memory = DriftMemory()
    noticed_in(memory, turned(4, 40, 50), RULES)
    before = memory.days
    surprised(memory, 4 * (FIRST_DAY + 40), 4, tag(50), RULES)
    assert memory.days <= before + 1


def test_a_burst_of_two_days_is_none_to_a_gate_of_five() -> None:
    rules = replace(RULES, min_days=5, alpha_per_year=1.0)
    raised = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        home, trip = np.append(habit(rng), 0.0), np.append(np.zeros(8), 1.0)
        memory = DriftMemory()
        assert noticed_in(memory, life(rng, lambda _, home=home: home, 100, parts=range(4)), rules) == []
        raised += noticed_in(memory, life(rng, lambda _, trip=trip: trip, 2, FIRST_DAY + 100, parts=range(4)), rules)
    assert raised == []


def test_a_change_too_small_to_matter_is_none_however_sure() -> None:
    before, since = np.array([0.5, 0.4, 0.1]), np.array([0.5, 0.15, 0.35])

    def alarms(rules: DriftRules) -> int:
        rng = np.random.default_rng(2)
        mix = [before] * 60 + [since] * 40
        return len(
            noticed_in(DriftMemory(), life(rng, lambda day: mix[day], 100, burst=60, events=60, sticky=0), rules)
        )

    assert alarms(replace(RULES, min_distance_bits=0.01)) == 1
    assert alarms(replace(RULES, min_distance_bits=0.1)) == 0


def restless(days: int, every_days: int) -> list[Bucket]:
    """Somebody who turns to something new every few days."""
    return [
        (4 * (FIRST_DAY + day) + part, {tag(day // every_days): 9, "z": 1}) for day in range(days) for part in range(4)
    ]


RECKLESS = replace(JUMPY, alpha_per_year=1e6, max_alarms_per_30_days=1_000)


def test_after_an_alarm_nothing_is_tested_until_it_has_cooled_down() -> None:
    for days in (0, 3, 7):
        rules = replace(RECKLESS, cooldown_ms=days * DAY_MS)
        alarms = noticed_in(DriftMemory(), restless(120, 2), rules)
        gaps_ms = [after.at_ms - before.at_ms for before, after in pairwise(alarms)]
        assert days * DAY_MS < min(gaps_ms) <= days * DAY_MS + 2 * DAY_MS


@pytest.mark.parametrize("most", [1, 2, 3])
def test_of_more_alarms_in_thirty_days_the_rest_are_held_back(most: int) -> None:
    memory = DriftMemory()
    alarms = noticed_in(memory, restless(200, 2), replace(RECKLESS, max_alarms_per_30_days=most))
    times_ms = [each.at_ms for each in alarms]
    assert len(times_ms) >= 4 * most
    assert min(last - first for first, last in zip(times_ms, times_ms[most:])) > 30 * DAY_MS
    assert len(memory.alarms_ms) <= most + 1, "only those are kept that the limit needs"
    assert most == 1 or min(after - before for before, after in pairwise(times_ms)) < 10 * DAY_MS


def test_ten_thousand_events_in_a_bucket_weigh_what_ten_do() -> None:
    history = turned(5, 40, 50)
    burst = {tag(60): 7, tag(0): 3}
    few, many = DriftMemory(), DriftMemory()
    for memory, times in ((few, 1), (many, 1_000)):
        noticed_in(memory, history)
        share_drift.close(memory, FIRST_BUCKET + 160, {name: n * times for name, n in burst.items()}, RULES, 0)
    assert few == many
    assert few.suspect is False


def test_beyond_the_limit_the_lightest_makes_room_for_a_heavier_and_sums_stay() -> None:
    rules = replace(RULES, max_tags=3)
    memory = DriftMemory()
    noticed_in(memory, [(FIRST_BUCKET + n, {"a": 5, "b": 3, "c": 2}) for n in range(20)], rules)
    share_drift.close(memory, FIRST_BUCKET + 20, {"a": 5, "d": 5}, rules, 0)
    assert memory.tags == ["a", "b", "c"], "half a bucket is lighter than four"
    noticed_in(memory, [(FIRST_BUCKET + n, {"e": 5, "a": 5}) for n in range(21, 40)], replace(rules, min_buckets=999))
    assert memory.tags == ["a", "b", "c"], "each bucket of a tag not told apart is compared by itself"
    memory.numbers = b""
    share_drift.close(memory, FIRST_BUCKET + 50, {"a": 5, "c": 1, "d": 4}, rules, 0)
    assert memory.tags == ["a", "d", "c"]
    numbers = Numbers(memory.numbers, 4, 4)
    assert np.allclose(numbers.previous, [0.5, 0.4, 0.1, 0.0], atol=1e-4)
    assert isclose(sum(map(sum, numbers.baseline)), sum(numbers.mass), rel_tol=1e-3)


def test_many_more_tags_than_are_told_apart_are_no_drift_and_a_change_among_the_known_is() -> None:
    rng = np.random.default_rng(8)
    before, since = (np.append(habit(rng, 12) * 0.7, np.full(60, 0.3 / 60)) for _ in range(2))
    rules = replace(RULES, max_tags=12)
    memory = DriftMemory()
    assert noticed_in(memory, life(rng, lambda _: before, 60), rules) == []
    assert len(memory.tags) == 12
    assert len(noticed_in(memory, life(rng, lambda _: since, 30, FIRST_DAY + 60), rules)) == 1
    held = Numbers(memory.numbers, 4, 13)
    assert isclose(sum(map(sum, held.baseline)), sum(held.mass), rel_tol=1e-2)
    assert isclose(sum(held.previous), 1.0, rel_tol=1e-3)


def test_an_alarm_tells_what_rose_and_what_fell() -> None:
    rng = np.random.default_rng(9)
    before = np.array([0.30, 0.02, 0.28, 0.20, 0.20, 0.0])
    since = np.array([0.05, 0.52, 0.03, 0.20, 0.19, 0.01])
    [alarm] = noticed_in(
        DriftMemory(), life(rng, lambda day: before if day < 45 else since, 60, events=60, burst=60, sticky=0)
    )
    assert [name for name, _, _ in alarm.rose] == [tag(1)]
    assert {name for name, _, _ in alarm.fell[:2]} == {tag(0), tag(2)}
    [(_, was, became)] = alarm.rose
    assert was < 0.1
    assert 0.3 < became < 0.6
    assert abs(alarm.since_ms / DAY_MS - FIRST_DAY - 45) < 4
    assert alarm.at_ms % BUCKET_MS == 0
    assert alarm.evidence >= 1.0
    assert RULES.min_distance_bits <= alarm.distance_bits <= 1.0


def test_at_most_three_tags_each_way_are_told_the_largest_first() -> None:
    before = {tag(k): 30 - k for k in range(5)}
    since = {tag(k): 30 - k for k in range(5, 10)}
    buckets = [(FIRST_BUCKET + n, before if n < 100 else since) for n in range(140)]
    [alarm] = noticed_in(DriftMemory(), buckets)
    assert len(alarm.rose) == len(alarm.fell) == 3
    for changes in (alarm.rose, alarm.fell):
        sizes = [abs(since - before) for _, before, since in changes]
        assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("days", [1, 2])
def test_a_trip_of_a_day_or_two_raises_nothing(days: int) -> None:
    """Nothing but what they never did before, in every part of the day."""
    raised = []
    for seed in range(110):
        rng = np.random.default_rng(seed)
        home, trip, at_day = np.append(habit(rng), 0.0), np.append(np.zeros(8), 1.0), int(rng.integers(20, 40))

        def mix(day: int, home: Vector = home, trip: Vector = trip, at_day: int = at_day) -> Vector:
            return trip if at_day <= day < at_day + days else home

        raised += noticed_in(DriftMemory(), life(rng, mix, at_day + 10))
    assert raised == []


@pytest.mark.parametrize("kind", range(3))
def test_people_who_stay_as_they_are_raise_nothing_in_sixty_years(kind: int) -> None:
    burst, sticky, parts = ((4.0, 0.0, (1, 3)), (12.0, 0.3, (2, 3)), (40.0, 0.5, (1, 2, 3)))[kind]
    for seed in range(20):
        rng = np.random.default_rng(1_000 * kind + seed)
        mix = habit(rng)
        buckets = life(rng, lambda _, mix=mix: mix, 365, burst=burst, sticky=sticky, parts=parts, events=12)
        assert noticed_in(DriftMemory(), buckets) == []


def test_a_clear_change_is_noticed_once_within_two_weeks_and_dated() -> None:
    delays, errors = [], []
    for seed in range(30):
        memory = DriftMemory()
        alarms = noticed_in(memory, turned(seed, 65, 45))
        if alarms:
            [alarm] = alarms
            delays.append(alarm.at_ms / DAY_MS - FIRST_DAY - 45)
            errors.append(alarm.since_ms / DAY_MS - FIRST_DAY - 45)
            assert not memory.suspect
    assert len(delays) >= 29
    assert min(delays) >= RULES.min_days - 1
    assert np.mean(np.array(delays) <= 14) >= 0.8
    assert np.median(delays) <= 11
    assert -4 <= np.median(errors) <= 1


def scripted(monkeypatch: pytest.MonkeyPatch, e_values: Sequence[float]) -> Iterator[tuple[DriftMemory, float]]:
    """The memory and the evidence after each bucket, three a day, that has one of these e-values."""
    script = iter(e_values)

    def compared(*asked: object) -> Step:
        return shares.compare(*asked)._replace(e_value=next(script))  # type: ignore[arg-type]

    monkeypatch.setattr(share_drift, "compare", compared)
    memory = DriftMemory(buckets=100, bucket=FIRST_BUCKET - 1)
    for number in range(len(e_values)):
        day, part = divmod(number, 3)
        share_drift.close(memory, FIRST_BUCKET + 4 * day + part, {"a": 1}, replace(RULES, min_days=1_000), 0)
        yield memory, evidence_of(memory)


def test_suspicion_begins_at_one_threshold_and_ends_at_another(monkeypatch: pytest.MonkeyPatch) -> None:
    suspect, changes = False, []
    for memory, evidence in scripted(monkeypatch, [*[1.0] * 9, *[4.0] * 12, *[0.6] * 90, *[1.0] * 9, *[4.0] * 12]):
        if memory.suspect != suspect:
            changes.append(evidence)
        assert memory.suspect or evidence < SUSPECT_FROM
        assert not memory.suspect or evidence >= SUSPECT_UNTIL
        suspect = memory.suspect
    begins, ends, begins_again = changes
    assert min(begins, begins_again) >= SUSPECT_FROM
    assert ends < SUSPECT_UNTIL


def test_days_with_evidence_are_counted_once_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rising = [5.0, 5.0, 5.0, 5.0, 1.05, 1.0, 1.0, 1.0, 1.04, 1.0, 1.06, 0.5]
    days = [memory.days for memory, _ in scripted(monkeypatch, [*rising, *[0.3] * 60, *[1.06] * 3])]
    assert days[:12] == [1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3, 3]
    assert (days[-4], days[-1]) == (3, 4)


def after_a_trip(seed: int, days: int) -> Iterator[tuple[DriftMemory, float]]:
    """Somebody away for some days; the memory and the evidence after each bucket."""
    rng = np.random.default_rng(seed)
    home, trip = np.append(habit(rng), 0.0), np.append(np.zeros(8), 1.0)
    memory = DriftMemory()
    for bucket, counts in life(rng, lambda day: trip if 40 <= day < 40 + days else home, 100, parts=range(4)):
        share_drift.close(memory, bucket, counts, RULES, 0)
        yield memory, evidence_of(memory)


def test_suspicion_after_a_trip_ends_within_two_months_at_home() -> None:
    stories = [[memory.suspect for memory, _ in after_a_trip(seed, 2)] for seed in range(16)]
    assert sum(any(story) for story in stories) >= 2
    assert not any(story[-1] for story in stories)


def test_a_restart_after_every_step_changes_nothing() -> None:
    encode, decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(DriftMemory).decode
    for rules in (RULES, replace(JUMPY, max_tags=5)):
        history = turned(11, 60, 30)
        kept = DriftMemory()
        restarted = encode(DriftMemory())
        alarms = 0
        for bucket, counts in history:
            memory = decode(restarted)
            once, again = (share_drift.close(m, bucket, counts, rules, 0) for m in (kept, memory))
            assert once == again
            alarms += once is not None
            restarted = encode(memory)
            assert encode(kept) == restarted
        assert alarms


def test_after_a_shift_of_everybody_nothing_is_suspected_and_a_part_of_the_old_is_kept() -> None:
    memory = DriftMemory()
    noticed_in(memory, turned(12, 40, 50))
    before = Numbers(memory.numbers, 4, len(memory.tags) + 1)
    surprised(memory, 4 * (FIRST_DAY + 40), 6, tag(50), RULES)
    alarms_ms, bucket = memory.alarms_ms[:], memory.bucket
    share_drift.begin_anew(memory)
    assert (memory.evidence, memory.buckets, memory.days, memory.suspect) == (b"", 0, 0, False)
    assert (memory.alarms_ms, memory.bucket) == (alarms_ms, bucket)
    after = Numbers(memory.numbers, 4, len(memory.tags) + 1)
    assert after.observed == after.expected == [0.0] * (len(memory.tags) + 1)
    assert sum(after.mass) < 0.15 * sum(before.mass)


def test_local_time_decides_what_a_weekend_and_a_day_are() -> None:
    saturday = FIRST_DAY + 2
    contexts = [share_drift.context_of(4 * day + part) for day in (saturday, saturday + 2) for part in range(4)]
    assert contexts == [0, 1, 1, 0, 2, 3, 3, 2]
    assert share_drift.begins_ms(FIRST_BUCKET, 8 * 3_600_000) == FIRST_DAY * DAY_MS - 8 * 3_600_000
