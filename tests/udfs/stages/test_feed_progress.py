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
    return FeedProgress(FEEDS, START_MS - HOUR_MS)


def test_a_feed_in_time_has_come_up_to_now() -> None:
    progress = begun()
    progress.note([batch(0, START_MS - 300)], START_MS)
    assert progress.watermarks(START_MS).of(["dpi"]) == START_MS - 300
    assert progress.watermarks(START_MS + 299).of(["dpi"]) == START_MS - 300
    assert progress.watermarks(START_MS + 300).of(["dpi"]) == START_MS + 300
    assert progress.watermarks(START_MS + HOUR_MS).of(["dpi"]) == START_MS + HOUR_MS


def test_a_feed_that_is_behind_has_come_up_to_its_newest_event_until_it_is_silent_for_a_minute() -> None:
    progress = begun()
    progress.note([batch(0, START_MS - HOUR_MS, START_MS - 2 * HOUR_MS)], START_MS)
    assert progress.watermarks(START_MS).of(["dpi"]) == START_MS - HOUR_MS
    assert progress.watermarks(START_MS + MINUTE_MS - 1).of(["dpi"]) == START_MS - HOUR_MS
    assert progress.watermarks(START_MS + MINUTE_MS).of(["dpi"]) == START_MS + MINUTE_MS


def test_a_feed_that_is_always_a_day_late_is_decided_a_day_late() -> None:
    progress = begun()
    for second in range(0, 600, 20):
        now_ms = START_MS + second * 1_000
        progress.note([batch(0, now_ms - 24 * HOUR_MS)], now_ms)
    assert progress.watermarks(now_ms + 10_000).of(["dpi"]) == now_ms - 24 * HOUR_MS


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
    progress.note([batch(0, START_MS)], START_MS)
    progress.note([batch(0, START_MS + HOUR_MS)], START_MS)
    back_ms = START_MS + 2 * HOUR_MS
    again = FeedProgress(FEEDS, back_ms)
    again.restore(progress.save(START_MS), back_ms)
    again.note([batch(0, START_MS + MINUTE_MS)], back_ms)
    assert again.watermarks(back_ms).of(["dpi"]) == START_MS  # as far as it was when the job began
    assert again.watermarks(back_ms + 10_000).of(["dpi"]) == START_MS + MINUTE_MS


def test_one_record_of_a_clock_ahead_does_not_make_a_late_feed_be_in_time() -> None:
    progress = begun()
    for second in range(0, 600, 5):
        now_ms = START_MS + second * 1_000
        skewed = [batch(0, now_ms + MINUTE_MS)] if second == 100 else []
        progress.note([batch(0, now_ms - HOUR_MS), *skewed], now_ms)
    assert progress.watermarks(now_ms).of(["dpi"]) <= now_ms - HOUR_MS


def test_a_feed_that_nothing_has_come_of_is_waited_for_in_the_first_seconds_only() -> None:
    progress = FeedProgress(FEEDS, START_MS)
    assert progress.watermarks(START_MS + 9_999).of(["cdr"]) == 0
    assert progress.watermarks(START_MS + 10_000).of(["cdr"]) == START_MS + 10_000


def test_time_in_which_no_job_ran_is_lag_whichever_shard_tells_of_it() -> None:
    progress = begun()
    progress.note([batch(0, START_MS - 100), batch(1, START_MS - 200)], START_MS)
    early = progress.save(START_MS)
    progress.note([batch(0, START_MS + 2_000)], START_MS + 2_100)
    saved = progress.save(START_MS + 2_100)
    back_ms = START_MS + HOUR_MS
    for order in ((early, saved), (saved, early)):
        again = FeedProgress(FEEDS, back_ms)
        for each in order:
            again.restore(each, back_ms)
        assert again.watermarks(back_ms + 50_000).of(["dpi"]) == START_MS + 2_000
        assert again.watermarks(back_ms + 50_000).of(["order"]) == START_MS - 200
        assert again.watermarks(back_ms + MINUTE_MS).of(["dpi", "order"]) == back_ms + MINUTE_MS
        again.note([batch(0, START_MS + MINUTE_MS)], back_ms + 50)
        assert again.watermarks(back_ms + 50).of(["dpi"]) == START_MS + 2_000
        assert again.watermarks(back_ms + 10_050).of(["dpi"]) == START_MS + MINUTE_MS
        again.restore(saved, back_ms + 11_000)  # another shard's first turn says nothing new
        assert again.watermarks(back_ms + 11_000).of(["dpi"]) == START_MS + MINUTE_MS


def test_an_operator_that_stood_still_believes_no_silence_of_that_time() -> None:
    progress = begun()
    progress.note([batch(0, START_MS - 100)], START_MS)
    now_ms = START_MS + 5 * MINUTE_MS
    progress.stood_still(900, now_ms)  # that is nothing
    assert progress.watermarks(now_ms).of(["dpi"]) == now_ms
    progress.stood_still(5 * MINUTE_MS, now_ms)
    assert progress.watermarks(now_ms + 1_000).of(["dpi"]) == START_MS - 100
    progress.note([batch(0, now_ms + 800)], now_ms + 1_000)  # it goes on
    assert progress.watermarks(now_ms + 1_200).of(["dpi"]) == now_ms + 1_200


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1]), st.integers(0, 1), st.integers(0, 90), st.integers(-90, 10), st.sampled_from("nrs")
        ),
        max_size=30,
    )
)
def test_a_watermark_is_neither_after_the_clock_nor_after_what_was_read_last_of_a_feed_that_is_behind(
    story: list[tuple[int, int, int, int, str]],
) -> None:
    """Steps: (feed, partition, seconds that pass, age of the event in seconds, restart or standstill before it)."""
    now_ms = START_MS
    progress = begun()
    newest: dict[tuple[int, int], int] = {}
    oldest: dict[tuple[int, int], int] = {}
    for feed, partition, passed_s, ago_s, before in story:
        now_ms += passed_s * 1_000
        if before == "r":
            saved = progress.save(now_ms)
            now_ms += 2_000
            progress = FeedProgress(FEEDS, now_ms - HOUR_MS)
            progress.restore(saved, now_ms)
        elif before == "s":
            progress.stood_still(passed_s * 1_000, now_ms)
        at_ms = now_ms + ago_s * 1_000
        log = (feed, partition)
        came = newest.get(log, 0) < at_ms <= now_ms
        progress.note([batch(feed, now_ms + ago_s * 1_000, partition=partition)], now_ms)
        if at_ms <= now_ms:
            newest[log] = max(newest.get(log, 0), at_ms)
            oldest.setdefault(log, at_ms)
        marks = progress.watermarks(now_ms)
        if came and now_ms > at_ms:
            assert marks.of([FEEDS[feed]]) <= at_ms
        for number, name in enumerate(FEEDS):
            first = [first_ms for (which, _), first_ms in oldest.items() if which == number]
            assert min(first, default=now_ms) <= marks.of([name]) <= now_ms
        assert progress.watermarks(now_ms + MINUTE_MS).of(FEEDS) == now_ms + MINUTE_MS
