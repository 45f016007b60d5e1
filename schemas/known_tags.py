"""Which tags a rule or an expression may name: those that a group can have at all."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from schemas.dictionaries import Dictionaries
from schemas.tag_group import TagGroup

_SHOWN = 12


def known_tags(group: TagGroup, dictionaries: Dictionaries) -> frozenset[str] | None:
    """Tags the group can have; None: any, or those of a dictionary that lists none."""
    if group.more_tags == "any":
        return None
    if not group.more_tags:
        return frozenset(group.tags)
    listed = frozenset(_listed(group, dictionaries))
    return listed | frozenset(group.tags) if listed else None


def why_unknown(group: str, tag: str, known: Iterable[str]) -> str:
    """What to say of a tag that is not among those known: the nearest of them, or which there are."""
    names = sorted(known)
    near = get_close_matches(tag, names, n=1)
    if near:
        return f"unknown tag {tag!r} of {group}: did you mean {group}:{near[0]}?"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"unknown tag {tag!r} of {group}: expected one of {', '.join(names[:_SHOWN])}{more}"


def _listed(group: TagGroup, dictionaries: Dictionaries) -> Iterable[str]:
    if group.more_tags == "apps":
        return (app.name for app in dictionaries.apps.values())
    if group.more_tags == "categories":
        return (app.category for app in dictionaries.apps.values())
    if group.more_tags == "intents":
        return (name for _, intent in dictionaries.keywords for name in (intent, f"{intent}_budget"))
    if group.more_tags == "districts":
        return dictionaries.districts
    if group.more_tags == "regions":
        return dictionaries.regions.values()
    cells, districts = dictionaries.cells.values(), dictionaries.districts.values()
    return {place.province for places in (cells, districts) for place in places if place.province}
