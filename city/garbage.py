"""Records no reader can use: the damage is such that a protobuf parser must fail, whatever else the bytes say."""

from __future__ import annotations

import numpy as np

from city import marks
from city.rows import Bools, Octets
from city.wire import PREFIX_BYTES

MARKS: tuple[int, ...] = (marks.GARBAGE_RANDOM, marks.GARBAGE_TRUNCATED, marks.GARBAGE_KEYED)
"""The three sorts."""
SHARES = (0.6, 0.25, 0.15)
"""How frequent each is."""
_LONGEST = 0x7F  # its length fits a prefix of one byte
_NO_WIRE_TYPE = 0x07  # wire type 7 does not exist: a tag with these bits set ends any parse


def damage(octets: Octets, used: Bools, mark: int, rng: np.random.Generator) -> None:
    """Damage one encoded record (a row of `city.wire.encode`) in place; its length prefix fits the damaged bytes."""
    message = octets[PREFIX_BYTES:][used[PREFIX_BYTES:]]
    after_key = 2 + int(message[1])
    if mark & marks.GARBAGE_TRUNCATED:
        # Inside the record id, whose length then says more than there is.
        message = message[: after_key + int(rng.integers(3, 13))]
    else:
        begin = after_key if mark & marks.GARBAGE_KEYED else 0
        message = message[: min(begin + int(rng.integers(8, len(message) - begin)), _LONGEST)]
        message[begin:] = rng.integers(0, 256, len(message) - begin)
        message[begin] |= _NO_WIRE_TYPE
    octets[0] = len(message)
    octets[PREFIX_BYTES : PREFIX_BYTES + len(message)] = message
    used[:] = False
    used[0] = True
    used[PREFIX_BYTES : PREFIX_BYTES + len(message)] = True
