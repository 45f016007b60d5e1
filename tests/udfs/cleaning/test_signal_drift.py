"""A jump no one can travel is rejected once; a confirmed place comes through."""

from __future__ import annotations

import pytest
from cleaning_world import (
    ABROAD,
    BESIDE,
    CELLS,
    CORNER,
    FAR,
    FAR2,
    HOME,
    HOUR,
    NEXT,
    NO_RULES,
    NOON,
    REMOTE,
    SECOND,
    outcome,
    outcomes,
    seen_at,
)

from schemas.cleaning_memory import CleaningMemory
from schemas.dictionaries import Cell
from schemas.reasons import Reason
from udfs.cleaning.distance import distance_km

DRIFT = Reason.SIGNAL_DRIFT
TIMELINES: dict[str, list[tuple[float, str, Reason | None]]] = {
    "seen once": [(0, HOME, None), (60, FAR, DRIFT), (120, HOME, None), (180, HOME, None)],
    "again and again, never confirmed": [
        (0, HOME, None),
        (60, FAR, DRIFT),
        (70, NEXT, None),
        (130, FAR, DRIFT),
        (200, NEXT, None),
    ],
    "confirmed by the same cell": [(0, HOME, None), (60, FAR, DRIFT), (70, FAR, None), (80, FAR, None)],
    "confirmed by a cell beside it": [(0, HOME, None), (60, FAR, DRIFT), (70, FAR2, None), (80, FAR, None)],
    "the next suspect does not confirm the first": [
        (0, HOME, None),
        (60, FAR, DRIFT),
        (70, ABROAD, DRIFT),
        (80, HOME, None),
    ],
    "back after a confirmed place": [
        (0, HOME, None),
        (60, FAR, DRIFT),
        (70, FAR, None),
        (80, HOME, DRIFT),
        (90, HOME, None),
    ],
    "30 km in 269 s is too fast, in 271 s a train": [(0, HOME, None), (269, FAR, DRIFT), (271, FAR, None)],
    "1,000 km after half an hour of silence": [(0, HOME, None), (1_801, ABROAD, None)],
    "short jumps are never drift": [(0, HOME, None), (0, BESIDE, None)],
    "neighbours are never drift, however far": [(0, CORNER, None), (1, REMOTE, None)],
    "no neighbours at the same distance are": [(0, HOME, None), (1, REMOTE, DRIFT)],
    "shortly late and impossible": [(0, HOME, None), (60, HOME, None), (30, FAR, DRIFT), (70, HOME, None)],
    "late from an hour ago is not compared as if it came now": [
        (3_600, HOME, None),
        (1_200, FAR, None),
        (3_610, HOME, None),
    ],
    "shortly late never confirms nor suspects": [
        (0, HOME, None),
        (60, HOME, None),
        (50, FAR, DRIFT),
        (55, FAR, DRIFT),
        (61, FAR, DRIFT),
        (62, FAR, None),
    ],
}


@pytest.mark.parametrize("timeline", TIMELINES.values(), ids=TIMELINES.keys())
def test_timeline(timeline: list[tuple[float, str, Reason | None]]) -> None:
    records = [seen_at(cell, NOON + round(second * SECOND)) for second, cell, _ in timeline]
    assert outcomes(records) == [expected for _, _, expected in timeline]


def test_the_suspect_is_forgotten_with_the_place() -> None:
    memory = CleaningMemory()
    outcomes([seen_at(HOME, NOON), seen_at(FAR, NOON + SECOND)], memory)
    assert memory.place is not None
    assert memory.place.suspect == FAR
    outcomes([seen_at(HOME, NOON + HOUR)], memory)
    assert memory.place.suspect == ""


def test_a_cell_that_left_the_dictionary_is_not_measured_from() -> None:
    memory = CleaningMemory()
    outcome(seen_at(HOME, NOON), memory)
    assert outcome(seen_at(FAR, NOON + SECOND), memory, NO_RULES) is Reason.CELL_UNKNOWN
    assert memory.place is not None
    memory.place.cell = "GONE"
    assert outcome(seen_at(FAR, NOON + SECOND), memory) is None


def _at(latitude: float, longitude: float) -> Cell:
    return Cell(latitude, longitude, "", "", frozenset())


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        (_at(0, 0), _at(0, 0), 0),
        (_at(0, 0), _at(0, 180), 20_015.1),
        (_at(90, 0), _at(-90, 77), 20_015.1),
        (_at(0, 0), _at(0, 1), 111.19),
        (_at(0, 179.5), _at(0, -179.5), 111.19),
        (CELLS[HOME], CELLS[ABROAD], 1_071.3),
    ],
)
def test_distances(one: Cell, other: Cell, km: float) -> None:
    assert distance_km(one, other) == pytest.approx(km, rel=1e-3)
    assert distance_km(other, one) == pytest.approx(distance_km(one, other))
