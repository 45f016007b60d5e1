"""Tag families: what an event is evidence for.

A family is one file: it declares its groups and turns one kind of event into evidence. Families are listed here by
hand; a contract test fails when a file is missing or a group's name repeats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas.events import Event
from schemas.outputs import Evidence
from schemas.tag_group import TagGroup
from udfs.tags import app_use, purchases

FAMILIES = (purchases, app_use)

GROUPS: dict[str, TagGroup] = {group.name: group for family in FAMILIES for group in family.GROUPS}

_EVIDENCE: dict[type[Event], Callable[[Any], tuple[Evidence, ...]]] = {
    family.EVENT: family.evidence for family in FAMILIES
}


def evidence_of(event: Event) -> tuple[Evidence, ...]:
    """What the event is evidence for, as ``(group, tag, value)``."""
    return _EVIDENCE[event.__class__](event)
