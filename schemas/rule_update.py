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
    except (ValueError, RecursionError, zstandard.ZstdError):
        msg = "not an update of the rules: expected a file that `livetags rules publish` wrote"
        raise DamagedRules(msg) from None


class _Named(Struct):
    id: str


_named = msgspec.json.Decoder(_Named)


def from_message(key: str | None, value: str | None, published_ms: int) -> RuleUpdate:
    """The update that a message of a compacted topic is: key the rule's id, value its document, none: withdrawn.

    Parameters
    ----------
    published_ms
        The message's time, milliseconds since the epoch.

    Raises
    ------
    DamagedRules
        Without a key, and for a document of another id: compaction would keep or lose the wrong rule.
    """
    if not key:
        msg = "a message without a key in the topic of the rules: expected the rule's id as the key"
        raise DamagedRules(msg)
    if value is None:
        return RuleUpdate(published_ms, (), (key,))
    try:
        id_ = _named.decode(value).id
    except (ValueError, RecursionError):
        msg = f"the message of rule {key!r} is no JSON document with an id: expected the rule as JSON, or nothing"
        raise DamagedRules(msg) from None
    if id_ != key:
        msg = f"the message of rule {key!r} has a document of {id_!r}: expected the rule's id as the key"
        raise DamagedRules(msg)
    return RuleUpdate(published_ms, (value,))
