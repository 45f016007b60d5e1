"""Noticing drift in a person's events: buckets are opened, closed lazily, and handed to the detectors.

The two newest buckets are open, so an event up to one bucket (6 h) later than the newest lands where it belongs, and
the detectors see the same whatever the order within that grace. What is later still counts in the profile all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from schemas.drift_memory import DriftMemory, VolumeMemory
from schemas.fleet_memory import FleetMemory
from schemas.rules import Rules
from udfs.profile import fleet_guard, share_drift, volume_drift
from udfs.profile.share_drift import BUCKET_MS, BUCKETS_PER_DAY, OTHER, Noticed, begins_ms

NoticedKind = Literal["shares", "volume"]

_OPEN_BUCKETS = 2
# Told apart in a bucket, so that a flood of names doesn't fill the state; the others are counted as one
_MOST_TAGS = 64


def observe(
    memory: DriftMemory, tags: Iterable[str], event_time_ms: int, rules: Rules, fleet: FleetMemory | None
) -> list[tuple[NoticedKind, Noticed]]:
    """Count an event of a person for the detectors.

    Parameters
    ----------
    memory
        Changed in place.
    tags
        ``<group>:<tag>`` of what the event is evidence for in groups that are watched; one at least.
    fleet
        What is known of everybody else in the shard, changed in place; None: nobody looks.

    Returns
    -------
    alarms
        Raised by the buckets that the event closed, in their order.
    """
    noticed: list[tuple[NoticedKind, Noticed]] = []
    bucket = (event_time_ms + rules.utc_offset_ms) // BUCKET_MS
    counts = memory.open.get(bucket)
    if counts is None:
        if bucket <= memory.bucket or bucket <= max(memory.open, default=bucket) - _OPEN_BUCKETS:
            memory.late += 1
            return noticed
        counts = memory.open[bucket] = {}
        for old in sorted(memory.open):
            if old > max(memory.open) - _OPEN_BUCKETS:
                break
            noticed += _close(memory, old, memory.open.pop(old), rules, fleet)
    for tag in tags:
        _count(counts, tag)
    return noticed


def _count(counts: dict[str, int], tag: str) -> None:
    """Count an event of a tag; of too many tags the first by name are told apart, whatever the order they come in."""
    if tag not in counts and len(counts) - (OTHER in counts) >= _MOST_TAGS:
        last = max(counts)
        if last < tag:
            tag = OTHER
        else:
            counts[OTHER] = counts.get(OTHER, 0) + counts.pop(last)
    counts[tag] = counts.get(tag, 0) + 1


def _close(
    memory: DriftMemory, bucket: int, counts: dict[str, int], rules: Rules, fleet: FleetMemory | None
) -> list[tuple[NoticedKind, Noticed]]:
    noticed: list[tuple[NoticedKind, Noticed]] = []
    start_ms = begins_ms(bucket, rules.utc_offset_ms)
    if fleet is not None and (shift_ms := fleet_guard.shift_before(fleet, start_ms)) > memory.fleet_ms:
        memory.fleet_ms = shift_ms
        share_drift.begin_anew(memory)
    suspect_before = memory.suspect
    shares = share_drift.close(memory, bucket, counts, rules.drift, rules.utc_offset_ms)
    if fleet is not None:
        fleet_guard.note(fleet, start_ms + BUCKET_MS, memory.suspect and not suspect_before)
    if shares is not None:
        noticed.append(("shares", shares))
    day = bucket // BUCKETS_PER_DAY
    if memory.volume is None:
        memory.volume = VolumeMemory(day)
    volume = volume_drift.count(memory.volume, day, sum(counts.values()), rules.drift, rules.utc_offset_ms)
    if volume is not None:
        noticed.append(("volume", volume))
    return noticed
