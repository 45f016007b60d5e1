"""Tag families: what an event is evidence for.

A family is one file: it names the events it looks at, declares its groups, and turns an event into evidence. Families
are listed here by hand; a contract test fails when a file is missing or a group's name repeats.

What a family may do depends on consent. Its purposes are declared by its groups, so which of them an event serves
follows from the event's feed; all groups that a family derives from one kind of event share one purpose, because what
it remembers from that event is then covered by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from schemas.events import (
    AppUse,
    Billing,
    Call,
    CardsOpened,
    Contact,
    DataUsage,
    Event,
    Order,
    Presence,
    Purchase,
    Registration,
)
from schemas.outputs import Evidence
from schemas.person_memory import PersonMemory
from schemas.rules import Rules
from schemas.tag_group import TagGroup
from udfs.tags import (
    base,
    behaviour,
    consumption,
    content,
    fraud,
    intent,
    lifecycle,
    purchases,
    response,
    social,
    terminal,
    traffic,
)

FAMILIES = (
    purchases,
    base,
    behaviour,
    consumption,
    traffic,
    social,
    terminal,
    content,
    intent,
    lifecycle,
    fraud,
    response,
)

GROUPS: dict[str, TagGroup] = {group.name: group for family in FAMILIES for group in family.GROUPS}

FEED_OF: dict[type[Event], str] = {
    Purchase: "household",
    AppUse: "dpi",
    Presence: "signalling",
    Call: "cdr",
    DataUsage: "cdr",
    Billing: "billing",
    Registration: "registration",
    CardsOpened: "registration",
    Order: "order",
    Contact: "contact",
}
"""Feed of each kind of event that is evidence for a tag."""


class Family(NamedTuple):
    """A family as it looks at one kind of event.

    Attributes
    ----------
    name
        Its file's.
    purpose
        That of all groups it derives from the event: without consent to it, it must not see the event.
    evidence
        The event, what is remembered of the person (changed in place), the rules -> evidence.
    """

    name: str
    purpose: str
    evidence: Callable[[Any, PersonMemory, Rules], tuple[Evidence, ...]]


def _families() -> dict[type[Event], tuple[Family, ...]]:
    found: dict[type[Event], tuple[Family, ...]] = {}
    for module in FAMILIES:
        for event in module.EVENTS:
            [purpose] = {group.purpose for group in module.GROUPS if FEED_OF[event] in group.sources}
            family = Family(module.__name__.rpartition(".")[2], purpose, module.evidence)
            found[event] = (*found.get(event, ()), family)
    return found


_FAMILIES_OF = _families()

_REMEMBERS_FOR: dict[str, frozenset[str]] = {
    name: frozenset(g.purpose for g in GROUPS.values() if g.family == name and not g.order_free)
    for name in PersonMemory.__struct_fields__
}
"""Family that remembers -> purposes of the groups it remembers for: those that look at earlier events."""


def families_of(event: Event) -> tuple[Family, ...]:
    """Families that look at this kind of event; none for one that is evidence for nothing."""
    return _FAMILIES_OF.get(event.__class__, ())


def evidence_of(event: Event, families: Sequence[Family], memory: PersonMemory, rules: Rules) -> tuple[Evidence, ...]:
    """What the event is evidence for, as ``(group, tag, value)``.

    `families` are those of `families_of` that may see it; they update what they remember of the person.
    """
    found: tuple[Evidence, ...] = ()
    for _, _, evidence in families:
        found += evidence(event, memory, rules)
    return found


def forget(memory: PersonMemory, allowed: Callable[[str], bool]) -> None:
    """Empty what families remember for purposes that are no longer allowed."""
    for name, purposes in _REMEMBERS_FOR.items():
        if getattr(memory, name) is not None and not any(allowed(purpose) for purpose in purposes):
            setattr(memory, name, None)
