"""Protobuf for columns of records: every field writes its bytes for all rows at once.

A block of records is a matrix of bytes, one row a record, in which each field owns some columns, and a mask of the
bytes in use. Compressing the one by the other gives the file's bytes in order: varint length, then the message.
A value equal to proto3's default is left out, as official serializers do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from city.rows import Bools, Ints, Octets, Rows

PREFIX_BYTES = 2
"""Columns for the length of a message, a varint below 2**14."""
_VARINT, _EIGHT_BYTES, _LENGTH_DELIMITED = 0, 1, 2
_TIME_BYTES = 6  # 2**35 <= milliseconds < 2**42: from 1971 to 2109
_ID_BITS = 48
# Odd, so multiplying modulo 2**48 maps counters to ids one to one; they look random and stay unique.
_ID_SCRAMBLE = np.uint64(0x9E3779B97F4B)
_HEX4: Octets = np.frombuffer("".join(f"{number:04x}" for number in range(1 << 16)).encode(), np.uint8).reshape(-1, 4)


class Field(Protocol):
    """A field of a message: how many columns it needs, and how it fills them."""

    width: int

    def write(self, rows: Rows, octets: Octets, used: Bools) -> Ints | int:
        """Fill the columns and their mask (all True before); returns the bytes used of each row."""
        ...


class Text:
    """A string field that takes its values from a table.

    Parameters
    ----------
    number
        Of the field.
    column
        Holds the index into the table.
    table
        The strings, each shorter than 128 bytes of UTF-8; an empty one is left out.
    """

    def __init__(self, number: int, column: str, table: Sequence[str]) -> None:
        encoded = [text.encode() for text in table]
        lengths = np.array([len(text) for text in encoded])
        self._column = column
        self.width = int(lengths.max()) + 2
        self._octets: Octets = np.zeros((len(table), self.width), np.uint8)
        self._octets[:, 0] = number << 3 | _LENGTH_DELIMITED
        self._octets[:, 1] = lengths
        padded = b"".join(text.ljust(self.width - 2, b"\0") for text in encoded)
        self._octets[:, 2:] = np.frombuffer(padded, np.uint8).reshape(len(table), -1)
        self._used = np.where(lengths > 0, lengths + 2, 0)
        self._mask = np.arange(self.width) < self._used[:, None]
        self._fixed = bool(self._mask.all())

    def write(self, rows: Rows, octets: Octets, used: Bools) -> Ints | int:
        """See `Field`."""
        index = rows[self._column]
        octets[:] = self._octets.take(index, axis=0)
        if self._fixed:
            return self.width
        used[:] = self._mask.take(index, axis=0)
        return self._used.take(index)


class Id:
    """A string of twelve hexadecimal digits, from a number below 2**48; different numbers give different strings."""

    width = 14

    def __init__(self, number: int, column: str) -> None:
        self._tag = number << 3 | _LENGTH_DELIMITED
        self._column = column

    def write(self, rows: Rows, octets: Octets, used: Bools) -> int:
        """See `Field`."""
        scrambled = rows[self._column].astype(np.uint64) * _ID_SCRAMBLE
        octets[:, 0] = self._tag
        octets[:, 1] = 12
        for place, shift in enumerate((_ID_BITS - 16, _ID_BITS - 32, 0)):
            digits = (scrambled >> np.uint64(shift)) & np.uint64(0xFFFF)
            octets[:, 2 + 4 * place : 6 + 4 * place] = _HEX4.take(digits.astype(np.int64), axis=0)
        return self.width


class Time:
    """A time in milliseconds since the epoch, of this century: a varint of six bytes."""

    width = 1 + _TIME_BYTES

    def __init__(self, number: int, column: str = "time") -> None:
        self._tag = number << 3 | _VARINT
        self._column = column

    def write(self, rows: Rows, octets: Octets, used: Bools) -> int:
        """See `Field`."""
        values = rows[self._column]
        octets[:, 0] = self._tag
        for place in range(_TIME_BYTES):
            octets[:, 1 + place] = (values >> 7 * place) & 0x7F | 0x80
        octets[:, _TIME_BYTES] &= 0x7F
        return self.width


class Integer:
    """A non-negative integer or enum below ``2 ** (7 * octets)``, as a varint."""

    def __init__(self, number: int, column: str, octets: int = 1) -> None:
        self._tag = number << 3 | _VARINT
        self._column = column
        self.width = 1 + octets

    def write(self, rows: Rows, octets: Octets, used: Bools) -> Ints:
        """See `Field`."""
        rest = rows[self._column]
        octets[:, 0] = self._tag
        used[:, 0] = rest > 0
        for place in range(1, self.width):
            used[:, place] = present = rest > 0
            octets[:, place] = rest & 0x7F
            rest = rest >> 7
            octets[:, place] |= (rest > 0).view(np.uint8) << np.uint8(7)
            if place == 1:
                lengths = present.astype(np.int64) * 2
            else:
                lengths += present
        return lengths


class Double:
    """A double."""

    width = 9

    def __init__(self, number: int, column: str) -> None:
        self._tag = number << 3 | _EIGHT_BYTES
        self._column = column

    def write(self, rows: Rows, octets: Octets, used: Bools) -> Ints:
        """See `Field`."""
        values = np.ascontiguousarray(rows[self._column], np.float64)
        octets[:, 0] = self._tag
        octets[:, 1:] = values.astype("<f8").view(np.uint8).reshape(-1, 8)
        present = values != 0
        used[:] = present[:, None]
        lengths: Ints = present * self.width
        return lengths


def encode(fields: Sequence[Field], rows: Rows) -> tuple[Octets, Bools]:
    """The block's matrix of bytes and the mask of those in use, lengths included.

    Raises
    ------
    ValueError
        When the fields could make a message too long for the prefix.
    """
    width = PREFIX_BYTES + sum(field.width for field in fields)
    if width >= 1 << 14:
        msg = f"a message of up to {width} bytes does not fit a prefix of {PREFIX_BYTES}"
        raise ValueError(msg)
    octets: Octets = np.empty((len(rows), width), np.uint8)
    used: Bools = np.ones((len(rows), width), np.bool_)
    at = PREFIX_BYTES
    lengths: Ints = np.zeros(len(rows), np.int64)
    for field in fields:
        lengths += field.write(rows, octets[:, at : at + field.width], used[:, at : at + field.width])
        at += field.width
    long = lengths > 0x7F
    octets[:, 0] = lengths & 0x7F | long.view(np.uint8) << 7
    octets[:, 1] = lengths >> 7
    used[:, 1] = long
    return octets, used
