"""An audience in plain words: what must hold, of which groups, how they fade, and for which purposes they are kept."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from schemas.tag_group import FOREVER_DAYS, MS_PER_DAY, Kind, Sensitivity
from serving.audience.canonical import level_text, normal, tag_text
from serving.audience.quantity import duration_text
from serving.audience.reads import groups_of, reads
from serving.audience.tree import (
    Above,
    Every,
    MeanAbove,
    Node,
    Outside,
    Seen,
    ShareAbove,
    Some,
    Top,
    TopsDiffer,
)
from serving.audience.vocabulary import Vocabulary

_INDENT = "  "


class Line(Struct, frozen=True):
    """A condition in words, how deep it stands in others, and the groups it looks at itself."""

    depth: int
    text: str
    groups: tuple[str, ...] = ()


class GroupRead(Struct, frozen=True):
    """A group that the audience looks at, as the catalogue declares it and the settings have it.

    `half_life_days` is None of what does not fade.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str
    half_life_days: float | None
    purpose: str
    sensitivity: Sensitivity


class Explanation(Struct, frozen=True):
    """An audience in plain words.

    Attributes
    ----------
    lines
        The conditions.
    groups
        What they look at.
    purposes, sensitivity
        Of the groups, and the highest of them.
    only_leaves
        Whether time alone can only take people out: no condition is negated.
    """

    lines: tuple[Line, ...]
    groups: tuple[GroupRead, ...]
    purposes: tuple[str, ...]
    sensitivity: Sensitivity
    only_leaves: bool

    def text(self) -> str:
        """All of it, for people."""
        conditions = [f"{_INDENT * line.depth}- {line.text}" for line in self.lines]
        groups = [
            f"- {g.name}: {g.meaning} {_fading(g.half_life_days)}; kept for {g.purpose}, {g.sensitivity}"
            for g in self.groups
        ]
        time = (
            "While nothing new is heard of people they leave as their tags fade, and nobody comes in."
            if self.only_leaves
            else "While nothing new is heard of people they may leave, and come in, as their tags fade."
        )
        return "\n".join(["People of whom this holds:", *conditions, "It looks at:", *groups, time])


def explain(node: Node, vocabulary: Vocabulary) -> Explanation:
    """The audience in plain words."""
    node = normal(node)
    read = reads(node, vocabulary.groups)
    return Explanation(
        tuple(_lines(node, vocabulary, 0)),
        tuple(_group(name, vocabulary) for name in read.groups),
        read.purposes,
        read.sensitivity,
        not _negates(node),
    )


def _group(name: str, vocabulary: Vocabulary) -> GroupRead:
    group = vocabulary.groups[name]
    days = vocabulary.rules.groups[name].half_life_ms / MS_PER_DAY
    half_life_days = None if days >= FOREVER_DAYS else days
    return GroupRead(name, group.kind, group.unit, group.meaning, half_life_days, group.purpose, group.sensitivity)


def _fading(half_life_days: float | None) -> str:
    return "Does not fade" if half_life_days is None else f"Half of it is left after {half_life_days:g} d"


def _negates(node: Node) -> bool:
    if isinstance(node, Every | Some):
        return any(_negates(each) for each in node.of)
    return isinstance(node, Outside)


def _lines(node: Node, vocabulary: Vocabulary, depth: int) -> Iterator[Line]:
    if isinstance(node, Some) and (group := _only_group_of_tops(node)):
        names = ", ".join(each.name for each in node.of if isinstance(each, Top))
        yield Line(depth, f"{_heaviest(group, vocabulary)} is one of {names}", (group,))
    elif isinstance(node, Every | Some):
        yield Line(depth, "all of this holds:" if isinstance(node, Every) else "at least one of this holds:")
        for each in node.of:
            yield from _lines(each, vocabulary, depth + 1)
    elif isinstance(node, Outside):
        yield Line(depth, _denied(node.of, vocabulary), groups_of(node))
    else:
        yield Line(depth, _said(node, vocabulary), groups_of(node))


def _only_group_of_tops(node: Some) -> str:
    """The group, if each arm says which tag of one and the same is the heaviest; else empty."""
    groups = {each.group if isinstance(each, Top) else "" for each in node.of}
    return groups.pop() if len(groups) == 1 else ""


def _heaviest(group: str, vocabulary: Vocabulary) -> str:
    return group if vocabulary.groups[group].kind == "fact" else f"the heaviest tag of {group}"


def _both(group: str, other: str, vocabulary: Vocabulary) -> str:
    return f"{_heaviest(group, vocabulary)} and {_heaviest(other, vocabulary)}"


def _said(node: Node, vocabulary: Vocabulary) -> str:
    match node:
        case Above(group, name, level) if level <= vocabulary.rules.weight_floor:
            return f"there is {tag_text(group, name)}"
        case Above() | MeanAbove() | ShareAbove():
            figure, sign, number = _measure(node, vocabulary)
            return f"{figure} is {f'above {number}' if sign == '>' else f'{number} or more'}"
        case Top(group, name):
            return f"{_heaviest(group, vocabulary)} is {name}"
        case TopsDiffer(group, other):
            return f"{_both(group, other, vocabulary)} are both known, and differ"
        case Seen(group, name, within_ms):
            return f"the newest evidence for {tag_text(group, name)} is at most {duration_text(within_ms)} old"
    msg = f"{type(node).__name__} is no single condition"
    raise TypeError(msg)


def _denied(node: Node, vocabulary: Vocabulary) -> str:
    """The opposite, with those of whom nothing is known: they are in."""
    match node:
        case Above(group, name, level) if level <= vocabulary.rules.weight_floor:
            return f"there is no {tag_text(group, name)}"
        case Above() | MeanAbove() | ShareAbove():
            figure, sign, number = _measure(node, vocabulary)
            return f"{figure} is {f'{number} or less' if sign == '>' else f'below {number}'}, or there is none"
        case Top(group, name):
            return f"{_heaviest(group, vocabulary)} is not {name}, or not known"
        case TopsDiffer(group, other):
            return f"{_both(group, other, vocabulary)} are the same, or one is not known"
        case Seen(group, name, within_ms):
            return f"there is no evidence for {tag_text(group, name)} of the last {duration_text(within_ms)}"
    msg = f"{type(node).__name__} is no single condition"
    raise TypeError(msg)


def _measure(node: Above | MeanAbove | ShareAbove, vocabulary: Vocabulary) -> tuple[str, str, str]:
    """What is measured, ``>`` or ``>=``, and the level with its unit."""
    group, tag = vocabulary.groups[node.group], tag_text(node.group, node.name)
    if isinstance(node, ShareAbove):
        sign, number = level_text(node.share)
        return f"the share of {tag} in all of {node.group}", sign, f"{float(number):.12g}"
    sign, number = level_text(node.level)
    if isinstance(node, MeanAbove):
        return f"the mean of {tag}", sign, f"{number} {group.unit}"
    unit = {"weight": group.unit, "numeric": "values", "fact": group.unit}[group.kind]
    return f"the decayed weight of {tag}", sign, f"{number} {unit}"
