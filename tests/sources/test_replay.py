"""The order of a replay: every record once, each feed in its own order, feeds in step by what the records say."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sources import dpi, household
from sources.feed import Feed
from sources.replay import Numbered, in_step

LIMIT = 60
Log = list[list[bytes]]  # a feed's files, each a list of values


def timed(time_ms: int | None) -> bytes:
    return b"{}" if time_ms is None else json.dumps({"event_time_ms": time_ms}).encode()


def replayed(*logs: Log) -> list[Numbered]:
    """In step, each log a feed of lines that say their time."""
    with tempfile.TemporaryDirectory() as folder:
        inputs: list[tuple[Feed, Sequence[Path]]] = []
        for number, log in enumerate(logs):
            files = [Path(folder) / f"{number}-{index}" for index in range(len(log))]
            for file, values in zip(files, log, strict=True):
                file.write_bytes(b"".join(value + b"\n" for value in values))
            inputs.append((household.FEED, files))
        return list(in_step(inputs, LIMIT))


def times(order: list[Numbered]) -> list[tuple[int, int | None]]:
    """(number of the input, time the record says) in the order of the replay."""
    return [(number, household.event_time_ms(value)) for number, _, _, value in order]


values = st.builds(timed, st.none() | st.integers(0, 20)) | st.sampled_from([b"", b"no json", b"x" * 100])
files = st.lists(values, max_size=8)
logs = st.lists(st.lists(files, max_size=3), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(logs)
def test_every_record_comes_once_and_each_feed_keeps_its_own_order(log: list[Log]) -> None:
    order = replayed(*log)
    expected = {
        (number, index, record): value[: LIMIT + 1]
        for number, files in enumerate(log)
        for index, values in enumerate(files)
        for record, value in enumerate(values, 1)
    }
    assert len(order) == len(expected)
    assert {(number, index, record): value for number, index, record, value in order} == expected
    for number in range(len(log)):
        mine = [(index, record) for each, index, record, _ in order if each == number]
        assert mine == sorted(mine)


@settings(max_examples=150, deadline=None)
@given(logs)
def test_the_order_depends_on_the_records_alone(log: list[Log]) -> None:
    assert replayed(*log) == replayed(*log)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), max_size=10).map(sorted), min_size=2, max_size=4))
def test_feeds_that_are_in_order_are_merged_by_time_and_of_one_instant_by_feed(log: list[list[int]]) -> None:
    order = times(replayed(*([[timed(each) for each in feed]] for feed in log)))
    assert [(time_ms, number) for number, time_ms in order] == sorted(
        (time_ms, number) for number, feed in enumerate(log) for time_ms in feed
    )


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, 30), max_size=12).map(sorted),
    st.lists(st.integers(0, 30), max_size=12).map(sorted),
    st.data(),
)
def test_late_records_and_one_broken_clock_do_not_move_the_other_feed(
    steady: list[int], feed: list[int], data: st.DataObject
) -> None:
    """A record that is late, says no time, or says one far ahead stays where it is; what follows comes when it did."""
    where = data.draw(st.integers(0, len(feed)))
    odd = data.draw(st.sampled_from([None, 0, 10**15]))
    plain = replayed([[timed(each) for each in steady]], [[timed(each) for each in feed]])
    spoiled = [*map(timed, feed[:where]), timed(odd), *map(timed, feed[where:])]
    order = replayed([[timed(each) for each in steady]], [spoiled])
    # a record before a late one is a jump that nobody agrees with, so it may come earlier
    begin = where if odd == 0 else 0
    expected = [(number, value) for number, _, record, value in plain if number == 0 or record > begin]
    found = [
        (number, value)
        for number, _, record, value in order
        if number == 0 or (record != where + 1 and record > begin + (record > where))
    ]
    assert found == expected


def test_a_broken_clock_before_records_without_a_time_holds_nothing_back() -> None:
    feed = [timed(1), timed(10**15), timed(None), b"no json", timed(6), timed(7), timed(8)]
    order = times(replayed([[timed(5), timed(9)]], [feed]))
    assert order == [(1, 1), (0, 5), (1, 10**15), (1, None), (1, None), (1, 6), (1, 7), (1, 8), (0, 9)]


def test_a_feed_that_says_no_time_for_long_goes_on() -> None:
    feed = [timed(1), *[timed(None)] * 1_000, timed(3), timed(4)]
    order = replayed([[timed(2), timed(5)]], [feed])
    assert [record for number, _, record, _ in order if number == 1] == list(range(1, 1_004))
    assert [number for number, _, _, _ in order][-3:] == [1, 1, 0]


def test_a_jump_that_the_next_record_agrees_with_counts() -> None:
    order = times(replayed([[timed(5), timed(6), timed(50)]], [[timed(1), timed(40), timed(41), timed(7)]]))
    assert order == [(1, 1), (0, 5), (0, 6), (1, 40), (1, 41), (1, 7), (0, 50)]


def test_a_jump_that_the_next_record_does_not_agree_with_holds_nothing_back() -> None:
    order = times(replayed([[timed(5), timed(9)]], [[timed(1), timed(1_000_000), timed(6), timed(7)]]))
    assert order == [(1, 1), (0, 5), (1, 1_000_000), (1, 6), (1, 7), (0, 9)]


def test_a_feeds_files_are_one_log() -> None:
    order = replayed([[timed(1), timed(5)], [], [timed(3), timed(8)]], [[timed(4), timed(6)]])
    assert [(number, index, record) for number, index, record, _ in order] == [
        (0, 0, 1),
        (0, 0, 2),  # the next record is of 3, in the next file: so it is as of 3, too
        (0, 2, 1),
        (1, 0, 1),
        (1, 0, 2),
        (0, 2, 2),
    ]


def test_a_record_too_long_is_not_parsed_and_stays_in_its_place(tmp_path: Path) -> None:
    def event_time_ms(value: bytes) -> int | None:
        assert len(value) <= LIMIT
        return household.event_time_ms(value)

    feed = replace(household.FEED, event_time_ms=event_time_ms)
    (tmp_path / "a").write_bytes(b"\n".join([timed(3), b'{"event_time_ms": 1, "pad": "' + b"x" * 99 + b'"}', timed(4)]))
    (tmp_path / "b").write_bytes(timed(1) + b"\n" + timed(9))
    order = list(in_step([(feed, [tmp_path / "a"]), (feed, [tmp_path / "b"])], LIMIT))
    assert [(number, record) for number, _, record, _ in order] == [(1, 1), (0, 1), (0, 2), (0, 3), (1, 2)]
    assert len(order[2][3]) == LIMIT + 1


def test_feeds_of_different_formats_are_read_each_as_its_own(tmp_path: Path) -> None:
    (tmp_path / "h.jsonl").write_bytes(timed(1_500) + b"\n" + timed(2_500))
    flow = dpi.DpiRecord(subscriber_id="s", event_time_ms=2_000).SerializeToString()
    (tmp_path / "d.pb").write_bytes(bytes([len(flow)]) + flow)
    order = list(in_step([(household.FEED, [tmp_path / "h.jsonl"]), (dpi.FEED, [tmp_path / "d.pb"])], LIMIT))
    assert order == [(0, 0, 1, timed(1_500)), (1, 0, 1, flow), (0, 0, 2, timed(2_500))]
