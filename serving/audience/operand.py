"""What conditions are made of: one side of a comparison, before it is one."""

from __future__ import annotations

from typing import NamedTuple

from serving.audience.canonical import tag_text


class Groups(NamedTuple):
    """Tag groups, of which the heaviest tag is meant; of several: that of any."""

    names: tuple[str, ...]


class Tag(NamedTuple):
    """A tag, of which the weight is meant."""

    group: str
    name: str


class Share(NamedTuple):
    """A tag's share of the weight of its group."""

    tag: Tag


class Mean(NamedTuple):
    """The decayed mean of a numeric tag."""

    tag: Tag


class LastSeen(NamedTuple):
    """When the newest evidence for a tag was."""

    tag: Tag


Figure = Tag | Share | Mean
Operand = Groups | Figure | LastSeen | str | float
"""A text is a name or a quantity in quotes."""
OPERANDS = (Groups, Tag, Share, Mean, LastSeen, str, float)


def how_to_compare(operand: Operand) -> str:
    """How to make a condition of what is only one side of it."""
    match operand:
        case Groups(names):
            return f"compare the group, as in {names[0]} = '...'"
        case Tag():
            return f"write has({tag_text(*operand)}), or compare it, as in {tag_text(*operand)} > 3"
        case Share(tag):
            return f"compare the share, as in share({tag_text(*tag)}) > 0.5"
        case Mean(tag):
            return f"compare the mean, as in mean({tag_text(*tag)}) > 100"
        case LastSeen(tag):
            return f"say how long ago, as in seen({tag_text(*tag)}) within '7 days'"
    return "compare it with a group or a tag"
