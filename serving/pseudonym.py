"""What is taken for a person's pseudonym, so that no phone number reaches a key, a URL or the audit trail."""

from __future__ import annotations

import re

from serving.read_errors import RawIdentifier

PSEUDONYM_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
RAW_PATTERN = "^[0-9]{8,}$"
"""IMSIs, MSISDNs, documents: eight or more digits and nothing else. No pseudonym looks so."""

_PSEUDONYM, _RAW = re.compile(PSEUDONYM_PATTERN), re.compile(RAW_PATTERN)


def checked_pseudonym(text: str) -> str:
    """The text itself.

    Raises
    ------
    RawIdentifier
        When it is no pseudonym; the text is not repeated.
    """
    # fullmatch: "$" alone would let a line end pass
    if not _PSEUDONYM.fullmatch(text) or _RAW.fullmatch(text):
        msg = (
            f"expected a pseudonym such as p.AbCdEfGhIjKlMnOpQrSt, got {len(text)} characters of another form: phone "
            "numbers, IMSIs and accounts are never sent to a reader. Who has the keys makes their pseudonym "
            "(udfs.privacy.pseudonym), and `whose` tells the person it belongs to"
        )
        raise RawIdentifier(msg)
    return text
