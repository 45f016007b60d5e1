"""How far each feed has come: never further than what has been read, and not behind for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import AppUse
from schemas.outputs import Forwarded
from schemas.position import pack_position
from udfs.stages.feed_progress import FeedProgress

FEEDS = ("dpi", "order", "cdr")
START_MS = 1_767_225_600_000
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


def batch(feed: int, *times_ms: int, partition: int = 0) -> Forwarded:
    events = [
        (0, pack_position(feed, partition, n), AppUse("p", n, at, "v", "", 0, 1)) for n, at in enumerate(times_ms)
    ]
    return Forwarded(events)


def begun() -> FeedProgress:
    return FeedProgress(FEEDS, None, START_MS, START_MS - HOUR_MS)


def test_a_feed_in_time_has_come_up_to_now() -> None:
    progress = begun()
    progress.note([batch(0, START_MS - 300)], START_MS)
    assert progress.watermarks(START_MS).of(["dpi"]) == START_MS - 300
    assert progress.watermarks(START_MS + 300).of(["dpi"]) == START_MS + 300
    assert progress.watermarks(START_MS + HOUR_MS).of(["dpi"]) == START_MS + HOUR_MS


def test_a_feed_that_is_behind_has_come_up_to_its_newest_event_and_silence_counts_twice() -> None:
    progress = begun()
    progress.note([batch(0, START_MS - HOUR_MS, START_MS - 2 * HOUR_MS)], START_MS)
    assert progress.watermarks(START_MS).of(["dpi"]) == START_MS - HOUR_MS
    assert progress.watermarks(START_MS + 9_999).of(["dpi"]) == START_MS - HOUR_MS
    assert progress.watermarks(START_MS + 10 * MINUTE_MS).of(["dpi"]) == START_MS - HOUR_MS + 20 * MINUTE_MS
    assert progress.watermarks(START_MS + 2 * HOUR_MS).of(["dpi"]) == START_MS + 2 * HOUR_MS


def test_while_a_backlog_is_worked_off_what_counts_is_how_far_it_was_seconds_ago() -> None:
    progress = begun()
    for second in range(60):  # six minutes of the log a second
        progress.note([batch(0, START_MS - 10 * HOUR_MS + second * 6 * MINUTE_MS)], START_MS + second * 1_000)
    now_ms = START_MS + 59_500
    assert progress.watermarks(now_ms).of(["dpi"]) == START_MS - 10 * HOUR_MS + 49 * 6 * MINUTE_MS
    assert len(progress._earlier[pack_position(0, 0, 0) >> 40]) <= 12
    # it has caught up: nothing more is waited for
    progress.note([batch(0, now_ms + 400)], now_ms + 500)
    assert progress.watermarks(now_ms + 600).of(["dpi"]) == now_ms + 600


def test_a_late_record_alone_does_not_make_its_feed_late() -> None:
    progress = begun()
    progress.note([batch(0, START_MS)], START_MS)
    progress.note([batch(0, START_MS - 30 * HOUR_MS)], START_MS + 100)
    assert progress.watermarks(START_MS + 100).of(["dpi"]) == START_MS + 100


def test_the_partition_that_is_furthest_behind_counts_and_other_feeds_do_not() -> None:
    progress = begun()
    progress.note([batch(0, START_MS), batch(0, START_MS - HOUR_MS, partition=7), batch(1, START_MS - 5)], START_MS)
    marks = progress.watermarks(START_MS)
    assert marks.of(["dpi"]) == START_MS - HOUR_MS
    assert marks.of(["order"]) == START_MS - 5
    assert marks.of(["dpi", "order"]) == START_MS - HOUR_MS
    assert marks.of([]) == marks.of(["cdr"]) == START_MS


def test_a_clock_ahead_of_ours_does_not_hide_that_a_feed_is_behind() -> None:
    progress = begun()
    progress.note([batch(0, START_MS + HOUR_MS)], START_MS)
    saved = progress.save(START_MS)
    again = FeedProgress(FEEDS, saved, START_MS + 2 * HOUR_MS, START_MS + 2 * HOUR_MS)
    again.note([batch(0, START_MS + MINUTE_MS)], START_MS + 2 * HOUR_MS)
    assert again.watermarks(START_MS + 2 * HOUR_MS).of(["dpi"]) == START_MS  # as far as it was when the job began
    after_ms = START_MS + 2 * HOUR_MS + 10_000
    assert again.watermarks(after_ms).of(["dpi"]) == START_MS + MINUTE_MS + 20_000


def test_a_feed_that_nothing_has_come_of_is_waited_for_in_the_first_seconds_only() -> None:
    progress = FeedProgress(FEEDS, None, START_MS, START_MS)
    assert progress.watermarks(START_MS + 9_999).of(["cdr"]) == 0
    assert progress.watermarks(START_MS + 10_000).of(["cdr"]) == START_MS + 10_000


def test_time_in_which_no_job_ran_is_lag() -> None:
    progress = begun()
    progress.note([batch(0, START_MS - 100)], START_MS)
    saved = progress.save(START_MS)
    assert saved is not None
    assert progress.save(START_MS + 999) is None
    back_ms = START_MS + HOUR_MS
    again = FeedProgress(FEEDS, saved, back_ms, back_ms)
    assert again.watermarks(back_ms).of(["dpi"]) == START_MS - 100
    again.note([batch(0, START_MS + MINUTE_MS)], back_ms + 50)
    assert again.watermarks(back_ms + 50).of(["dpi"]) == START_MS - 100
    assert again.watermarks(back_ms + 10_050).of(["dpi"]) == START_MS + MINUTE_MS + 20_000


@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1]), st.integers(0, 1), st.integers(0, 50), st.integers(-40, 10), st.booleans()),
        max_size=30,
    )
)
def test_a_watermark_is_neither_after_the_clock_nor_after_what_was_read_last_of_a_feed_that_is_behind(
    story: list[tuple[int, int, int, int, bool]],
) -> None:
    """Steps are (feed, partition, seconds that pass, age of the event in seconds as of then, restart before)."""
    now_ms, started_ms = START_MS, START_MS - HOUR_MS
    progress = begun()
    newest: dict[tuple[int, int], int] = {}
    oldest: dict[tuple[int, int], int] = {}
    for feed, partition, passed_s, ago_s, restart in story:
        now_ms += passed_s * 1_000
        if restart:
            saved = progress.save(now_ms + 2_000)
            assert saved is not None
            now_ms += 2_000
            progress = FeedProgress(FEEDS, saved, now_ms, started_ms)
        at_ms = min(now_ms + ago_s * 1_000, now_ms)
        log = (feed, partition)
        came = at_ms > newest.get(log, 0)
        progress.note([batch(feed, now_ms + ago_s * 1_000, partition=partition)], now_ms)
        newest[log] = max(newest.get(log, 0), at_ms)
        oldest.setdefault(log, at_ms)
        marks = progress.watermarks(now_ms)
        if came and now_ms - at_ms > 1_000:
            assert marks.of([FEEDS[feed]]) <= at_ms
        for number, name in enumerate(FEEDS):
            first = [first_ms for (which, _), first_ms in oldest.items() if which == number]
            assert min(first, default=now_ms) <= marks.of([name]) <= now_ms
        assert progress.watermarks(now_ms + 10**12).of(FEEDS) == now_ms + 10**12
