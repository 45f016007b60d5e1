"""What the profile operator emits, and what the hot sink writes. Packed as MessagePack, one element per batch."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence

import msgspec
import zstandard
from msgspec import Struct, field

Evidence = tuple[str, str, float]
"""(group, tag, value); one event names each (group, tag) at most once."""

FoldedEvent = tuple[str, str, int, int, Sequence[Evidence]]
"""(feed, user, event time in ms, event id, what it was evidence for): one row of history per piece of evidence."""

ChangedProfile = tuple[str, bytes]
"""(user, encoded profile): the state itself, so that whoever shows it works in a task of its own."""


class HotProfile(Struct):
    """Full snapshot of one user's hot tags.

    Attributes
    ----------
    user
        Subscriber's id.
    version
        Fixed-width text of (generation, n); compares as text exactly as the pair does.
    as_of_ms
        Instant of the weights: the user's newest event.
    expires_at_ms
        Absolute time after which the profile may vanish.
    weights
        ``<group>:<tag>`` -> weight at `as_of_ms`. Numeric tags add ``.mean`` and ``.std``.
    other
        Group -> weight of the tags beyond the cap; only groups that have any.
    last_evidence_ms
        ``<group>:<tag>`` -> time of the newest event that was evidence for it.
    """

    user: str
    version: str
    as_of_ms: int
    expires_at_ms: int
    weights: dict[str, float]
    other: dict[str, float]
    last_evidence_ms: dict[str, int]


class DeadLetter(Struct, array_like=True):
    """One unusable record: where it is in its log and why it was refused. Never what it said."""

    feed: str
    log: str
    partition: int
    offset: int
    reason: str


class ShardCounts(Struct, array_like=True):
    """Running totals of one shard since the state began, exact through failures because they are state themselves.

    Guarantee: ``events_in == folded + duplicates + sum(rejected.values())``.
    """

    shard: int
    events_in: int = 0
    folded: int = 0
    duplicates: int = 0
    rejected: dict[str, int] = field(default_factory=dict)  # "<feed>/<reason>" -> records
    users: int = 0
    state_bytes: int = 0


class HistoryBatch(Struct, array_like=True):
    """What one batch of one shard adds to the history: events with their evidence, dead letters, the shard's totals."""

    events: list[FoldedEvent] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    counts: ShardCounts | None = None


class DamagedBatch(ValueError):
    """Bytes that can't be read as a batch of history."""


_LEVEL = 1  # of zstd; higher ones gain a few percent here
_MAX_HISTORY_BYTES = 1 << 30  # unpacked; a batch is a few megabytes, a damaged header can claim anything

pack = msgspec.msgpack.Encoder().encode
_changed_decoder = msgspec.msgpack.Decoder(list[ChangedProfile])
_history_decoder = msgspec.msgpack.Decoder(HistoryBatch)
_counts_decoder = msgspec.msgpack.Decoder(ShardCounts)


def unpack_changed(packed: bytes) -> list[ChangedProfile]:
    """Inverse of `pack` for the changed profiles of one batch."""
    return _changed_decoder.decode(packed)


def pack_history(batch: HistoryBatch) -> str:
    """A history batch as text.

    Text, because thread mode converts byte arrays going from Python to the JVM element by element. Compressed, because
    the window that collects batches copies them several times over and keeps them in checkpoints: 121 bytes an event
    become 20, for 0.2 us (docs/decisions/0006-cache-blobs.md).
    """
    return b64encode(zstandard.compress(pack(batch), _LEVEL)).decode("ascii")


def unpack_history(packed: bytes) -> HistoryBatch:
    """Inverse of `pack_history`, from the text's bytes.

    Raises
    ------
    DamagedBatch
        When it is no such text. Never returns less than was packed.
    """
    try:
        compressed = b64decode(packed, validate=True)
        if zstandard.frame_content_size(compressed) > _MAX_HISTORY_BYTES:
            raise zstandard.ZstdError
        return _history_decoder.decode(zstandard.decompress(compressed))
    except (ValueError, zstandard.ZstdError):
        # The decoder's text can quote values, so it is not passed on.
        msg = f"damaged batch of history ({len(packed)} bytes): restore from an earlier checkpoint"
        raise DamagedBatch(msg) from None


def unpack_counts(packed: bytes) -> ShardCounts:
    """Inverse of `pack` for a shard's totals."""
    return _counts_decoder.decode(packed)
