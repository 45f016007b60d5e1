"""The guard against shifts of everybody: a shard in which all change at once, and one in which a few do."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
from habits import BUCKET_MS, DAY_MS, FIRST_DAY, Bucket, Vector, habit, life

from schemas.drift_memory import DriftMemory
from schemas.fleet_memory import FleetMemory
from schemas.rules import Rules
from udfs.profile.drift import observe
from udfs.profile.fleet_guard import MIN_SUSPECTS, note, shift_before

PEOPLE, SHIFT_DAY, DAYS = 200, 20, 62
RULES = Rules({})
Alarms = list[tuple[int, str, float]]
"""(person, kind, days since the first)"""


def closed(memory: DriftMemory, person: int, bucket: Bucket, fleet: FleetMemory | None) -> Alarms:
    """A bucket's counts are put among the open ones, so that its first event alone need be observed."""
    number, counts = bucket
    start_ms = number * BUCKET_MS
    found = observe(memory, [next(iter(counts))], start_ms, RULES, fleet)
    memory.open[number] = dict(counts)
    return [(person, kind, noticed.at_ms / DAY_MS - FIRST_DAY) for kind, noticed in found]


def lives_of(people: int, days: int, shift_day: int, drifters: dict[int, int]) -> list[list[Bucket]]:
    """From the shift on two fifths of what everybody does is new; drifters turn over on a day of theirs."""
    return [life_of(person, days, shift_day, drifters.get(person, days)) for person in range(people)]


def life_of(person: int, days: int, shift_day: int, drift_day: int) -> list[Bucket]:
    rng = np.random.default_rng(person)
    mix, other = (np.append(habit(rng), 0.0) for _ in range(2))
    while np.abs(mix - other).sum() < 1.2:
        other = np.append(habit(rng), 0.0)
    shift = np.append(np.zeros(8), 0.4)

    def on(day: int) -> Vector:
        mine = other if day >= drift_day else mix
        return 0.6 * mine + shift if day >= shift_day else mine

    return list(life(rng, on, days, parts=sorted(rng.choice(4, 3, replace=False).tolist()), events=8))


def by_time(lives: list[list[Bucket]]) -> list[tuple[int, int, Bucket]]:
    return sorted(((b[0], person, b) for person, story in enumerate(lives) for b in story), key=lambda each: each[:2])


def lived(lives: list[list[Bucket]], fleet: FleetMemory | None) -> tuple[list[DriftMemory], Alarms]:
    memories = [DriftMemory() for _ in lives]
    alarms: Alarms = []
    for _, person, bucket in by_time(lives):
        alarms += closed(memories[person], person, bucket, fleet)
    return memories, alarms


@pytest.fixture(scope="module")
def shifted() -> tuple[FleetMemory, list[DriftMemory], Alarms]:
    fleet = FleetMemory()
    memories, alarms = lived(lives_of(PEOPLE, DAYS, SHIFT_DAY, {3: 40, 7: 41}), fleet)
    return fleet, memories, alarms


def test_a_change_of_everybody_is_a_shift_within_the_week_and_no_change_of_anybody(
    shifted: tuple[FleetMemory, list[DriftMemory], Alarms],
) -> None:
    fleet, memories, alarms = shifted
    for at_ms, suspects, buckets, _ in fleet.raised:
        assert SHIFT_DAY < at_ms / DAY_MS - FIRST_DAY < SHIFT_DAY + 8
        assert MIN_SUSPECTS <= suspects <= buckets <= PEOPLE * 4
    assert fleet.shifts_ms == [at_ms for at_ms, *_ in fleet.raised]
    assert fleet.shifts_ms[-1] - fleet.shifts_ms[0] < DAY_MS
    assert {memory.fleet_ms for memory in memories} == {fleet.shifts_ms[-1]}
    assert [each for each in alarms if each[0] not in (3, 7)] == []


def test_one_operational_alarm_tells_of_a_shift() -> None:
    fleet = FleetMemory()
    for _ in range(12):
        note(fleet, 900, True)
    assert [at_ms for at_ms, *_ in fleet.raised] == [900]


def test_without_a_guard_many_would_have_been_rebuilt() -> None:
    _, alarms = lived(lives_of(20, SHIFT_DAY + 20, SHIFT_DAY, {}), None)
    assert len({person for person, kind, _ in alarms if kind == "shares"}) >= 8


def test_single_people_are_noticed_again_once_the_new_is_learnt(
    shifted: tuple[FleetMemory, list[DriftMemory], Alarms],
) -> None:
    _, _, alarms = shifted
    assert {person for person, kind, day in alarms if kind == "shares" and day > 41} == {3, 7}


