"""A new version of the dictionaries on its way to the running operators."""

from __future__ import annotations

from base64 import b64decode, b64encode

import msgspec
import zstandard
from msgspec import Struct

from schemas.dictionaries import Dictionaries

_MAX_BYTES = 1 << 30  # decompressed; a damaged header can claim anything


class DictionaryUpdate(Struct, frozen=True):
    """Dictionaries and when they were published, milliseconds since the epoch: the newest counts."""

    published_ms: int
    dictionaries: Dictionaries


class DamagedUpdate(ValueError):
    """Text that is no update of the dictionaries."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(DictionaryUpdate)


def pack_update(update: DictionaryUpdate) -> str:
    """The update as one line of text."""
    return b64encode(zstandard.compress(_encoder.encode(update))).decode("ascii")


def read_update(packed: str) -> DictionaryUpdate:
    """Inverse of `pack_update`.

    Raises
    ------
    DamagedUpdate
        When it is no such text.
    """
    try:
        compressed = b64decode(packed, validate=True)
        if zstandard.frame_content_size(compressed) > _MAX_BYTES:
            raise zstandard.ZstdError
        return _decoder.decode(zstandard.decompress(compressed))
    except (ValueError, zstandard.ZstdError):
        msg = "not an update of the dictionaries: expected a file that `livetags dictionaries publish` wrote"
        raise DamagedUpdate(msg) from None
