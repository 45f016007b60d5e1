from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from udfs.local_time import is_workday, local_day, local_hour, weekday


@given(st.integers(0, 4_000_000_000_000), st.integers(-12, 14))
def test_hour_day_and_weekday_are_those_of_the_calendar(time_ms: int, utc_offset_hours: int) -> None:
    offset_ms = utc_offset_hours * 3_600_000
    local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms + offset_ms)
    day = local_day(time_ms, offset_ms)
    assert local_hour(time_ms, offset_ms) == local.hour
    assert day == (local.date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days
    assert weekday(day) == local.weekday()
    assert is_workday(day) == (local.weekday() < 5)
