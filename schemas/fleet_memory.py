"""What the guard against shifts of everybody remembers of one shard."""

from __future__ import annotations

from msgspec import Struct, field


class FleetMemory(Struct, array_like=True):
    """Buckets closed and people come under suspicion, lately and usually.

    Attributes
    ----------
    buckets, suspects
        Closed, and people who came under suspicion by it, in the window being counted.
    shares
        Suspects per bucket of the newest full windows, oldest first.
    newest_ms
        End of the newest bucket closed.
    raised
        ``(at ms, suspects, buckets, usual share)`` of shifts not yet told.
    shifts_ms
        Times of the newest shifts, oldest first: whoever closes a bucket that begins later begins anew.
    """

    buckets: int = 0
    suspects: int = 0
    shares: list[float] = field(default_factory=list)
    newest_ms: int = 0
    shifts_ms: list[int] = field(default_factory=list)
    raised: list[tuple[int, int, int, float]] = field(default_factory=list)
