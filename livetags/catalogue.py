"""The catalogue of tags: what every tag group means, where it comes from and what it may be used for."""

from __future__ import annotations

from typing import Any

from schemas.purposes import PURPOSES
from schemas.tag_group import FOREVER_DAYS, MoreTags, TagGroup
from udfs.tags import GROUPS

_MORE_TAGS: dict[MoreTags, str] = {
    "any": "any",
    "apps": "apps and sites of apps.csv",
    "categories": "categories of apps.csv",
    "intents": "intents of keywords.csv, and each with _budget",
    "districts": "districts of districts.csv",
    "provinces": "provinces of cells.csv and districts.csv",
    "regions": "regions of regions.csv",
}


def entries() -> list[dict[str, Any]]:
    """One object per tag group, in the order of the families; every value is plain JSON."""
    return [_entry(group) for group in GROUPS.values()]


def half_life_text(half_life_days: float) -> str:
    """A half-life for people: ``7 d``, or ``forever`` for what does not fade."""
    return "forever" if half_life_days >= FOREVER_DAYS else f"{half_life_days:g} d"


def tags_text(group: TagGroup) -> str:
    """The tags there are, for people: by name, and where others come from."""
    return ", ".join([*group.tags, *([_MORE_TAGS[group.more_tags]] if group.more_tags else [])])


def _entry(group: TagGroup) -> dict[str, Any]:
    return {
        "name": group.name,
        "family": group.family,
        "kind": group.kind,
        "unit": group.unit,
        "half_life": half_life_text(group.half_life_days),
        "half_life_days": group.half_life_days,
        "sources": list(group.sources),
        "purpose": group.purpose,
        "consent": PURPOSES[group.purpose].list,
        "sensitivity": group.sensitivity,
        "version": group.version,
        "stores": group.stores,
        "order_free": group.order_free,
        "drift": group.drift,
        "tags": list(group.tags),
        "more_tags": group.more_tags,
        "ordered": group.ordered,
        "meaning": group.meaning,
    }
