"""Guard against shifts of everybody: a holiday, a new version of the app dictionary.

A change that many people of a shard make at once is no change of a person. When unusually many come under suspicion
within a day, the detectors of the shard begin anew from then on, each with its person's next bucket: they learn what is
usual now for as long as they did at first, and raise no alarm meanwhile, so there are no rebuilds. One operational
alarm tells.

Unusually many: five at least, and more than five times the expected number and six of its standard deviations beside,
the share of the four weeks before being expected. So a large shard is not muted by coincidence, and a small one still
guarded. Whose detector begins anew depends on the time of the bucket alone.
"""

from __future__ import annotations

from math import sqrt

from schemas.fleet_memory import FleetMemory
from schemas.tag_group import MS_PER_DAY

MIN_SUSPECTS = 5
_TIMES_USUAL, _DEVIATIONS = 5.0, 6.0
_PRIOR_SUSPECTS, _PRIOR_BUCKETS = 1.0, 1_000.0
_REMEMBERED_MS = 28 * MS_PER_DAY
_REMEMBERED_SHIFTS = 8


def shift_before(fleet: FleetMemory, begins_ms: int) -> int:
    """Time of the newest shift not after a bucket's beginning, 0 if there is none."""
    return max((shift_ms for shift_ms in fleet.shifts_ms if shift_ms <= begins_ms), default=0)


def note(fleet: FleetMemory, ends_ms: int, newly_suspect: bool) -> None:
    """Count a bucket closed at `ends_ms`; a shift this reveals is added to `fleet.shifts_ms` and `fleet.raised`."""
    if fleet.shifts_ms and ends_ms <= fleet.shifts_ms[-1]:
        return  # from before the newest shift, which has told of it
    counts = fleet.counts
    if ends_ms not in counts:
        fleet.newest_ms = max(fleet.newest_ms, ends_ms)
        for old in [each for each in counts if each <= fleet.newest_ms - _REMEMBERED_MS]:
            del counts[old]
    buckets, suspects = counts.get(ends_ms, (0, 0))
    counts[ends_ms] = (buckets + 1, suspects + newly_suspect)
    if not newly_suspect:
        return
    day = [end for end in counts if ends_ms - MS_PER_DAY < end <= ends_ms]
    before = [end for end in counts if end <= ends_ms - MS_PER_DAY]
    usual = (_PRIOR_SUSPECTS + sum(counts[end][1] for end in before)) / (
        _PRIOR_BUCKETS + sum(counts[end][0] for end in before)
    )
    buckets, suspects = (sum(counts[end][k] for end in day) for k in (0, 1))
    expected = usual * buckets
    if suspects >= max(MIN_SUSPECTS, _TIMES_USUAL * expected + _DEVIATIONS * sqrt(expected)):
        # later than every bucket closed so far, so that nobody's had to begin anew before this was known
        fleet.shifts_ms = [*fleet.shifts_ms, fleet.newest_ms][-_REMEMBERED_SHIFTS:]
        fleet.raised.append((fleet.newest_ms, suspects, buckets, usual))
        for end in day:
            counts[end] = (counts[end][0], 0)  # told: it says nothing of what is usual
