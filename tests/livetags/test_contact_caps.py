"""Contacts under caps, against counting them with a calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetags.contact_caps import ContactCaps, Wish, within_caps

HOUR_MS = 3_600_000
T0_MS = 1_767_225_600_000 + 5 * 24 * HOUR_MS - 8 * HOUR_MS  # 2026-01-06 00:00 in UTC+8, a Tuesday

hours = st.integers(0, 24)
all_caps = st.builds(
    ContactCaps, st.integers(0, 3), st.integers(0, 6), hours, hours, st.sampled_from([0, 8 * HOUR_MS, -5 * HOUR_MS])
)
wishes = st.lists(
    st.builds(
        Wish,
        st.sampled_from(["p.1", "p.2"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([10, 50, 90]),
        st.integers(0, 10 * 24 * 4).map(lambda quarter: T0_MS + quarter * HOUR_MS // 4),
    ),
    max_size=30,
)


def local(at_ms: int, caps: ContactCaps) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC) + timedelta(milliseconds=caps.utc_offset_ms)


def is_quiet(moment: datetime, caps: ContactCaps) -> bool:
    begin, end = caps.quiet_from_h, caps.quiet_to_h
    return begin <= moment.hour < end if begin <= end else moment.hour >= begin or moment.hour < end


@given(all_caps, st.integers(T0_MS, T0_MS + 10 * 24 * HOUR_MS))
def test_a_contact_is_put_off_to_the_first_instant_that_is_not_quiet(caps: ContactCaps, at_ms: int) -> None:
    made_ms = caps.put_off(at_ms)
    if {caps.quiet_from_h % 24, caps.quiet_to_h % 24} == {0} and caps.quiet_from_h != caps.quiet_to_h:
        return  # the whole day is quiet, or none of it
    assert not is_quiet(local(made_ms, caps), caps)
    if made_ms == at_ms:
        return
    assert is_quiet(local(at_ms, caps), caps)
    assert is_quiet(local(made_ms - 1, caps), caps)
    assert 0 < made_ms - at_ms <= 24 * HOUR_MS
    assert all(is_quiet(local(ms, caps), caps) for ms in range(at_ms, made_ms, HOUR_MS))


@given(wishes, all_caps)
def test_contacts_are_those_of_a_plain_count(asked: list[Wish], caps: ContactCaps) -> None:
    made: list[tuple[Wish, datetime]] = []
    for wish in sorted(asked, key=lambda w: (100 - w.priority, w.at_ms, w.rule, w.user)):
        moment = local(caps.put_off(wish.at_ms), caps)
        mine = [other for given_, other in made if given_.user == wish.user]
        same_day = [other for other in mine if other.date() == moment.date()]
        same_week = [other for other in mine if other.isocalendar()[:2] == moment.isocalendar()[:2]]
        if len(same_day) < caps.max_a_day and len(same_week) < caps.max_a_week:
            made.append((wish, moment))
    assert within_caps(asked, caps) == [wish for wish, _ in made]


CAPS = ContactCaps(1, 3, 22, 8, 8 * HOUR_MS)


@pytest.mark.parametrize(
    ("hour", "made"), [(7.5, 8.0), (8.0, 8.0), (21.9, 21.9), (22.0, 32.0), (23.5, 32.0), (0.0, 8.0)]
)
def test_the_night_ends_at_eight(hour: float, made: float) -> None:
    assert CAPS.put_off(T0_MS + round(hour * HOUR_MS)) == T0_MS + round(made * HOUR_MS)


def test_who_is_more_important_goes_first_though_later() -> None:
    early, late = Wish("p", "low", 10, T0_MS + 9 * HOUR_MS), Wish("p", "high", 90, T0_MS + 20 * HOUR_MS)
    other = Wish("q", "low", 10, T0_MS + 9 * HOUR_MS)
    assert within_caps([early, late, other], CAPS) == [late, other]
    # put off to the next day, it takes that day's place
    night, morning = Wish("p", "low", 10, T0_MS + 23 * HOUR_MS), Wish("p", "low", 10, T0_MS + 33 * HOUR_MS)
    assert within_caps([late, night, morning], CAPS) == [late, night]


def test_a_week_is_full_after_three() -> None:
    days = [Wish("p", "r", 50, T0_MS + (24 * day + 12) * HOUR_MS) for day in range(-1, 8)]  # Monday to Tuesday
    assert within_caps(days, CAPS) == [*days[:3], *days[7:]]
