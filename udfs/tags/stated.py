"""Facts from attributes that cleaning may have filled in: a guess never replaces what was once stated."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.outputs import Evidence

STATED = 1.0
"""Value of a fact that was stated: the weight says how sure it is."""
GUESSED = 0.5
"""Value of a fact that was missing and filled with the population's median or mode."""


def facts(
    attributes: Iterable[tuple[str, str, str]], filled: tuple[str, ...], stated: int
) -> tuple[tuple[Evidence, ...], int]:
    """Evidence for facts, and which of the attributes have ever been stated.

    Parameters
    ----------
    attributes
        (attribute, group, tag), always in the same order; an empty tag is not known and is evidence for nothing.
    filled
        Names of the attributes that cleaning filled in.
    stated
        A bit per attribute that was stated before.
    """
    found = []
    for number, (attribute, group, tag) in enumerate(attributes):
        if not tag:
            continue
        if attribute not in filled:
            stated |= 1 << number
            found.append((group, tag, STATED))
        elif not stated >> number & 1:
            found.append((group, tag, GUESSED))
    return tuple(found), stated
