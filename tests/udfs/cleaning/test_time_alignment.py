"""Local time and the minute grid agree with the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.cleaning.align import is_night, is_workday_hours, local_day, local_hour, local_weekday, minute_slot

EIGHT_HOURS_MS = 8 * 3_600_000
CHINA = timezone(timedelta(hours=8))


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp() * 1000)


@pytest.mark.parametrize(
    ("local", "night", "work"),
    [
        ("2024-03-04 05:59:59.999", True, False),
        ("2024-03-04 06:00", False, False),
        ("2024-03-04 08:59:59.999", False, False),
        ("2024-03-04 09:00", False, True),
        ("2024-03-08 17:59:59.999", False, True),
        ("2024-03-08 18:00", False, False),
        ("2024-03-08 21:59:59.999", False, False),
        ("2024-03-08 22:00", True, False),
        ("2024-03-09 12:00", False, False),
        ("2024-03-10 12:00", False, False),
        ("2024-03-11 00:00", True, False),
    ],
)
def test_night_and_work(local: str, night: bool, work: bool) -> None:
    at_ms = ms(local)
    assert (is_night(at_ms, EIGHT_HOURS_MS), is_workday_hours(at_ms, EIGHT_HOURS_MS)) == (night, work)


@given(st.integers(-(10**12), 4 * 10**12), st.integers(-48, 56).map(lambda quarters: quarters * 900_000))
def test_the_calendar_agrees(at_ms: int, offset_ms: int) -> None:
    local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms + offset_ms)
    assert local_day(at_ms, offset_ms) == local.toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    assert local_hour(at_ms, offset_ms) == local.hour
    assert local_weekday(at_ms, offset_ms) == local.weekday()


@given(st.integers(-(10**12), 4 * 10**12), st.integers(0, 59_999))
def test_a_second_feed_and_a_minute_feed_meet_in_the_slot(minute: int, later_ms: int) -> None:
    slot = minute_slot(minute)
    assert slot <= minute < slot + 60_000
    assert slot % 60_000 == 0
    assert minute_slot(slot + later_ms) == slot
