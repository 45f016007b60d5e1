"""A small world of cells for the cleaning tests, and shorthands."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.cleaning_memory import CleaningMemory
from schemas.dictionaries import App, Cell, Device, Dictionaries, District
from schemas.events import DataUsage, Event, Presence
from schemas.reasons import Reason, Rejected
from schemas.rules import Rules
from udfs.cleaning import clean

NOON = 1_700_000_000_000
SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# HOME, NEXT and CORNER meet at a corner, some 500 m apart; BESIDE is 1 km on; FAR is 30 km away, with FAR2 1 km beside
# it; ABROAD is 1,000 km away; REMOTE is 8 km from HOME and its neighbour, as in the country.
CELLS = {
    "HOME-00000000001": Cell(39.900, 116.400, "chaoyang", "北京", frozenset({"NEXT-00000000001"})),
    "NEXT-00000000001": Cell(39.904, 116.400, "chaoyang", "北京", frozenset({"CORNER-000000001"})),
    "CORNER-000000001": Cell(39.902, 116.404, "mall", "北京", frozenset({"HOME-00000000001", "REMOTE-000000001"})),
    "BESIDE-000000001": Cell(39.909, 116.400, "", "北京", frozenset()),
    "FAR-000000000001": Cell(40.170, 116.400, "shunyi", "北京", frozenset()),
    "FAR2-00000000001": Cell(40.179, 116.400, "shunyi", "北京", frozenset()),
    "ABROAD-000000001": Cell(31.200, 121.500, "pudong", "上海", frozenset()),
    "REMOTE-000000001": Cell(39.970, 116.404, "", "", frozenset()),
}
HOME, NEXT, CORNER, BESIDE, FAR, FAR2, ABROAD, REMOTE = CELLS

DICTIONARIES = Dictionaries(
    "test",
    CELLS,
    {"chaoyang": District("residential", "北京", 39.9, 116.4), "mall": District("mall", "北京", 39.9, 116.4)},
    {
        "video": App("Video", "video"),
        "com.video.app": App("Video", "video"),
        "shop.example": App("Shop", "shopping"),
        "plain": App("Plain", ""),
    },
    {"phone-x 12 pro": Device("X", "X 12 Pro", "android", "high", 2023)},
    {"北京市朝阳区": "北京-朝阳", "beijing chaoyang": "北京-朝阳"},
    (),
    {
        "age": "41.5",
        "gender": "female",
        "region": "北京-朝阳",
        "plan_tier": "basic",
    },
)
RULES = Rules({}, dictionaries=DICTIONARIES)
NO_RULES = Rules({})


def seen_at(cell: str, at_ms: int, province: str = "北京") -> Presence:
    return Presence("i", at_ms, at_ms, "handover", cell, province)


def reading(bytes_total: int, at_ms: int) -> DataUsage:
    return DataUsage("i", at_ms, at_ms, bytes_total)


def outcome(event: Event, memory: CleaningMemory, rules: Rules = RULES) -> Reason | None:
    """Reason of the rejection, None if the event came through."""
    try:
        clean(event, memory, rules, [])
    except Rejected as rejected:
        return rejected.reason
    return None


def outcomes(events: Sequence[Event], memory: CleaningMemory | None = None) -> list[Reason | None]:
    memory = memory or CleaningMemory()
    return [outcome(event, memory) for event in events]
