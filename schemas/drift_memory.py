"""What the drift detectors remember of one person."""

from __future__ import annotations

from msgspec import Struct, field

from schemas.outputs import Alarm


class VolumeMemory(Struct, array_like=True):
    """The detector of how much a person does in a day.

    Attributes
    ----------
    day, count
        The local day that is being counted, and its events so far.
    numbers
        Packed as in `DriftMemory`, the classes being those of volume, the contexts workday and weekend.
    evidence
        As in `DriftMemory`.
    days
        Closed days since the beginning or the last alarm.
    alarm_ms
        Time of the newest alarm.
    """

    day: int
    count: int = 0
    numbers: bytes = b""
    evidence: bytes = b""
    days: int = 0
    alarm_ms: int = 0


class DriftMemory(Struct, array_like=True):
    """The detector of what a person turns to, and the rebuild that may be under way.

    Attributes
    ----------
    tags
        ``<group>:<tag>`` of each class told apart; one more class, the last, is everything else.
    numbers
        Packed, see `udfs.profile.shares.Numbers`: what is expected in each of four contexts, and what was observed.
        Rounded after every step, so a restart changes nothing.
    open
        Bucket (local day-part since the epoch) -> ``<group>:<tag>`` -> events; the newest two.
    bucket
        Newest closed bucket; -1 for none.
    buckets
        Closed ones since the beginning or the last rebuild.
    evidence
        Packed float32, see `udfs.profile.e_detector`: evidence R of each component, and the estimated bucket of change.
    days, day
        Distinct local days with evidence for a change, as many as there were, and the newest of them.
    suspect
        Whether the person's behaviour is suspected of having changed.
    alarms_ms
        Times of the newest alarms, oldest first, as many as a limit on them needs.
    fleet_ms
        Newest shift of everybody taken account of.
    late
        Events that came after their bucket was closed: they count in the profile, not here.
    reason, changed_ms
        Newest alarm in a few words, and its estimated time of change: for readers of the hot profile; empty if none.
    by_hand_ms
        Time of the newest rebuild that somebody asked for.
    pending
        Alarm whose rebuild waits for the history.
    volume
        The other detector.
    """

    tags: list[str] = field(default_factory=list)
    numbers: bytes = b""
    open: dict[int, dict[str, int]] = field(default_factory=dict)
    bucket: int = -1
    buckets: int = 0
    evidence: bytes = b""
    days: int = 0
    day: int = -1
    suspect: bool = False
    alarms_ms: list[int] = field(default_factory=list)
    fleet_ms: int = 0
    late: int = 0
    reason: str = ""
    changed_ms: int = 0
    by_hand_ms: int = 0
    pending: Alarm | None = None
    volume: VolumeMemory | None = None
