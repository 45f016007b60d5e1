"""No cell leaves cleaning; its district, kind and province do."""

from __future__ import annotations

import pytest
from cleaning_world import BESIDE, CORNER, FAR, HOME, NOON, REMOTE, RULES, outcome, seen_at

from schemas.cleaning_memory import CleaningMemory
from schemas.reasons import Reason
from udfs.cleaning import Correction, clean


@pytest.mark.parametrize(
    ("cell", "said", "district", "kind", "province", "corrections"),
    [
        (HOME, "北京", "chaoyang", "residential", "北京", []),
        (CORNER, "", "mall", "mall", "北京", [Correction.PROVINCE_FILLED]),
        (HOME, "河北", "chaoyang", "residential", "河北", []),
        (FAR, "北京", "shunyi", "", "北京", []),
        (BESIDE, "", "", "", "北京", [Correction.PROVINCE_FILLED]),
        (REMOTE, "", "", "", "", []),
    ],
    ids=["said", "filled", "the network knows better", "district without a kind", "no district", "nothing known"],
)
def test_district(cell: str, said: str, district: str, kind: str, province: str, corrections: list[str]) -> None:
    event = seen_at(cell, NOON, said)
    found: list[str] = []
    assert clean(event, CleaningMemory(), RULES, found) is event
    assert (event.cell, event.district, event.district_kind, event.province) == ("", district, kind, province)
    assert found == corrections


@pytest.mark.parametrize("cell", ["", "NOWHERE", HOME.lower()])
def test_an_unknown_cell_is_rejected_and_not_remembered(cell: str) -> None:
    memory = CleaningMemory()
    assert outcome(seen_at(cell, NOON), memory) is Reason.CELL_UNKNOWN
    assert memory == CleaningMemory()
    outcome(seen_at(HOME, NOON), memory)
    assert outcome(seen_at(cell, NOON + 1), memory) is Reason.CELL_UNKNOWN
    assert memory.place is not None
    assert (memory.place.cell, memory.place.time_ms) == (HOME, NOON)
