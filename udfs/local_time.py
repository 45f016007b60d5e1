"""Local time of the subscribers, from event time and `Rules.utc_offset_ms`: what "night" and "workday" mean to tags."""

from __future__ import annotations

MS_PER_MINUTE = 60_000
MS_PER_HOUR = 3_600_000
MS_PER_DAY = 86_400_000


def local_hour(time_ms: int, utc_offset_ms: int) -> int:
    """Hour of the local day, 0 to 23."""
    return (time_ms + utc_offset_ms) // MS_PER_HOUR % 24


def local_day(time_ms: int, utc_offset_ms: int) -> int:
    """Number of the local day; day 0 is 1970-01-01."""
    return (time_ms + utc_offset_ms) // MS_PER_DAY


def weekday(day: int) -> int:
    """Weekday of a local day, Monday 0 to Sunday 6; day 0 was a Thursday."""
    return (day + 3) % 7


def is_workday(day: int) -> bool:
    """Whether a local day is Monday to Friday. Public holidays are not known."""
    return (day + 3) % 7 < 5
