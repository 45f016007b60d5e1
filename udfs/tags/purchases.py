"""Purchases: what a household buys, how much, for how much money."""

from __future__ import annotations

from schemas.events import Purchase
from schemas.tag_group import TagGroup

EVENT = Purchase

GROUPS = (
    TagGroup("quantity", "weight", "items", 30.0, "Items bought per product category, decayed."),
    TagGroup("spend", "weight", "money", 30.0, "Money spent per product category, decayed."),
    TagGroup("line_spend", "numeric", "money", 90.0, "Money per line of a basket: decayed mean and deviation."),
)


def evidence(event: Purchase) -> tuple[tuple[str, str, float], ...]:
    """Quantity and money for the category, and the money of the line for its mean."""
    category = event.category
    return (
        ("quantity", category, event.quantity),
        ("spend", category, event.spend),
        ("line_spend", "all", event.spend),
    )
