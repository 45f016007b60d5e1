"""What the guard against shifts of everybody remembers of one shard."""

from __future__ import annotations

from msgspec import Struct, field


class FleetMemory(Struct, array_like=True):
    """Buckets closed, and people who came under suspicion by it, lately and usually.

    Attributes
    ----------
    counts
        End of a bucket in ms -> how many people's were closed, and how many came under suspicion; of four weeks.
    newest_ms
        End of the newest bucket closed.
    raised
        ``(at ms, suspects, buckets, usual share)`` of shifts not yet told.
    shifts_ms
        Times of the newest shifts, oldest first: whoever closes a bucket that begins later begins anew.
    """

    counts: dict[int, tuple[int, int]] = field(default_factory=dict)
    newest_ms: int = 0
    shifts_ms: list[int] = field(default_factory=list)
    raised: list[tuple[int, int, int, float]] = field(default_factory=list)
