"""One form for each meaning: the normal form of a tree, and its text.

The text names a saved audience, and is what makes two questions the same. It is complete: places near another are
written out, an operator's words are replaced, so it means the same after the dictionaries or the words have changed.

Normal form: ``not`` stands before single conditions only (De Morgan), no ``and`` directly in an ``and``, no condition
twice, conditions in the order of their texts. So what differs by order, brackets or repetition is the same; whether two
expressions mean the same by arithmetic (a > 2 and a > 3) is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf, nextafter
from typing import TypeVar

from serving.audience.quantity import duration_text
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

_PLAIN_TAG = re.compile(r"[^\W\d]\w*:[\w.]+")
_Arms = TypeVar("_Arms", Every, Some)


def normal(node: Node) -> Node:
    """The tree's normal form; normalising twice changes nothing."""
    return _normal(node, negated=False)


def canonical(node: Node) -> str:
    """The text of the tree's normal form: reading it gives that form again."""
    return _text(normal(node))


def tag_text(group: str, name: str) -> str:
    """A tag as expressions name it: in quotes where its name holds other signs than letters, digits, _ and dots."""
    tag = f"{group}:{name}"
    return tag if _PLAIN_TAG.fullmatch(tag) else '"' + tag.replace('"', '""') + '"'


def level_text(level: float) -> tuple[str, str]:
    """``(sign, number)`` of a condition that holds from `level` on.

    A level that is the next number after a shorter one was written as being above that one: ``>``.
    """
    before = nextafter(level, -inf)
    return (">", _number(before)) if len(_number(before)) < len(_number(level)) else (">=", _number(level))


def _normal(node: Node, *, negated: bool) -> Node:
    if isinstance(node, Outside):
        return _normal(node.of, negated=not negated)
    if isinstance(node, Every | Some):
        arms = [_normal(each, negated=negated) for each in node.of]
        return _joined(Every, arms) if isinstance(node, Every) != negated else _joined(Some, arms)
    if isinstance(node, TopsDiffer) and node.group > node.other:
        node = TopsDiffer(node.other, node.group)
    return Outside(node) if negated else node


def _joined(kind: type[_Arms], arms: Sequence[Node]) -> Node:
    flat: dict[str, Node] = {}
    for arm in arms:
        for each in arm.of if isinstance(arm, kind) else (arm,):
            flat.setdefault(_text(each), each)
    if len(flat) == 1:
        return next(iter(flat.values()))
    return kind(tuple(flat[text] for text in sorted(flat)))


def _text(node: Node) -> str:
    """Text of a normal form."""
    if isinstance(node, Every | Some):
        return _connected(_parts(node), node)
    if isinstance(node, Outside):
        return _text_outside(node.of)
    if isinstance(node, Above | MeanAbove | ShareAbove):
        figure, sign, number = _comparison(node)
        return f"{figure} {sign} {number}"
    if isinstance(node, Top):
        return f"{node.group} = {_quoted(node.name)}"
    if isinstance(node, TopsDiffer):
        return f"{node.group} != {node.other}"
    return f"seen({tag_text(node.group, node.name)}) within '{duration_text(node.within_ms)}'"


def _text_outside(atom: Node) -> str:
    if isinstance(atom, Top):
        return f"{atom.group} != {_quoted(atom.name)}"
    # of a mean it would not do: mean(x) < 3 says too that there is a mean
    if isinstance(atom, Above | ShareAbove):
        figure, sign, number = _comparison(atom)
        return f"{figure} {'<=' if sign == '>' else '<'} {number}"
    return f"not {_text(atom)}"


def _comparison(atom: Above | MeanAbove | ShareAbove) -> tuple[str, str, str]:
    tag = tag_text(atom.group, atom.name)
    if isinstance(atom, MeanAbove):
        return (f"mean({tag})", *level_text(atom.level))
    if isinstance(atom, ShareAbove):
        return (f"share({tag})", *level_text(atom.share))
    return (tag, *level_text(atom.level))


def _parts(node: Every | Some) -> list[str]:
    """Texts of the arms; those about the heaviest tag of one group are one part, ``in`` or ``not in``."""
    parts: dict[str, str] = {}
    names: dict[str, list[str]] = {}
    for each in node.of:
        top = each.of if isinstance(node, Every) and isinstance(each, Outside) else each
        if isinstance(top, Top) and (isinstance(node, Some) or top is not each):
            listed = names.setdefault(top.group, [])
            listed.append(_quoted(top.name))
            sign = "in" if isinstance(node, Some) else "not in"
            parts[f"top of {top.group}"] = (
                f"{top.group} {sign} ({', '.join(listed)})" if len(listed) > 1 else _text(each)
            )
        elif isinstance(each, Every | Some):
            inner = _parts(each)
            text = _connected(inner, each)
            parts[text] = f"({text})" if len(inner) > 1 else text
        else:
            parts[_text(each)] = _text(each)
    return list(parts.values())


def _connected(parts: Sequence[str], node: Every | Some) -> str:
    return (" and " if isinstance(node, Every) else " or ").join(parts)


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _number(value: float) -> str:
    """Shortest text that reads back as the same number."""
    return repr(value).removesuffix(".0")
