"""Numbers as readers in any language expect them: plain decimals, no exponent."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

_encode = msgspec.json.Encoder().encode


def plain_decimals(values: Iterable[float]) -> list[bytes]:
    """For each finite double the shortest decimal that reads back as the same one, without an exponent.

    All at once, because a JSON encoder writes ninety of them in 5 us, where ``repr`` takes 60.

    Raises
    ------
    ValueError
        For a value that is not finite, which has no decimal.
    """
    text = _encode(list(values))[1:-1]
    if not text:
        return []
    numbers = text.split(b",")
    if b"null" in numbers:
        msg = f"{numbers.count(b'null')} of {len(numbers)} values are not finite numbers: expected decayed weights"
        raise ValueError(msg)
    if b"e" in text:
        numbers = [format(Decimal(n.decode()), "f").encode() if b"e" in n else n for n in numbers]
    return numbers
