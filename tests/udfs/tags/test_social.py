from __future__ import annotations

from hashlib import blake2b

import pytest

from schemas.events import Call
from tests.udfs.tags.person_story import HOUR_MS, Person, at
from udfs.tags import social
from udfs.tags.social import circle_size


def someone(number: int) -> str:
    """A pseudonym as feeds make them: no pattern in it."""
    return blake2b(str(number).encode(), digest_size=16).hexdigest()


def call(day: int, peer: str = "p", outgoing: bool = True, kind: str = "voice", parties: int = 2) -> Call:
    return Call("u", 1, at(day, 12), kind, outgoing, peer, 60.0, parties)


@pytest.mark.parametrize(
    ("event", "found"),
    [
        (call(0), [("calls", "voice_out", 1.0)]),
        (call(0, outgoing=False), [("calls", "voice_in", 1.0)]),
        (call(0, kind="sms"), [("calls", "sms_out", 1.0)]),
        (call(0, kind="sms", outgoing=False), [("calls", "sms_in", 1.0)]),
        (call(0, parties=3), [("calls", "voice_out", 1.0), ("group_calls", "all", 1.0)]),
    ],
)
def test_each_contact(event: Call, found: list[tuple[str, str, float]]) -> None:
    assert Person(social).lives(event) == found


@pytest.mark.parametrize(("people", "tolerance"), [(1, 0.01), (10, 0.1), (50, 0.15), (200, 0.2)])
def test_the_circle_is_estimated_once_a_day(people: int, tolerance: float) -> None:
    person = Person(social)
    person.lives(*(call(0, someone(number)) for number in range(people)), *(call(0, someone(0)) for _ in range(50)))
    found = person.lives(call(1), call(1))
    assert [each[0] for each in found] == ["calls", "circle", "influence", "calls"]
    assert found[1][2] == pytest.approx(people, rel=tolerance)


def test_who_was_not_spoken_to_for_two_periods_leaves_the_circle() -> None:
    person = Person(social)
    person.lives(*(call(0, someone(number)) for number in range(50)))
    assert {group: value for group, _, value in person.lives(call(16))}["circle"] > 30
    assert [group for group, _, _ in person.lives(call(50))] == ["calls"]


def test_a_circle_that_fills_the_bitmap_saturates() -> None:
    person = Person(social)
    person.lives(*(call(0, someone(number)) for number in range(5_000)))
    assert person.memory.social is not None
    assert 600 < circle_size(person.memory.social) < 800


def test_influence_grows_with_being_called_and_with_group_calls() -> None:
    def influence(*events: Call) -> float:
        person = Person(social)
        person.lives(*events)
        return {group: value for group, _, value in person.lives(call(1))}["influence"]

    outgoing, incoming = call(0), call(0, outgoing=False)
    assert influence(outgoing) == 0
    assert influence(incoming) == pytest.approx(1, rel=0.01)
    assert influence(outgoing, incoming) == pytest.approx(0.5, rel=0.01)
    assert influence(outgoing, call(0, outgoing=False, parties=4)) == pytest.approx(0.75, rel=0.01)
    assert influence(outgoing, call(0, outgoing=False, parties=10**9)) < 1


def test_a_late_call_counts_less_and_states_nothing() -> None:
    person = Person(social)
    person.lives(call(60))
    assert person.lives(call(0, outgoing=False)) == [("calls", "voice_in", 1.0)]
    known = person.memory.social
    assert known is not None
    assert (known.outgoing, known.incoming) == (1.0, 0.25)


def test_night_belongs_to_the_local_day() -> None:
    person = Person(social)
    person.lives(Call("u", 1, at(0, 23), "voice", True, "p", 1.0, 2))
    assert len(person.lives(Call("u", 2, at(0, 23) + HOUR_MS, "voice", True, "p", 1.0, 2))) == 3
