"""What an audience reads of people, and what it may therefore be used for.

A tag is kept for its group's one purpose, and only of people who have consented to that. Whoever selects people by
tags uses them for a purpose of their own besides. The rule is that of scene triggers (docs/rules.md): to be selected
for a purpose a person must have consented to it and to everything the selection looks at. So

- an audience may be used for the purpose that all its groups have; and for another one by somebody who may use tags of
  each of these purposes too, for people who have consented to all of them (`consents_needed`);
- tags of a purpose that stands alone (`schemas.purposes.Purpose.alone`) are never used for another;
- sensitive groups are read only by who may read those.

Who has not consented has none of the group's tags, so a positive condition never selects them; a negative one may.
Whoever lists or reaches people therefore asks for the consents; a count tells of nobody in particular.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct

from schemas.purposes import PURPOSES
from schemas.tag_group import Sensitivity, TagGroup
from serving.audience.tree import Every, Node, Outside, Some, TopsDiffer

_SENSITIVITIES: tuple[Sensitivity, ...] = ("low", "personal", "sensitive")


class UseRefused(ValueError):
    """An audience may not be used as asked; the text says why and what would do."""


class Reads(Struct, frozen=True):
    """What an audience looks at.

    Attributes
    ----------
    groups
        Tag groups, by name.
    purposes
        Those of the groups, by name.
    sensitivity
        The highest of the groups.
    """

    groups: tuple[str, ...]
    purposes: tuple[str, ...]
    sensitivity: Sensitivity


def reads(node: Node, groups: Mapping[str, TagGroup]) -> Reads:
    """What the audience looks at, by the catalogue's declarations."""
    names = groups_of(node)
    declared = [groups[name] for name in names]
    return Reads(
        names,
        tuple(sorted({group.purpose for group in declared})),
        max((group.sensitivity for group in declared), key=_SENSITIVITIES.index),
    )


def groups_of(node: Node) -> tuple[str, ...]:
    """Tag groups that a condition looks at, by name."""
    return tuple(sorted(_groups(node)))


def consents_needed(read: Reads, purpose: str) -> tuple[str, ...]:
    """Purposes to which everybody must have consented who is listed or reached for `purpose`."""
    return tuple(sorted({purpose, *read.purposes}))


def check_use(read: Reads, purpose: str, may_use: Collection[str], *, sensitive: bool) -> None:
    """Refuse an audience that may not be used for a purpose.

    Parameters
    ----------
    read
        What the audience looks at.
    purpose
        What it is for.
    may_use, sensitive
        Purposes that whoever asks has been granted, and whether sensitive groups.

    Raises
    ------
    UseRefused
        Saying which group stands against it.
    """
    if purpose not in PURPOSES:
        msg = f"unknown purpose {purpose!r}: expected one of {', '.join(PURPOSES)}"
        raise UseRefused(msg)
    alone = [each for each in read.purposes if PURPOSES[each].alone and each != purpose]
    if alone:
        msg = (
            f"the audience looks at tags that are kept for {alone[0]} alone, got the purpose {purpose}: "
            "leave them out, or use it for that purpose"
        )
        raise UseRefused(msg)
    missing = [each for each in consents_needed(read, purpose) if each not in may_use]
    if missing:
        msg = (
            f"the audience needs the purposes {', '.join(consents_needed(read, purpose))}, of which {missing[0]} is "
            "not granted here: have it granted, or leave out its groups"
        )
        raise UseRefused(msg)
    if read.sensitivity == "sensitive" and not sensitive:
        msg = "the audience looks at sensitive groups, which are not granted here: have them granted, or leave them out"
        raise UseRefused(msg)


def _groups(node: Node) -> set[str]:
    if isinstance(node, Every | Some):
        return set().union(*(_groups(each) for each in node.of))
    if isinstance(node, Outside):
        return _groups(node.of)
    if isinstance(node, TopsDiffer):
        return {node.group, node.other}
    return {node.group}
