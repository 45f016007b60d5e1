"""Guard against shifts of everybody: a holiday, a new version of the app dictionary.

A change that many people of a shard make at once is no change of a person. When unusually many come under suspicion,
the detectors of the shard begin anew from then on, each with its person's next bucket: they learn what is usual now for
as long as they did at first, and raise no alarm meanwhile, so there are no rebuilds. One operational alarm tells.

Whose detector begins anew depends on the time of the bucket alone, so it is the same in whatever order people are
worked on after the shift was noticed.
"""

from __future__ import annotations

from statistics import median

from schemas.fleet_memory import FleetMemory

WINDOW_BUCKETS = 128
"""Buckets of all people of the shard among which suspects are counted."""
_REMEMBERED_WINDOWS = 56
_TIMES_USUAL = 5.0
_MIN_SUSPECTS = 4
_REMEMBERED_SHIFTS = 8


def shift_before(fleet: FleetMemory, begins_ms: int) -> int:
    """Time of the newest shift not after a bucket's beginning, 0 if there is none."""
    return max((shift_ms for shift_ms in fleet.shifts_ms if shift_ms <= begins_ms), default=0)


def note(fleet: FleetMemory, ends_ms: int, newly_suspect: bool) -> None:
    """Count a bucket closed at `ends_ms`; a shift this reveals is added to `fleet.shifts_ms` and `fleet.raised`."""
    if fleet.shifts_ms and ends_ms <= fleet.shifts_ms[-1]:
        return  # from before the newest shift, which has told of it
    fleet.newest_ms = max(fleet.newest_ms, ends_ms)
    fleet.buckets += 1
    fleet.suspects += newly_suspect
    usual = median(fleet.shares) if fleet.shares else 0.0
    if newly_suspect and fleet.suspects >= max(_MIN_SUSPECTS, _TIMES_USUAL * usual * WINDOW_BUCKETS):
        # later than every bucket closed so far, so that nobody's had to begin anew before this was known
        fleet.shifts_ms = [*fleet.shifts_ms, fleet.newest_ms][-_REMEMBERED_SHIFTS:]
        fleet.raised.append((fleet.newest_ms, fleet.suspects, fleet.buckets, usual))
        fleet.buckets = fleet.suspects = 0
    elif fleet.buckets >= WINDOW_BUCKETS:
        fleet.shares = [*fleet.shares, fleet.suspects / fleet.buckets][-_REMEMBERED_WINDOWS:]
        fleet.buckets = fleet.suspects = 0
