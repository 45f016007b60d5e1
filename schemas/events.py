"""Decoded events: what a feed's bytes become before any tag is computed.

Every event names its subscriber, carries a 64-bit identity for de-duplication, and its time in milliseconds since the
epoch (UTC). One class per kind of behaviour; units are in the field names.
"""

from __future__ import annotations

from hashlib import blake2b

from msgspec import Struct


class Event(Struct):
    """What all events share.

    Attributes
    ----------
    user
        Subscriber's id, as the record's key gave it.
    event_id
        64-bit identity of the event within its user: two records with the same one are the same event.
    event_time_ms
        When it happened, milliseconds since the epoch, UTC.
    """

    user: str
    event_id: int
    event_time_ms: int


class Purchase(Event):
    """One line of a shopping basket: what was bought, how much of it, for how much money."""

    category: str
    quantity: float
    spend: float


class AppUse(Event):
    """One DPI flow record: which app or site was used, and the traffic it caused."""

    app: str
    category: str
    bytes_up: int
    bytes_down: int


def identity_of(text: str) -> int:
    """64-bit event identity of a feed's own record id.

    Stable across processes and versions (Python's `hash` is not). Two different ids of one user collide with
    probability 2**-64 each pair: with 4,096 ids in a user's horizon, below 1e-12.
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
