"""What an expression may speak of: the catalogue's tag groups, the operator's own words, and the dictionaries."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from schemas.rules import Rules
from schemas.tag_group import TagGroup


class Vocabulary(Struct, frozen=True):
    """Everything that gives an expression its meaning, so that the same text means the same everywhere.

    Attributes
    ----------
    groups
        Name -> declaration: the catalogue (`udfs.tags.GROUPS`).
    rules
        Half-lives, the floor below which a tag is gone, and the dictionaries, as the jobs use them.
    words
        An operator's own words -> what each stands for, in the language (`serving.audience.words`).
    """

    groups: Mapping[str, TagGroup]
    rules: Rules
    words: Mapping[str, str] = {}
