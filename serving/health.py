"""Whether profiles can be read now."""

from __future__ import annotations

from msgspec import Struct


class Health(Struct, frozen=True):
    """Answer of a client's ``health()``, which never raises.

    Attributes
    ----------
    ok
        Whether Redis answers, and tag groups are published.
    latency_ms
        How long that took.
    groups
        How many tag groups are published.
    problem
        What is wrong and what to do; empty when nothing is.
    """

    ok: bool
    latency_ms: float
    groups: int = 0
    problem: str = ""
