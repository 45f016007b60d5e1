"""Instants of one local week, and a person whose events are told to one family."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from types import ModuleType

from schemas.dictionaries import Dictionaries, District
from schemas.events import Event
from schemas.person_memory import PersonMemory
from schemas.rules import Rules

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
UTC_OFFSET_MS = 8 * HOUR_MS

MONDAY_MS = 1_767_571_200_000 - UTC_OFFSET_MS  # midnight, local, of 2026-01-05
MONDAY = (MONDAY_MS + UTC_OFFSET_MS) // DAY_MS

DISTRICTS = {
    "东湖小区": District("residential", "北京", 39.95, 116.30),
    "望山新城": District("new_estate", "北京", 39.80, 116.60),
    "云栖商务区": District("business", "北京", 39.90, 116.45),
    "金桥广场": District("mall", "北京", 39.92, 116.40),
    "珠江商务区": District("business", "广东", 23.13, 113.26),
}
HOME, ESTATE, OFFICE, MALL, FAR_AWAY = DISTRICTS

KEYWORDS = (
    ("全屋定制", "renovation"),
    ("二手房", "home_purchase"),
    ("lingchi", "car_lingchi"),
    ("租房", "home_rental"),
)
RULES = Rules({}, utc_offset_ms=UTC_OFFSET_MS, dictionaries=Dictionaries(districts=DISTRICTS, keywords=KEYWORDS))


def at(day: int = 0, hour: float = 0) -> int:
    """Local time on a day after that Monday, in milliseconds since the epoch."""
    return MONDAY_MS + day * DAY_MS + round(hour * HOUR_MS)


class Person:
    """What one family finds in a person's events, and remembers of them."""

    def __init__(self, *families: ModuleType) -> None:
        self.families = families
        self.memory = PersonMemory()

    def lives(self, *events: Event) -> list[tuple[str, str, float]]:
        """All evidence of the events, in their order."""
        return [
            each
            for event in events
            for family in self.families
            if event.__class__ in family.EVENTS
            for each in family.evidence(event, self.memory, RULES)
        ]


def summed(evidence: Iterable[tuple[str, str, float]]) -> dict[str, float]:
    """``group:tag`` -> sum of the values."""
    sums: dict[str, float] = defaultdict(float)
    for group, tag, value in evidence:
        sums[f"{group}:{tag}"] += value
    return dict(sums)
