"""Fields 1 and 3, which mean the same in every protobuf message: whose the record is, and when it happened.

Field 1 is a string that official serializers write first: byte 0x0A, its length, its text. So the identifier is found
without parsing the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from google.protobuf.message import DecodeError

_FIELD_1_STRING = 0x0A

# ISO-8859-1 maps each byte to one character
_BYTES = "DECODE(v, 'ISO-8859-1')"
_LENGTH = f"ASCII(SUBSTRING({_BYTES} FROM 2 FOR 1))"
KEY_SQL = (
    f"CASE WHEN ASCII({_BYTES}) = {_FIELD_1_STRING} AND {_LENGTH} BETWEEN 1 AND 127 "
    f"AND CHAR_LENGTH({_BYTES}) >= 2 + {_LENGTH} "
    f"THEN ENCODE(SUBSTRING({_BYTES} FROM 3 FOR {_LENGTH}), 'ISO-8859-1') END"
)
"""`subscriber` as a Flink SQL expression of type BYTES over column ``v BYTES``."""


def subscriber(value: bytes) -> bytes | None:
    """The identifier in the value: field 1 where it is written first in 1 to 127 bytes; None when it is not there."""
    if len(value) < 3 or value[0] != _FIELD_1_STRING or not 0 < value[1] < 128 or len(value) < 2 + value[1]:
        return None
    return value[2 : 2 + value[1]]


class _Timed(Protocol):
    event_time_ms: int


def time_reader(parse: Callable[[bytes], _Timed]) -> Callable[[bytes], int | None]:
    """A feed's `event_time_ms` for messages that `parse` reads: milliseconds since the epoch.

    None where the bytes are no record, or one without a time (in proto3 the same as time 0).
    """

    def event_time_ms(value: bytes) -> int | None:
        try:
            return parse(value).event_time_ms or None
        except (DecodeError, RecursionError):
            return None

    return event_time_ms
