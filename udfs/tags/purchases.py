"""Purchases: what a household buys, how much, for how much money. Not of subscribers: third-party panel data."""

from __future__ import annotations

from schemas.events import Purchase
from schemas.outputs import Evidence
from schemas.person_memory import PersonMemory
from schemas.rules import Rules
from schemas.tag_group import TagGroup

EVENTS = (Purchase,)

GROUPS = (
    TagGroup(
        name="quantity",
        kind="weight",
        unit="items",
        half_life_days=30.0,
        meaning="Items bought per product category, decayed.",
        family="purchases",
        sources=("household",),
        purpose="panel",
        drift="watched",
    ),
    TagGroup(
        name="spend",
        kind="weight",
        unit="money",
        half_life_days=30.0,
        meaning="Money spent per product category, decayed.",
        family="purchases",
        sources=("household",),
        purpose="panel",
        drift="rebuilt",
    ),
    TagGroup(
        name="line_spend",
        kind="numeric",
        unit="money",
        half_life_days=90.0,
        meaning="Money per line of a basket: decayed mean and deviation.",
        family="purchases",
        sources=("household",),
        purpose="panel",
        drift="rebuilt",
        tags=("all",),
        more_tags="",
    ),
)


def evidence(event: Purchase, memory: PersonMemory, rules: Rules) -> tuple[Evidence, ...]:
    """Quantity and money for the category, and the money of the line for its mean."""
    category = event.category
    return (
        ("quantity", category, event.quantity),
        ("spend", category, event.spend),
        ("line_spend", "all", event.spend),
    )
