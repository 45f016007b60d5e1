"""The subscriber's id as found by the engine: bytes of a Kafka key, or of the feed's key expression."""

from __future__ import annotations

from schemas.reasons import Reason, Rejected


def text_of(key: bytes) -> str:
    """The id as text.

    Raises
    ------
    Rejected
        key_missing when it is empty, malformed when it is not UTF-8.
    """
    if not key:
        raise Rejected(Reason.KEY_MISSING)
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise Rejected(Reason.MALFORMED) from None