def test_a_few_people_who_change_are_no_shift() -> None:
    fleet = FleetMemory()
    drifters = {person: 24 + 3 * person for person in range(5)}
    _, alarms = lived(lives_of(30, 60, 1_000, drifters), fleet)
    assert (fleet.raised, fleet.shifts_ms) == ([], [])
    assert len({person for person, kind, _ in alarms if kind == "shares"}) >= 4
    assert {person for person, _, _ in alarms} <= set(drifters)


def test_after_the_shift_is_known_the_order_in_which_people_are_worked_on_changes_nothing() -> None:
    lives = lives_of(30, 45, 20, {2: 16})
    fleet = FleetMemory()
    memories = [DriftMemory() for _ in lives]
    items = by_time(lives)
    known = next(
        n
        for n, (_, person, b) in enumerate(items)
        if closed(memories[person], person, b, fleet) is None or fleet.raised
    )
    rest = items[known + 1 :]
    outcomes = []
    for order in (rest, sorted(rest, key=lambda each: each[1]), sorted(rest, key=lambda each: -each[1])):
        mine, shared = deepcopy(memories), deepcopy(fleet)
        alarms = [found for _, person, b in order for found in closed(mine[person], person, b, shared)]
        assert shared.shifts_ms == fleet.shifts_ms
        outcomes.append((mine, sorted(alarms)))
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_a_bucket_from_before_the_shift_closed_after_it_is_judged_as_before() -> None:
    fleet = FleetMemory(shifts_ms=[100, 300], newest_ms=300)
    assert [shift_before(fleet, ms) for ms in (99, 100, 299, 300, 10**15)] == [0, 100, 100, 300, 300]
    assert shift_before(FleetMemory(), 10**15) == 0


def test_a_shift_is_later_than_every_bucket_closed_so_far() -> None:
    fleet = FleetMemory()
    for ends_ms, suspect in ((500, True), (900, True), (700, True), (100, True), (800, True), (850, True), (600, True)):
        note(fleet, ends_ms, suspect)
    assert fleet.shifts_ms == [900]
    [(at_ms, suspects, buckets, usual)] = fleet.raised
    assert (at_ms, suspects, buckets) == (900, MIN_SUSPECTS, MIN_SUSPECTS)
    assert 0.0 < usual < 0.01


def day_of(fleet: FleetMemory, day: int, buckets: int, suspects: int) -> None:
    """A day of so many buckets, in each of its parts as many, the suspects spread evenly."""
    for number in range(buckets):
        part = number % 4 + 1
        before, after = (n * suspects // buckets for n in (number, number + 1))
        note(fleet, day * DAY_MS + part * BUCKET_MS, after > before)


def test_suspicions_that_have_nothing_to_do_with_each_other_are_no_shift_however_many_people_there_are() -> None:
    """Two suspicions a person and year, of 30,000 people: 128 buckets with four of them come about once a month."""
    rng = np.random.default_rng(5)
    fleet = FleetMemory()
    for day in range(90):
        for part in range(4):
            suspects = rng.random(7_500) < 2 / 1_100
            for suspect in suspects:
                note(fleet, day * DAY_MS + (part + 1) * BUCKET_MS, bool(suspect))
    assert fleet.raised == []


def test_a_shift_of_a_twentieth_of_a_large_shard_is_one() -> None:
    fleet = FleetMemory()
    for day in range(20):
        day_of(fleet, day, 8_000, 15)
    assert fleet.raised == []
    day_of(fleet, 20, 8_000, 400)
    assert len(fleet.raised) == 1


def test_where_many_are_usually_suspect_more_make_a_shift() -> None:
    for usually, now, shifts in ((0, 5, 1), (4, 5, 0), (4, 60, 1), (20, 100, 0)):
        fleet = FleetMemory()
        for day in range(28):
            day_of(fleet, day, 400, 0)
            fleet.counts = {end: (buckets, usually // 4) for end, (buckets, _) in fleet.counts.items()}
        day_of(fleet, 28, 400, now)
        assert len(fleet.raised) == shifts, (usually, now)


def test_a_shift_is_raised_by_a_suspect_and_not_by_the_passing_of_buckets() -> None:
    fleet = FleetMemory(counts={DAY_MS: (50, 50)}, newest_ms=DAY_MS)
    note(fleet, DAY_MS, False)
    assert fleet.raised == []
    note(fleet, DAY_MS, True)
    assert len(fleet.raised) == 1


def test_what_is_counted_is_forgotten_after_four_weeks() -> None:
    fleet = FleetMemory()
    for day in range(100):
        day_of(fleet, day, 40, 0)
    assert len(fleet.counts) == 28 * 4


def test_only_the_newest_shifts_are_kept() -> None:
    fleet = FleetMemory()
    for number in range(20):
        for _ in range(MIN_SUSPECTS):
            note(fleet, number * 2 * DAY_MS, True)
    assert fleet.shifts_ms == [number * 2 * DAY_MS for number in range(12, 20)]
    assert len(fleet.raised) == 20
