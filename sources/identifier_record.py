"""What records keyed by any identifier of a person have in common: links, requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from google.protobuf.message import DecodeError

from schemas.reasons import Reason, Rejected
from sources.subscriber_key import text_of


class _Identified(Protocol):
    identifier: str
    record_id: str


R = TypeVar("R", bound=_Identified)


def identified(parse: Callable[[bytes], R], key: bytes, value: bytes) -> tuple[R, str]:
    """The record that `parse` reads, and the raw identifier it is about, which is its key.

    Raises
    ------
    Rejected
        malformed, key_missing, key_mismatch or event_id_missing.
    """
    try:
        record = parse(value)
    except (DecodeError, RecursionError):
        raise Rejected(Reason.MALFORMED) from None
    raw = text_of(key)
    if record.identifier and record.identifier != raw:
        raise Rejected(Reason.KEY_MISMATCH)
    if not record.record_id:
        raise Rejected(Reason.EVENT_ID_MISSING)
    return record, raw
