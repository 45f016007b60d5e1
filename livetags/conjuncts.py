"""Taking a condition apart where all of its parts must hold: so that each can be said to hold or not."""

from __future__ import annotations

_OPENING, _CLOSING = "([{", ")]}"


def conjuncts(condition: str) -> list[str]:
    """What ``&&`` joins at the outermost level of a CEL condition, left to right; the condition itself if nothing is.

    For showing, not for judging: of text that is no condition the parts mean nothing.
    """
    parts: list[str] = []
    depth = begin = at = 0
    quote = ""
    while at < len(condition):
        here, two = condition[at], condition[at : at + 2]
        if quote:
            if here == "\\":
                at += 1
            elif here == quote:
                quote = ""
        elif here in "'\"":
            quote = here
        elif here in _OPENING:
            depth += 1
        elif here in _CLOSING:
            depth -= 1
        elif not depth and (two == "||" or here == "?"):
            return [condition.strip()]
        elif not depth and two == "&&":
            parts.append(condition[begin:at].strip())
            at += 1
            begin = at + 1
        at += 1
    return [*parts, condition[begin:].strip()]
