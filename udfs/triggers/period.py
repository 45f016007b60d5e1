"""Local days, weeks and months: a rule fires at most once in one."""

from __future__ import annotations

from schemas.trigger_rule import Period
from udfs.local_time import local_day, month_of

_MONDAY = 3  # day 0 was a Thursday


def period_of(period: Period, time_ms: int, utc_offset_ms: int) -> int:
    """Number of the local day, of the week that begins on Monday, or of the month."""
    day = local_day(time_ms, utc_offset_ms)
    if period == "day":
        return day
    return (day + _MONDAY) // 7 if period == "week" else month_of(day)[0]
