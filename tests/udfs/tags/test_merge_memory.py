from __future__ import annotations

from math import isclose
from random import Random
from typing import Any

import pytest
from msgspec import structs

from schemas.events import Billing, Call, DataUsage, Event, Registration
from schemas.person_memory import (
    BaseMemory,
    BehaviourMemory,
    ConsumptionMemory,
    FraudMemory,
    LifecycleMemory,
    PersonMemory,
    SocialMemory,
    TerminalMemory,
)
from tests.udfs.tags.person_story import DAY_MS, DISTRICTS, Person, at
from tests.udfs.tags.test_behaviour import seen
from tests.udfs.tags.test_social import someone
from udfs.profile.merge_memory import merge_memory
from udfs.tags import base, behaviour, consumption, fraud, lifecycle, social, terminal

FAMILIES = (base, behaviour, consumption, social, terminal, lifecycle, fraud)
YEAR_MS = 365 * DAY_MS


def events_of(seed: int, count: int = 200) -> list[Event]:
    random = Random(seed)
    events: list[Event] = []
    for number in range(count):
        day, hour = random.randrange(60), random.randrange(24)
        head: tuple[str, int, int] = ("u", number, at(day, hour))
        model = random.choice(("Find 7", "N5"))
        events.append(
            random.choice(
                (
                    seen(day, hour, random.choice([*DISTRICTS])),
                    Call(*head, "voice", random.random() < 0.5, someone(random.randrange(40)), 60.0, 2),
                    DataUsage(*head, 0, random.randrange(10**9)),
                    Billing(*head, random.choice(("bill", "recharge")), random.randrange(300), "plus"),
                    Registration(*head, "u", 33, activation_time_ms=at(-random.randrange(999)), device_model=model),
                )
            )
        )
    return sorted(events, key=lambda event: event.event_time_ms)


def remembered(events: list[Event]) -> PersonMemory:
    person = Person(*FAMILIES)
    person.lives(*events)
    return person.memory


def flat(memory: Any) -> list[Any]:
    if memory is None or not hasattr(memory, "__struct_fields__"):
        return [memory]
    return [each for value in structs.astuple(memory) for each in flat(value)]


def assert_same(mine: PersonMemory, more: PersonMemory) -> None:
    for one, other in zip(flat(mine), flat(more), strict=True):
        assert one == other or isclose(one, other, rel_tol=1e-12), (mine, more)


@pytest.mark.parametrize("seed", range(20))
def test_either_way_round_gives_the_same_and_changes_neither(seed: int) -> None:
    mine, more = remembered(events_of(seed)), remembered(events_of(seed + 100, 20))
    before = flat(mine), flat(more)
    assert_same(merge_memory(mine, more), merge_memory(more, mine))
    assert (flat(mine), flat(more)) == before


def test_what_one_side_alone_remembers_is_kept_and_is_not_shared() -> None:
    mine = remembered(events_of(1))
    merged = merge_memory(mine, PersonMemory())
    assert merged == merge_memory(PersonMemory(), mine) == mine
    assert merged.base is not mine.base
    assert merge_memory(PersonMemory(), PersonMemory()) == PersonMemory()


@pytest.mark.parametrize("seed", range(5))
def test_sums_and_sketches_are_those_of_one_profile_of_all_events(seed: int) -> None:
    events = events_of(seed)
    merged = merge_memory(remembered(events[::2]), remembered(events[1::2]))
    whole = remembered(events)
    assert merged.base == whole.base
    assert merged.fraud == whole.fraud
    for mine, expected in ((merged.social, whole.social), (merged.consumption, whole.consumption)):
        for one, other in zip(flat(mine), flat(expected), strict=True):
            assert one == other or isclose(one, other, rel_tol=1e-9)
    assert merged.lifecycle is not None
    assert whole.lifecycle is not None
    assert flat(merged.lifecycle)[:2] == flat(whole.lifecycle)[:2]
    assert flat(merged.lifecycle)[2:4] == pytest.approx(flat(whole.lifecycle)[2:4])


@pytest.mark.parametrize(
    ("mine", "more", "merged"),
    [
        (BaseMemory(0, 1), BaseMemory(5, 2), BaseMemory(5, 3)),
        (BaseMemory(9, 1), BaseMemory(5, 1), BaseMemory(5, 1)),
        (TerminalMemory(7, 10, 1), TerminalMemory(8, 20, 2), TerminalMemory(8, 20, 3)),
        (FraudMemory(10, "a"), FraudMemory(20, "b"), FraudMemory(20, "b")),
        (FraudMemory(10, "a"), FraudMemory(10, "b"), FraudMemory(10, "b")),
        (ConsumptionMemory(5, 0, 1.0, 40.0), ConsumptionMemory(9, 0, 3.0, 80.0), ConsumptionMemory(9, 0, 4.0, 70.0)),
        (
            LifecycleMemory(5, 9, 1.0, 2.0, 3, 1),
            LifecycleMemory(4, 9, 1.0, 2.0, 4, 3),
            LifecycleMemory(4, 9, 2.0, 4.0, 4, 3),
        ),
        (
            SocialMemory(1, b"\x01" * 16, b"\x00" * 16, 1.0, 0.0, 20),
            SocialMemory(2, b"\x02" * 16, b"\x04" * 16, 0.0, 1.0, 20),
            SocialMemory(2, b"\x02" * 16, b"\x05" * 16, 1.0, 1.0, 20),
        ),
        (
            BehaviourMemory(10, "a", 1, False, 5, "h", 100, 5, 9, "w", 60, 8, "p", 3, 9, 0),
            BehaviourMemory(20, "b", 2, True, 6, "g", 300, 7, 8, "w", 40, 9, "q", 1, 8, 4),
            BehaviourMemory(20, "b", 2, True, 6, "g", 200, 7, 8, "w", 100, 9, "p", 2, 9, 4),
        ),
    ],
    ids=lambda value: value.__class__.__name__,
)
def test_by_hand(mine: Any, more: Any, merged: Any) -> None:
    name = mine.__class__.__name__.removesuffix("Memory").lower()
    found = merge_memory(PersonMemory(**{name: mine}), PersonMemory(**{name: more}))
    assert found == PersonMemory(**{name: merged})
