"""De-duplication: whatever arrives in whatever order, no event is admitted twice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import state
from schemas.rules import Rules
from schemas.state import Profile, short_id
from udfs.profile.horizon import Seen, admit

BUCKET_MS = 1_000


def rules(buckets: int = 4, max_ids: int = 1_000, per_bucket: int = 1_000) -> Rules:
    return Rules(
        {}, dedup_bucket_ms=BUCKET_MS, dedup_buckets=buckets, dedup_max_ids=max_ids, max_events_per_bucket=per_bucket
    )


def test_a_new_event_is_new_once_and_a_repeat_ever_after() -> None:
    profile = Profile()
    assert admit(profile, 7, 10_500, rules()) is Seen.NEW
    assert admit(profile, 7, 10_500, rules()) is Seen.REPEAT
    assert admit(profile, 7, 10_999, rules()) is Seen.REPEAT
    assert admit(profile, 8, 10_500, rules()) is Seen.NEW


def test_ids_are_still_known_after_encoding() -> None:
    profile = Profile()
    admit(profile, 2**64 - 1, 10_500, rules())
    profile = state.decode(state.encode(profile))
    assert admit(profile, 2**64 - 1, 10_500, rules()) is Seen.REPEAT
    assert admit(profile, 1, 10_500, rules()) is Seen.NEW


def test_an_event_from_before_the_horizon_is_too_old_and_the_oldest_within_is_not() -> None:
    profile = Profile()
    admit(profile, 1, 10_000, rules())
    assert profile.dedup_floor == 7
    assert admit(profile, 2, 6_999, rules()) is Seen.TOO_OLD
    assert admit(profile, 2, 7_000, rules()) is Seen.NEW
    assert set(profile.seen) == {7, 10}


def test_a_newer_event_moves_the_horizon_and_forgets_what_fell_out_of_it() -> None:
    profile = Profile()
    admit(profile, 1, 7_000, rules())
    admit(profile, 2, 9_000, rules())
    admit(profile, 3, 12_000, rules())
    assert set(profile.seen) == {9, 12}
    assert profile.dedup_floor == 9
    assert admit(profile, 1, 7_000, rules()) is Seen.TOO_OLD
    assert admit(profile, 2, 9_000, rules()) is Seen.REPEAT


def test_too_many_ids_shorten_the_horizon_from_its_old_end() -> None:
    limits = rules(max_ids=5)
    profile = Profile()
    for event_id in range(3):
        admit(profile, event_id, 7_000, limits)
    for event_id in range(3):
        admit(profile, event_id, 8_000, limits)
    admit(profile, 0, 9_000, limits)
    assert set(profile.seen) == {8, 9}
    assert profile.dedup_floor == 8
    assert admit(profile, 0, 7_000, limits) is Seen.TOO_OLD


def test_a_bucket_that_outlived_its_own_opening_goes_with_the_next_one_even_if_the_floor_stays() -> None:
    limits = rules(buckets=4, max_ids=1)
    profile = Profile()
    for bucket in (1, 3):
        admit(profile, 0, bucket * BUCKET_MS, limits)
    assert admit(profile, 0, 0, limits) is Seen.NEW  # opened below the floor it causes, and kept for its repeats
    assert (set(profile.seen), profile.dedup_floor) == ({0, 3}, 2)
    assert admit(profile, 0, 2 * BUCKET_MS, limits) is Seen.NEW
    assert (set(profile.seen), profile.dedup_floor) == ({2, 3}, 2)
    assert admit(profile, 0, 0, limits) is Seen.TOO_OLD


def test_a_flood_in_one_bucket_is_refused_but_its_repeats_are_still_repeats() -> None:
    limits = rules(per_bucket=2)
    profile = Profile()
    assert [admit(profile, event_id, 7_000, limits) for event_id in (1, 2, 3, 1)] == [
        Seen.NEW,
        Seen.NEW,
        Seen.TOO_MANY,
        Seen.REPEAT,
    ]
    assert profile.seen == {7: {short_id(1), short_id(2)}}


@pytest.mark.parametrize(("event_id", "time_ms"), [(1, 10_000), (9, 3_000)], ids=["repeat", "too old"])
def test_what_is_not_new_leaves_floor_and_ids_as_they_were(event_id: int, time_ms: int) -> None:
    profile = Profile()
    admit(profile, 1, 10_000, rules())
    assert admit(profile, event_id, time_ms, rules()) is not Seen.NEW
    assert (profile.seen, profile.dedup_floor) == ({10: {short_id(1)}}, 7)


@settings(max_examples=300, deadline=None)
@given(
    # an event is its (id, bucket): equal pairs are the same event
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12)), max_size=80),
    st.integers(1, 5),
    st.integers(1, 6),
    st.integers(1, 3),
    st.integers(1, 10),
)
def test_no_event_is_ever_admitted_twice(
    events: list[tuple[int, int]], buckets: int, max_ids: int, per_bucket: int, encode_every: int
) -> None:
    limits = rules(buckets, max_ids, per_bucket)
    profile = Profile()
    admitted: set[tuple[int, int]] = set()
    for number, (event_id, bucket) in enumerate(events):
        seen = admit(profile, event_id, bucket * BUCKET_MS, limits)
        if seen is Seen.NEW:
            assert (event_id, bucket) not in admitted
            admitted.add((event_id, bucket))
        elif seen is Seen.REPEAT:
            assert (event_id, bucket) in admitted
        assert len(profile.seen) <= buckets + 1
        if number % encode_every == 0:
            profile = state.decode(state.encode(profile))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(97, 100)), max_size=60))
def test_within_the_horizon_every_distinct_event_is_admitted_in_any_order(events: list[tuple[int, int]]) -> None:
    profile = Profile()
    outcomes = [admit(profile, event_id, bucket * BUCKET_MS, rules()) for event_id, bucket in events]
    assert outcomes.count(Seen.NEW) == len(set(events))
    assert outcomes.count(Seen.REPEAT) == len(events) - len(set(events))
