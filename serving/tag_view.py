"""One tag as readers see it, from either store."""

from __future__ import annotations

from msgspec import Struct


class TagView(Struct, frozen=True):
    """One tag at one instant.

    Attributes
    ----------
    tag
        ``<group>:<name>``.
    weight
        At that instant. Of a numeric group: the decayed count of values.
    mean, std
        Of a numeric group, in its unit; None otherwise. Decay doesn't change them.
    last_evidence_ms
        Time of the newest evidence, milliseconds since the epoch.
    half_life_ms
        After this many milliseconds the weight is half.
    """

    tag: str
    weight: float
    mean: float | None
    std: float | None
    last_evidence_ms: int
    half_life_ms: int
