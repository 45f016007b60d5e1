"""The names that an expression may use: groups, tags, words; and what to say of one that is not known."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.known_tags import known_tags, why_unknown
from schemas.nearest import did_you_mean
from serving.audience.canonical import tag_text
from serving.audience.expression_error import Refused, shortened
from serving.audience.operand import Tag
from serving.audience.vocabulary import Vocabulary

FUNCTIONS = ("either", "has", "mean", "seen", "share")
TAKEN = frozenset((*FUNCTIONS, "and", "or", "not", "in", "near", "within"))
"""What a word of the operator's can't be called."""


class Names:
    """Names of one vocabulary; which tags a group can have is found out once."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._known: dict[str, frozenset[str] | None] = {}

    def tag(self, group: str, name: str) -> Tag:
        """The tag, if there can be one.

        Raises
        ------
        Refused
            When there is no such group, or the group can't have such a tag.
        """
        if group not in self._vocabulary.groups:
            msg = f"unknown group {shortened(group)} of a tag: {_nearest(group, self._vocabulary.groups)}"
            raise Refused(msg)
        if not name:
            msg = f"expected the name of a tag of {group}, got none"
            raise Refused(msg)
        known = self._tags_of(group)
        if known is not None and name not in known:
            remedy = "; a new one is put into the dictionary first" if self._vocabulary.groups[group].more_tags else ""
            raise Refused(why_unknown(group, shortened(name), known) + remedy)
        return Tag(group, name)

    def why_unknown(self, name: str, *, quoted: bool) -> str:
        """What to say of a name that is no group and no word; `quoted`: it stood in double quotes."""
        shown = shortened(name)
        groups = [group for group in self._vocabulary.groups if name in (self._tags_of(group) or ())]
        if groups:
            tag = tag_text(groups[0], name)
            return f"{shown} is a tag of {groups[0]}: expected {tag}, or in single quotes: {groups[0]} = '{shown}'"
        if quoted:
            return f'unknown {shown}: double quotes are for tags, "group:name"; a text stands in single quotes'
        return f"unknown {shown}: {_nearest(name, (*self._vocabulary.groups, *self._vocabulary.words, *FUNCTIONS))}"

    def _tags_of(self, group: str) -> frozenset[str] | None:
        if group not in self._known:
            self._known[group] = known_tags(self._vocabulary.groups[group], self._vocabulary.rules.dictionaries)
        return self._known[group]


def why_no_function(name: str) -> str:
    """What to say of a function that is not known."""
    return f"unknown function {shortened(name)}: {_nearest(name, FUNCTIONS)}"


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    return did_you_mean(name.lower()[:100], names) or f"expected one of {', '.join(names)}"
