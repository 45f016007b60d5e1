"""What a feed needs to replace raw identifiers while decoding."""

from __future__ import annotations

from typing import Protocol

DOCUMENT = "document/"
"""Before the reference of a document, so that one never counts as a number or an account written alike."""


class Pseudonyms(Protocol):
    """Keyed pseudonyms; see `udfs.privacy.pseudonym` for how they are made."""

    def identifier(self, raw: str) -> str:
        """Pseudonym of an IMSI, MSISDN, account or document reference."""

    def person(self, reference: str) -> str:
        """Pseudonym of an opaque person reference."""
