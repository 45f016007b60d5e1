"""What became of one person under every detector: the raw result, kept as JSON."""

from __future__ import annotations

from msgspec import Struct

from bench.drift.history import History


class Outcome(Struct):
    """One person.

    Attributes
    ----------
    years, buckets
        Length of the history, and its active buckets.
    changes
        ``(index among active buckets, bucket)`` of each change.
    before_years
        Part before the first change, all of it where there is none.
    alarms
        Detector -> ``(index, bucket, estimated first bucket of the change or None)`` of each alarm.
    quality
        Policy of rebuilding -> cosine to the truth at each of `quality.DAYS` after the change; empty: not measured.
    """

    seed: int
    number: int
    label: str
    years: float
    before_years: float
    buckets: int
    changes: list[tuple[int, int]]
    distance_bits: float
    alarms: dict[str, list[tuple[int, int, float | None]]] = {}
    quality: dict[str, list[float]] = {}


def outcome_of(history: History, seed: int, number: int) -> Outcome:
    """Of a person nobody has looked at yet."""
    first = history.changes[0] if history.changes else history.stop
    return Outcome(
        seed=seed,
        number=number,
        label=history.label,
        years=history.years,
        before_years=history.years * (first - history.start) / (history.stop - history.start),
        buckets=len(history.buckets),
        changes=[(history.index_of(change), change) for change in history.changes],
        distance_bits=history.distance_bits,
    )
