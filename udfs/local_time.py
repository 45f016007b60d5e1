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


def month_of(day: int) -> tuple[int, int]:
    """Month of a local day, counted from January of the year 0, and the first local day of the next.

    Source: Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days and days_from_civil.
    """
    month = _month(day)
    return month, _first_day(month + 1)


def _month(day: int) -> int:
    era, of_era = divmod(day + 719_468, 146_097)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153  # months since March
    return (era * 400 + year) * 12 + shifted + 2


def _first_day(month: int) -> int:
    era, of_era = divmod(month - 2, 4_800)
    year, shifted = divmod(of_era, 12)
    return era * 146_097 + year * 365 + year // 4 - year // 100 + (153 * shifted + 2) // 5 - 719_468
