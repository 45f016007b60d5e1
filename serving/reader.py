"""Who reads profiles, and what for."""

from __future__ import annotations

import re

from msgspec import Struct

from schemas.published_group import PublishedGroup
from schemas.purposes import PURPOSES

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Reader(Struct, frozen=True):
    """A reader, as the audit trail has it. What people have not consented to is in no profile; this is the other half.

    Attributes
    ----------
    name
        Of the service or person that reads: a letter or digit, then up to 63 more of those, ``.``, ``_`` or ``-``.
    purpose
        What it reads for, one of `schemas.purposes.PURPOSES`: it gets the tag groups of this purpose, no others.
    sensitive
        Whether it gets, of those, the groups that the law protects most (location, credit ...) as well.

    Raises
    ------
    ValueError
        For a name of another form, or an unknown purpose.
    """

    name: str
    purpose: str
    sensitive: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            msg = (
                "a reader's name is a letter or digit and up to 63 letters, digits, dots, dashes and underscores, got "
                f"{len(self.name)} characters: give the name of the service that reads, for example crm"
            )
            raise ValueError(msg)
        if self.purpose not in PURPOSES:
            msg = f"unknown purpose {self.purpose!r}: expected one of {', '.join(PURPOSES)}; docs/tags.md says of what"
            raise ValueError(msg)

    def may_read(self, group: PublishedGroup) -> bool:
        """Whether the reader gets the tags of a group."""
        return group.purpose == self.purpose and (self.sensitive or group.sensitivity != "sensitive")
