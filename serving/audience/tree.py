"""What an audience expression means: a tree of conditions on one person's tags at one instant.

`serving.audience.expression` reads text into it; whoever evaluates it (bitmaps, history, a plain profile) gives the
same people for the same instant. Weights are decayed to that instant, so who is in an audience changes with time alone.
"""

from __future__ import annotations

from msgspec import Struct


class Above(Struct, frozen=True, tag=True):
    """The tag's decayed weight is `level` or more; `level` is positive, in the unit of the group."""

    group: str
    name: str
    level: float


class MeanAbove(Struct, frozen=True, tag=True):
    """The decayed mean of a numeric tag is `level` or more, and there is one."""

    group: str
    name: str
    level: float


class ShareAbove(Struct, frozen=True, tag=True):
    """The tag has `share` (above 0, up to 1) or more of the weight of its group; decay does not change that."""

    group: str
    name: str
    share: float


class Top(Struct, frozen=True, tag=True):
    """The tag is the heaviest of its group (of equal ones the first by name); of a fact: the one there is."""

    group: str
    name: str


class TopsDiffer(Struct, frozen=True, tag=True):
    """Both groups have a heaviest tag, and they are not of the same name."""

    group: str
    other: str


class Seen(Struct, frozen=True, tag=True):
    """The newest evidence for the tag is at most `within_ms` before the instant, and not after it."""

    group: str
    name: str
    within_ms: int


class Every(Struct, frozen=True, tag=True):
    """All of the conditions hold; there are at least two."""

    of: tuple[Node, ...]


class Some(Struct, frozen=True, tag=True):
    """At least one of the conditions holds; there are at least two."""

    of: tuple[Node, ...]


class Outside(Struct, frozen=True, tag=True):
    """The condition does not hold, of a person who has a profile at the instant."""

    of: Node


Node = Above | MeanAbove | ShareAbove | Top | TopsDiffer | Seen | Every | Some | Outside
"""A condition. A tag counts only while its weight is at least the floor (`Rules.weight_floor`)."""
