"""Alignment of times: second and minute feeds on one grid, and local time.

Convention: a record's `event_time_ms` is never changed. Signalling, DPI and calls are stamped to the second or better;
bills, orders and counter readings with the start of their minute. So a minute feed's record stands for its whole
minute, and lies up to a minute before a second feed's record of the same moment. Whoever compares the two compares
`minute_slot` of both; whoever sums or decays needs nothing: a minute is far below any half-life. There is no cleaning
step for it, because moving the times of a minute feed (to the middle, say) would invent a precision that it lacks, and
moving those of a second feed would lose one; both would give a replayed record another time than the first run did.

All helpers are integer arithmetic on milliseconds since the epoch; `utc_offset_ms` is local time minus UTC.
"""

from __future__ import annotations

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

NIGHT_FROM_HOUR, NIGHT_TO_HOUR = 22, 6
"""Night is from 22:00 to 06:00: most people are at home, and who is active is night-active."""

WORK_FROM_HOUR, WORK_TO_HOUR = 9, 18
"""Office hours."""

_MONDAY_OFFSET_DAYS = 3  # 1970-01-01 was a Thursday


def minute_slot(event_time_ms: int) -> int:
    """Start of the minute the time lies in: equal for records of second and minute feeds from the same minute."""
    return event_time_ms - event_time_ms % MINUTE_MS


def local_day(event_time_ms: int, utc_offset_ms: int) -> int:
    """Days from 1970-01-01 to the local date."""
    return (event_time_ms + utc_offset_ms) // DAY_MS


def local_hour(event_time_ms: int, utc_offset_ms: int) -> int:
    """Hour of the local day, 0 to 23."""
    return (event_time_ms + utc_offset_ms) // HOUR_MS % 24


def local_weekday(event_time_ms: int, utc_offset_ms: int) -> int:
    """Local day of the week, 0 Monday to 6 Sunday."""
    return ((event_time_ms + utc_offset_ms) // DAY_MS + _MONDAY_OFFSET_DAYS) % 7


def is_night(event_time_ms: int, utc_offset_ms: int) -> bool:
    """Whether it was night, local time."""
    hour = local_hour(event_time_ms, utc_offset_ms)
    return hour >= NIGHT_FROM_HOUR or hour < NIGHT_TO_HOUR


def is_workday_hours(event_time_ms: int, utc_offset_ms: int) -> bool:
    """Whether it was office hours from Monday to Friday, local time. Public holidays are not known."""
    return (
        WORK_FROM_HOUR <= local_hour(event_time_ms, utc_offset_ms) < WORK_TO_HOUR
        and local_weekday(event_time_ms, utc_offset_ms) < 5
    )
