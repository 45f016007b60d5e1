from __future__ import annotations

import pytest

from schemas.events import CardsOpened, Presence
from tests.udfs.tags.person_story import DISTRICTS, FAR_AWAY, HOME, MINUTE_MS, OFFICE, Person, at
from udfs.tags import fraud
from udfs.tags.fraud import kilometres_between

JUMP = [("impossible_travel", "all", 1.0)]


def seen(minutes: float, district: str) -> Presence:
    return Presence("u", 1, at() + round(minutes * MINUTE_MS), "attach", "", "", district, "")


@pytest.mark.parametrize(
    ("presences", "found"),
    [
        ([seen(0, HOME)], []),
        ([seen(0, HOME), seen(60, FAR_AWAY)], JUMP),
        ([seen(0, HOME), seen(0, FAR_AWAY)], JUMP),
        ([seen(0, HOME), seen(180, FAR_AWAY)], []),
        ([seen(0, HOME), seen(0.1, OFFICE)], []),
        ([seen(0, HOME), seen(300, HOME), seen(330, FAR_AWAY)], JUMP),
        ([seen(0, HOME), seen(300, HOME), seen(270, FAR_AWAY)], JUMP),
        ([seen(0, HOME), seen(30, ""), seen(60, FAR_AWAY)], JUMP),
        ([seen(0, HOME), seen(30, "nobody knows"), seen(60, FAR_AWAY)], []),
    ],
    ids=[
        "first",
        "1,890 km in an hour",
        "at once",
        "by plane",
        "near",
        "after a stay",
        "late",
        "unknown between",
        "not in the dictionary",
    ],
)
def test_jumps(presences: list[Presence], found: list[tuple[str, str, float]]) -> None:
    assert Person(fraud).lives(*presences) == found


def test_a_late_sighting_does_not_move_where_the_person_was_last_seen() -> None:
    person = Person(fraud)
    person.lives(seen(300, HOME), seen(0, FAR_AWAY))
    assert person.memory.fraud is not None
    assert person.memory.fraud.district == HOME


def test_each_further_card_of_ones_document_counts() -> None:
    events = [CardsOpened("u", number, at(), cards) for number, cards in ((1, 3), (2, 4))]
    assert Person(fraud).lives(*events) == [("many_cards", "all", 1.0)] * 2


def test_distance_from_beijing_to_guangzhou() -> None:
    assert kilometres_between(DISTRICTS[HOME], DISTRICTS[FAR_AWAY]) == pytest.approx(1_890, rel=0.01)
    assert kilometres_between(DISTRICTS[HOME], DISTRICTS[HOME]) == 0
