"""Time alignment: feeds that count in seconds or in minutes, brought to the milliseconds of all others.

Unlike the other steps it runs before everything else, because everything else looks at the time. The unit shows in the
number: from 2000 to 2200 minutes, seconds and milliseconds since the epoch are ranges far apart. A minute stands for
its beginning, so that a replay gives a record the same time again.

Local time, which "night" and "workday" ask for, is `udfs.local_time`.
"""

from __future__ import annotations

from udfs.cleaning.correction import Correction

_FROM_MINUTES, _TO_MINUTES = 15_778_080, 120_968_640  # 2000 to 2200
_FROM_SECONDS, _TO_SECONDS = 60 * _FROM_MINUTES, 60 * _TO_MINUTES


def aligned_ms(event_time: int, corrections: list[str]) -> int:
    """The time in milliseconds since the epoch, whatever it was counted in; anything else stays what it is."""
    if event_time >= _TO_SECONDS:
        return event_time
    if event_time >= _FROM_SECONDS:
        corrections.append(Correction.TIME_ALIGNED)
        return 1_000 * event_time
    if _FROM_MINUTES <= event_time < _TO_MINUTES:
        corrections.append(Correction.TIME_ALIGNED)
        return 60_000 * event_time
    return event_time
