"""Trigger rules on their way to the running operators."""

from __future__ import annotations

from base64 import b64decode, b64encode

import msgspec
import zstandard
from msgspec import Struct

_MAX_BYTES = 1 << 28  # decompressed; a damaged header can claim anything


class RuleUpdate(Struct, frozen=True):
    """Rules that are new, changed or withdrawn; of each rule the newest word counts, in whatever order words arrive.

    Attributes
    ----------
    published_ms
        When, milliseconds since the epoch.
    rules
        Documents of `schemas.trigger_rule.TriggerRule`, as JSON.
    retired
        Ids of rules that no longer fire; episodes that are open end by themselves.
    """

    published_ms: int
    rules: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()


class DamagedRules(ValueError):
    """Text that is no update of the rules."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(RuleUpdate)


def pack_rules(update: RuleUpdate) -> str:
    """The update as one line of text."""
    return b64encode(zstandard.compress(_encoder.encode(update))).decode("ascii")


def read_rules(packed: str) -> RuleUpdate:
    """Inverse of `pack_rules`.

    Raises
    ------
    DamagedRules
        When it is no such text.
    """
    try:
        compressed = b64decode(packed, validate=True)
        if zstandard.frame_content_size(compressed) > _MAX_BYTES:
            raise zstandard.ZstdError
        return _decoder.decode(zstandard.decompress(compressed))
    except (ValueError, zstandard.ZstdError):
        msg = "not an update of the rules: expected a file that `livetags rules publish` wrote"
        raise DamagedRules(msg) from None
