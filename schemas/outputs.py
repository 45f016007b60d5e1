"""What the profile operator emits. Packed as MessagePack, one element per batch and destination."""

from __future__ import annotations

import msgspec
from msgspec import Struct, field


class HotProfile(Struct, array_like=True):
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
    """What one batch of one shard adds to the history: evidence column by column, dead letters, the shard's totals."""

    feed: list[str] = field(default_factory=list)
    user: list[str] = field(default_factory=list)
    tag: list[str] = field(default_factory=list)
    event_time_ms: list[int] = field(default_factory=list)
    event_id: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    counts: ShardCounts | None = None


pack = msgspec.msgpack.Encoder().encode
_hot_decoder = msgspec.msgpack.Decoder(list[HotProfile])
_history_decoder = msgspec.msgpack.Decoder(HistoryBatch)
_counts_decoder = msgspec.msgpack.Decoder(ShardCounts)


def unpack_hot(packed: bytes) -> list[HotProfile]:
    """Inverse of `pack` for the hot profiles of one batch."""
    return _hot_decoder.decode(packed)


def unpack_history(packed: bytes) -> HistoryBatch:
    """Inverse of `pack` for a history batch."""
    return _history_decoder.decode(packed)


def unpack_counts(packed: bytes) -> ShardCounts:
    """Inverse of `pack` for a shard's totals."""
    return _counts_decoder.decode(packed)
