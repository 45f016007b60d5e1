"""Outliers of data usage: more than 100 GB a day, or far outside the user's own spread."""

from __future__ import annotations

from schemas.cleaning_memory import CleaningMemory, Spread
from schemas.events import DataUsage
from schemas.reasons import Reason, Rejected
from schemas.rules import Rules
from udfs.cleaning.spread import observe
from udfs.local_time import MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE

MAX_BYTES_A_DAY = 100_000_000_000
"""Business rule: nobody uses more than 100 GB a day on a phone."""

PLAUSIBLE_BYTES = 5_000_000_000
"""Between two readings anybody may use 5 GB: a film, or an update of the phone's system."""

SHORTEST_MS = 10 * MS_PER_MINUTE
"""Shorter intervals count as this long: a burst of seconds is no rate."""

_UNIT_BYTES = 1_000_000.0  # bytes an hour of no account


def usage_outlier(event: DataUsage, memory: CleaningMemory, rules: Rules, corrections: list[str]) -> None:
    """Reject an outlier; runs after `counter`, which has made the reading the reference already.

    So the reading after an outlier counts from the outlier: right if the usage was real and merely not believable. If
    the outlier was a glitch the next reading falls, and `counter` goes back to the reference kept in `before`.

    The spread is of bytes an hour, so that a gap in the feed is no outlier. Usage that breaks the business rule is not
    observed; usage of 0 (idle, a first or a late reading) is not judged.
    """
    used = event.bytes_used
    last = memory.counter
    if not used or last is None or last.before is None:
        return
    elapsed_ms = event.event_time_ms - last.before[1]
    if used * MS_PER_DAY > MAX_BYTES_A_DAY * max(elapsed_ms, MS_PER_DAY):
        raise Rejected(Reason.VALUE_OUTLIER)
    spread = memory.usage
    if spread is None:
        spread = memory.usage = Spread()
    hours = max(elapsed_ms, SHORTEST_MS) / MS_PER_HOUR
    if observe(spread, used / hours, _UNIT_BYTES, PLAUSIBLE_BYTES / hours):
        raise Rejected(Reason.VALUE_OUTLIER)
    if last.reading >= last.before[0]:
        last.before = None
