"""Whether one person is in an audience: the tree read plainly, condition by condition, on their tags at one instant.

What every faster evaluation (bitmaps, queries of the history) must agree with, and what tells a person's page why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import fsum

from msgspec import Struct

from serving.audience.tree import (
    Above,
    Every,
    MeanAbove,
    Node,
    Outside,
    ShareAbove,
    Some,
    Top,
    TopsDiffer,
)
from serving.tag_view import TagView


class PersonTags(Struct, frozen=True):
    """What is known of one person at one instant.

    Attributes
    ----------
    at_ms
        The instant, milliseconds since the epoch.
    groups
        Group -> tag's name -> the tag, weights decayed to the instant; also of those too light to count.
    others
        Group -> decayed weight of the tags beyond the cap; only groups that have any.
    weight_floor
        A lighter tag does not count; the weight of its group includes it, so shares don't change with time.
    """

    at_ms: int
    groups: Mapping[str, Mapping[str, TagView]]
    others: Mapping[str, float] = {}
    weight_floor: float = 1e-6


def person_tags(
    at_ms: int, tags: Iterable[TagView], others: Mapping[str, float], weight_floor: float = 1e-6
) -> PersonTags:
    """The tags that a reader of either store returns for an instant, by group.

    Both stores leave out tags below the floor. A share is then of the others alone: larger, by less than the floor for
    each of them over the weight of the group.
    """
    groups: dict[str, dict[str, TagView]] = {}
    for tag in tags:
        group, _, name = tag.tag.partition(":")
        groups.setdefault(group, {})[name] = tag
    return PersonTags(at_ms, groups, others, weight_floor)


def in_audience(node: Node, person: PersonTags) -> bool:
    """Whether the person is in the audience: has a tag that counts at the instant, and the condition holds."""
    return any(counting(person, group) for group in person.groups) and holds(node, person)


def holds(node: Node, person: PersonTags) -> bool:
    """Whether the condition holds of the person; a negated one does of somebody with no tags too."""
    if isinstance(node, Every):
        return all(holds(each, person) for each in node.of)
    if isinstance(node, Some):
        return any(holds(each, person) for each in node.of)
    if isinstance(node, Outside):
        return not holds(node.of, person)
    if isinstance(node, Top):
        return heaviest(person, node.group) == node.name
    if isinstance(node, TopsDiffer):
        top, other = heaviest(person, node.group), heaviest(person, node.other)
        return top is not None and other is not None and top != other
    tag = counting(person, node.group).get(node.name)
    if tag is None:
        return False
    if isinstance(node, Above):
        return tag.weight >= node.level
    if isinstance(node, MeanAbove):
        return tag.mean is not None and tag.mean >= node.level
    if isinstance(node, ShareAbove):
        return tag.weight / total(person, node.group) >= node.share
    return 0 <= person.at_ms - tag.last_evidence_ms <= node.within_ms


def counting(person: PersonTags, group: str) -> dict[str, TagView]:
    """Tags of a group that are heavy enough to count."""
    tags = person.groups.get(group, {})
    return {name: tag for name, tag in tags.items() if tag.weight >= person.weight_floor}


def heaviest(person: PersonTags, group: str) -> str | None:
    """Name of the heaviest tag of a group, of equal ones the first by name; None while none counts."""
    tags = counting(person, group)
    return min(tags, key=lambda name: (-tags[name].weight, name)) if tags else None


def total(person: PersonTags, group: str) -> float:
    """Weight of a group: of all its tags, too light ones and those beyond the cap included."""
    return fsum(tag.weight for tag in person.groups.get(group, {}).values()) + person.others.get(group, 0.0)
