"""What comparisons mean: from groups, tags, texts and numbers to conditions of the tree.

Comparing with a number is exact: ``> 3`` is "from the next number after 3 on", ``<= 3`` is not that, ``< 3`` is not
"from 3 on". Below a level are therefore also people who have no such tag; but who has no mean is below nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, isfinite, nextafter

from schemas.tag_group import TagGroup
from serving.audience.canonical import tag_text
from serving.audience.expression_error import Refused, shortened
from serving.audience.names import Names
from serving.audience.near import districts_near
from serving.audience.operand import Figure, Groups, LastSeen, Mean, Operand, Share, Tag
from serving.audience.quantity import duration_ms
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

MAX_CONDITIONS = 200
"""Single conditions of an expression, districts near another counted one by one."""
NEAR_KM = 5.0
"""How far ``near`` goes when no distance is said."""

_FLIPPED = {"=": "=", "!=": "!=", ">": "<", ">=": "<=", "<": ">", "<=": ">="}
_ABOVE_NOTHING = nextafter(0.0, inf)


class Meanings:
    """Makes conditions by one vocabulary, and counts them. What can't be meant raises `Refused` with the reason."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.conditions = 0
        self.names = Names(vocabulary)
        self._groups = vocabulary.groups
        self._rules = vocabulary.rules

    def compared(self, left: Operand, sign: str, right: Operand) -> Node:
        """``left sign right``, with the sign as ``=``, ``!=``, ``>``, ``>=``, ``<`` or ``<=``."""
        if isinstance(left, str | float):
            left, right, sign = right, left, _FLIPPED[sign]
        match left, right:
            case (str() | float(), _):
                msg = "compares two values: expected a group or a tag on one side, as in home = 'A3'"
            case (LastSeen(), _) | (_, LastSeen()):
                msg = "when a tag was seen is not compared: expected seen(app:WeChat) within '7 days'"
            case (Groups(), str()):
                return self._heaviest(left, sign, right)
            case (Groups(), Groups()):
                return self._differing(left, sign, right)
            case (_, float()):
                return self._level(self._figure(left) if isinstance(left, Groups) else left, sign, right)
            case (_, str()):
                msg = f"a weight, share or mean is a number: expected one, got the text {shortened(right)!r}"
            case _:
                msg = "a tag is compared with a number: expected one, got another tag or group"
        raise Refused(msg)

    def one_of(self, groups: Groups, names: Iterable[str]) -> Node:
        """The heaviest tag of the group, of several of any of them, is one of these."""
        tags = [self.names.tag(group, name) for name in names for group in groups.names]
        tops = [self.counted(Top(*tag)) for tag in dict.fromkeys(tags)]
        return Some(tuple(tops)) if len(tops) > 1 else tops[0]

    def near(self, groups: Groups, district: str, within_km: float = NEAR_KM) -> Node:
        """The heaviest district of the group is at most so far from another."""
        for each in groups.names:
            if self._groups[each].more_tags != "districts":
                places = ", ".join(group.name for group in self._groups.values() if group.more_tags == "districts")
                msg = f"{each} is not by business district: expected one of {places}"
                raise Refused(msg)
        districts = self._rules.dictionaries.districts
        if not districts:
            msg = "no districts are known: publish a dictionary with `livetags dictionaries DIR --reload`"
            raise Refused(msg)
        self.names.tag(groups.names[0], district)
        found = districts_near(district, within_km, districts)
        if len(found) > MAX_CONDITIONS:
            msg = f"{len(found)} districts are so near, expected at most {MAX_CONDITIONS}: go less far"
            raise Refused(msg)
        return self.one_of(groups, found)

    def has(self, tag: Tag) -> Node:
        """The tag is there at all."""
        return self.counted(Above(*tag, self._rules.weight_floor))

    def seen(self, seen: LastSeen, within: str) -> Node:
        """The newest evidence for the tag is no older than that."""
        return self.counted(Seen(*seen.tag, duration_ms(within)))

    def either(self, groups: Iterable[Operand]) -> Groups:
        """Groups of which any may have what is asked for."""
        names: dict[str, None] = {}
        for each in groups:
            if not isinstance(each, Groups):
                msg = "either is of groups: expected two or more, as in either(home, work)"
                raise Refused(msg)
            names.update(dict.fromkeys(each.names))
        if len(names) < 2:
            msg = "expected two groups or more, as in either(home, work)"
            raise Refused(msg)
        return Groups(tuple(names))

    def share(self, tag: Tag) -> Share:
        """The tag's share in its group."""
        group = self._groups[tag.group]
        if group.kind == "fact" or _has_one_tag(group):
            msg = f"{group.name} has one tag at a time, so its share is always 1: expected has({tag_text(*tag)})"
            raise Refused(msg)
        return Share(tag)

    def mean(self, tag: Tag) -> Mean:
        """The tag's mean."""
        if self._groups[tag.group].kind != "numeric":
            numeric = ", ".join(group.name for group in self._groups.values() if group.kind == "numeric")
            msg = f"{tag.group} has no mean, only a weight: expected one of {numeric}"
            raise Refused(msg)
        return Mean(tag)

    def tag_of(self, operand: Operand, function: str) -> Tag:
        """What a function is of: a tag, or a group of one tag."""
        if isinstance(operand, Tag):
            return operand
        if isinstance(operand, Groups) and len(operand.names) == 1:
            group = self._groups[operand.names[0]]
            if _has_one_tag(group):
                return Tag(group.name, group.tags[0])
            msg = f"{group.name} has many tags: name one, as in {function}({_example(group)})"
        elif isinstance(operand, str):
            group_name, colon, name = operand.partition(":")
            tag = shortened(tag_text(group_name, name)) if colon else "app:WeChat"
            msg = f"a tag is not a text in single quotes: expected {function}({tag})"
        else:
            msg = f"expected a tag, as in {function}(app:WeChat)"
        raise Refused(msg)

    def counted(self, node: Node, conditions: int = 1) -> Node:
        """The condition, counted; `conditions` of them if it is several."""
        self.conditions += conditions
        if self.conditions > MAX_CONDITIONS:
            msg = f"more than {MAX_CONDITIONS} conditions, districts near another counted one by one: use fewer"
            raise Refused(msg)
        return node

    def _heaviest(self, groups: Groups, sign: str, name: str) -> Node:
        if sign in ("=", "!="):
            node = self.one_of(groups, (name,))
            return node if sign == "=" else Outside(node)
        group = self._only(groups, "of facts with an order, as in tenure >= '1y-3y'")
        if not group.ordered:
            ordered = ", ".join(each.name for each in self._groups.values() if each.ordered)
            msg = f"{group.name} has no order: expected =, != or in; an order have {ordered}"
            raise Refused(msg)
        self.names.tag(group.name, name)
        tags, place = group.tags, group.tags.index(name)
        chosen = {">": tags[place + 1 :], ">=": tags[place:], "<": tags[:place], "<=": tags[: place + 1]}[sign]
        if not chosen:
            msg = f"nothing is {sign} {name!r}: {group.name} is one of {', '.join(tags)}"
            raise Refused(msg)
        return self.one_of(groups, chosen)

    def _differing(self, left: Groups, sign: str, right: Groups) -> Node:
        group, other = (self._only(each, "in home != work") for each in (left, right))
        if sign == "=":
            msg = (
                f"expected != between two groups; not {group.name} != {other.name} are people for whom both are the "
                "same, or one is not known"
            )
            raise Refused(msg)
        if sign != "!=":
            msg = f"two groups are not compared by size: expected {group.name} != {other.name}"
            raise Refused(msg)
        alike = group.more_tags == other.more_tags and (group.more_tags not in ("", "any") or group.tags == other.tags)
        if group.name == other.name or not alike or group.more_tags == "any":
            msg = f"{group.name} and {other.name} are not of the same kind of tags: expected two such as home != work"
            raise Refused(msg)
        return self.counted(TopsDiffer(group.name, other.name))

    def _only(self, groups: Groups, where: str) -> TagGroup:
        if len(groups.names) > 1:
            msg = f"either(...) is compared with names: expected one group {where}"
            raise Refused(msg)
        return self._groups[groups.names[0]]

    def _figure(self, groups: Groups) -> Figure:
        group = self._only(groups, "to compare with a number")
        if not _has_one_tag(group):
            msg = f"{group.name} has many tags: name one, as in {_example(group)} > 3, or compare it with a text"
            raise Refused(msg)
        tag = Tag(group.name, group.tags[0])
        if group.kind == "numeric":
            msg = f"expected mean({group.name}), or {tag_text(*tag)} for how many values there are, decayed"
            raise Refused(msg)
        return tag

    def _level(self, figure: Figure, sign: str, level: float) -> Node:
        if sign in ("=", "!="):
            msg = f"such a number changes all the time: expected >, >=, < or <=, got {sign}"
            raise Refused(msg)
        if sign in (">", "<="):
            level = nextafter(level, inf)
        if not isfinite(level):
            msg = "expected a smaller number"
            raise Refused(msg)
        atom = self.counted(self._from(figure, level))
        if sign in (">", ">="):
            return atom
        return Every((self.has(figure.tag), Outside(atom))) if isinstance(figure, Mean) else Outside(atom)

    def _from(self, figure: Figure, level: float) -> Node:
        floor = self._rules.weight_floor
        if isinstance(figure, Mean):
            return MeanAbove(*figure.tag, level + 0.0)  # of a zero no negative one
        tag = figure if isinstance(figure, Tag) else figure.tag
        if level <= 0.0:
            msg = f"it is never below 0: whether there is the tag at all is has({tag_text(*tag)})"
            raise Refused(msg)
        if isinstance(figure, Tag):
            # what weighs less does not count, so it is the same level, and one whose logarithm is small
            return Above(*tag, max(level, floor))
        if level > 1.0:
            msg = "a share is from 0 to 1, and 60 % is 0.6: expected a share that there can be"
            raise Refused(msg)
        return Above(*tag, floor) if level == _ABOVE_NOTHING else ShareAbove(*tag, level)


def _has_one_tag(group: TagGroup) -> bool:
    return len(group.tags) == 1 and not group.more_tags


def _example(group: TagGroup) -> str:
    return tag_text(group.name, group.tags[0]) if group.tags else f'"{group.name}:..."'
