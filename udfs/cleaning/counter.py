"""Usage from the cumulative data counter: the difference to the reading before.

    reading     100  150  20           reading  100  9e15      130         reading  900  0      930
    used        0    50   20 (reset)   used     0    outlier   30          used     0    0      30
                                                (the outlier step's)

A fall is a restart of the meter, so the whole reading is new, unless the reading that it falls from was an outlier and
the new one is back at the level before: then that one was a glitch. Likewise when a fall is followed by a reading just
above the level before the fall.
"""

from __future__ import annotations

from schemas.cleaning_memory import CleaningMemory, Counter
from schemas.events import DataUsage
from schemas.rules import Rules
from udfs.cleaning.correction import Correction

BACK_AT_LEVEL = 0.1
"""A reading after a fall is back at the old level when it is above it by at most this share: a meter that did restart
would have to be used by just that much within one interval.
"""


def counter(event: DataUsage, memory: CleaningMemory, rules: Rules, corrections: list[str]) -> None:
    """Fill in `bytes_used`, and make this reading the reference.

    The first reading is a reference only: 0 used. So is a late one (not after the reference): its bytes are in the
    difference counted already, and it does not become the reference. Usage is never negative.
    """
    reading = event.bytes_total
    at_ms = event.event_time_ms
    last = memory.counter
    if last is None:
        memory.counter = Counter(reading, at_ms)
        event.bytes_used = 0
        return
    if at_ms <= last.time_ms:
        event.bytes_used = 0
        corrections.append(Correction.COUNTER_LATE)
        return
    if reading == last.reading:
        last.time_ms = at_ms  # idle; if the reading was doubted it still is
        event.bytes_used = 0
        return
    before = last.before
    since = (last.reading, last.time_ms)
    if reading > last.reading:
        used = reading - last.reading
        if before is not None:
            if before[0] <= last.reading:
                since = before  # doubted as too high, and not yet known to be right: keep the way back
            elif 0 <= reading - before[0] <= reading * BACK_AT_LEVEL:
                since = before
                used = reading - before[0] - last.reading  # the low reading was counted as usage
                corrections.append(Correction.COUNTER_GLITCH)
    elif before is not None and before[0] <= reading:
        since = before
        used = reading - before[0]
        corrections.append(Correction.COUNTER_GLITCH)
    else:
        used = reading
        corrections.append(Correction.COUNTER_RESET)
    event.bytes_used = used if used > 0 else 0
    last.reading = reading
    last.time_ms = at_ms
    last.before = since  # until the outlier step believes the reading
