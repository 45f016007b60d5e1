"""A bounce between neighbouring cells is not a movement; a movement is not a bounce."""

from __future__ import annotations

import pytest
from cleaning_world import BESIDE, CORNER, HOME, HOUR, MINUTE, NEXT, NOON, SECOND, outcomes, seen_at

from schemas.cleaning_memory import CleaningMemory
from schemas.reasons import Reason

BOUNCE = Reason.PING_PONG
TIMELINES: dict[str, list[tuple[float, str, Reason | None]]] = {
    "first hop is a movement": [(0, HOME, None), (5, NEXT, None), (10, NEXT, None)],
    "staying is no bounce": [(0, HOME, None), (5, HOME, None), (5, HOME, None), (70, HOME, None)],
    "to and fro": [(0, HOME, None), (5, NEXT, None), (9, HOME, BOUNCE), (12, NEXT, BOUNCE), (60, HOME, BOUNCE)],
    "neighbours one way round are neighbours": [(0, NEXT, None), (5, HOME, None), (9, NEXT, BOUNCE)],
    "just within the window": [(0, HOME, None), (1, NEXT, None), (60, HOME, BOUNCE)],
    "just out of the window": [(0, HOME, None), (1, NEXT, None), (60.001, HOME, None)],
    "the window is from the last record there": [
        (0, HOME, None),
        (50, HOME, None),
        (60, NEXT, None),
        (110, HOME, BOUNCE),
    ],
    "no neighbours, no bounce": [(0, HOME, None), (5, BESIDE, None), (9, HOME, None)],
    "an episode goes on while its records come within the minute": [
        (0, HOME, None),
        (5, NEXT, None),
        (9, HOME, BOUNCE),
        (69, NEXT, BOUNCE),
        (129, HOME, BOUNCE),
    ],
    "a quiet minute ends it, at the current cell": [
        (0, HOME, None),
        (5, NEXT, None),
        (9, HOME, BOUNCE),
        (69.001, NEXT, None),
        (75, NEXT, None),
    ],
    "a quiet minute ends it, at the other cell": [
        (0, HOME, None),
        (5, NEXT, None),
        (9, HOME, BOUNCE),
        (69.001, HOME, None),
        (75, HOME, None),
    ],
    "five minutes end it": [
        (0, HOME, None),
        (5, NEXT, None),
        *((9 + 50 * k, HOME, BOUNCE) for k in range(7)),
        (310, HOME, None),
        (311, HOME, None),
    ],
    "moving on ends it": [(0, HOME, None), (5, NEXT, None), (9, HOME, BOUNCE), (12, BESIDE, None), (14, BESIDE, None)],
    "three cells of a corner": [
        (0, HOME, None),
        (5, NEXT, None),
        (9, CORNER, None),
        (12, HOME, BOUNCE),
        (15, NEXT, BOUNCE),
        (18, CORNER, BOUNCE),
    ],
    "a round trip over cells that are no neighbours": [
        (0, HOME, None),
        (20, NEXT, None),
        (40, BESIDE, None),
        (50, HOME, None),
    ],
    "late within the episode": [
        (0, HOME, None),
        (5, NEXT, None),
        (9, HOME, BOUNCE),
        (20, HOME, BOUNCE),
        (15, NEXT, BOUNCE),
    ],
    "late from before the episode": [
        (0, HOME, None),
        (5, NEXT, None),
        (9, HOME, BOUNCE),
        (7, NEXT, None),
        (3, HOME, None),
    ],
    "late outside of an episode": [(0, HOME, None), (20, NEXT, None), (10, HOME, None), (25, NEXT, None)],
    "late at another cell": [
        (0, HOME, None),
        (5, NEXT, None),
        (9, HOME, BOUNCE),
        (20, HOME, BOUNCE),
        (15, BESIDE, None),
    ],
}


@pytest.mark.parametrize("timeline", TIMELINES.values(), ids=TIMELINES.keys())
def test_timeline(timeline: list[tuple[float, str, Reason | None]]) -> None:
    records = [seen_at(cell, NOON + round(second * SECOND)) for second, cell, _ in timeline]
    assert outcomes(records) == [expected for _, _, expected in timeline]


def test_a_late_record_does_not_move_the_memory() -> None:
    memory = CleaningMemory()
    outcomes([seen_at(HOME, NOON), seen_at(NEXT, NOON + SECOND), seen_at(HOME, NOON + 2 * SECOND)], memory)
    assert memory.place is not None
    before = (memory.place.cell, memory.place.time_ms, dict(memory.place.visited), memory.place.bouncing_since_ms)
    outcomes([seen_at(BESIDE, NOON - 40 * HOUR), seen_at(HOME, NOON + SECOND), seen_at(CORNER, NOON - SECOND)], memory)
    assert (memory.place.cell, memory.place.time_ms, memory.place.visited, memory.place.bouncing_since_ms) == before


def test_cells_are_forgotten_after_a_minute_and_half_an_hour() -> None:
    memory = CleaningMemory()
    outcomes([seen_at(HOME, NOON), seen_at(NEXT, NOON + SECOND), seen_at(CORNER, NOON + 2 * SECOND)], memory)
    assert memory.place is not None
    assert set(memory.place.visited) == {HOME, NEXT}
    outcomes([seen_at(CORNER, NOON + 2 * MINUTE)], memory)
    assert memory.place.visited == {}
    outcomes([seen_at(BESIDE, NOON + 3 * HOUR)], memory)
    assert memory.place.cell == BESIDE
    assert memory.place.visited == {}


def test_no_more_than_two_visited_cells_are_kept() -> None:
    memory = CleaningMemory()
    outcomes([seen_at(cell, NOON + k * SECOND) for k, cell in enumerate([HOME, NEXT, BESIDE, CORNER])], memory)
    assert memory.place is not None
    assert memory.place.visited == {NEXT: NOON + SECOND, BESIDE: NOON + 2 * SECOND}
