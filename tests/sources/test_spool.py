"""Spooling: every record exactly once, with its number, in its subscriber's lane, in order."""

from __future__ import annotations

import gzip
import json
import tempfile
from base64 import b64decode
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.position import unpack_position
from sources import dpi, household
from sources.feed import Feed
from sources.spool import spool

Spooled = tuple[int, int, str | None, bytes]  # file's index, record's number, key, value


def lanes_of(folder: Path) -> list[list[Spooled]]:
    """Every lane's records; also checks that positions carry feed number 3, as `spooled` gives."""
    lanes = []
    for file in sorted(folder.iterdir()):
        lane = []
        for text in gzip.decompress(file.read_bytes()).splitlines():
            spooled = json.loads(text)
            assert spooled.keys() == {"p", "k", "v"}
            feed_number, index, number = unpack_position(spooled["p"])
            assert feed_number == 3
            lane.append((index, number, spooled["k"], b64decode(spooled["v"], validate=True)))
        lanes.append(lane)
    return lanes


def spooled(feed: Feed, folder: Path, contents: list[bytes], lanes: int, limit: int = 65_536) -> list[list[Spooled]]:
    files = [folder / f"{index}{feed.file_suffix}" for index in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    records = spool(feed, 3, files, folder / "lanes", lanes, limit)
    read = lanes_of(folder / "lanes")
    assert len(read) == lanes
    assert records == sum(len(lane) for lane in read)
    return read


def line(household_id: object, note: str = "") -> bytes:
    return json.dumps({"household_id": household_id, "note": note}).encode()


logs = st.lists(
    st.lists(
        st.builds(line, st.sampled_from(["1", "2", "3", "häus", 'a"b\\', 7, None, ""]), st.text(max_size=5))
        | st.binary(max_size=90).filter(lambda v: b"\n" not in v and not v.endswith(b"\r")),
        max_size=12,
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(logs, st.integers(1, 4))
def test_records_spooled_are_the_records_of_the_files_each_exactly_once(log: list[list[bytes]], lanes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        contents = [b"".join(value + b"\n" for value in values) for values in log]
        read = spooled(household.FEED, Path(folder), contents, lanes, limit=70)
    expected = {
        (index, number): value[:71] for index, values in enumerate(log) for number, value in enumerate(values, 1)
    }
    every = [record for lane in read for record in lane]
    assert len(every) == len(expected)
    assert {(index, number): value for index, number, _, value in every} == expected
    lane_of: dict[str, set[int]] = defaultdict(set)
    for lane_number, lane in enumerate(read):
        assert [record[:2] for record in lane] == sorted(record[:2] for record in lane)
        for _, _, key, value in lane:
            subscriber = household.subscriber(value) if len(value) <= 70 else None
            assert key == (subscriber.decode() if subscriber else None)
            if key is not None:
                lane_of[key].add(lane_number)
    assert all(len(lanes_seen) == 1 for lanes_seen in lane_of.values())


def test_subscribers_spread_over_the_lanes(tmp_path: Path) -> None:
    content = b"".join(line(str(number)) + b"\n" for number in range(200))
    read = spooled(household.FEED, tmp_path, [content], lanes=4)
    assert all(30 < len(lane) < 70 for lane in read)


def test_a_record_too_long_is_cut_has_no_key_and_keeps_its_number(tmp_path: Path) -> None:
    content = b"\n".join([line("1"), line("1", "x" * 500), line("2")])
    (lane,) = spooled(household.FEED, tmp_path, [content], lanes=1, limit=100)
    assert [record[:3] for record in lane] == [(0, 1, "1"), (0, 2, None), (0, 3, "2")]
    assert len(lane[1][3]) == 101


def test_a_key_that_is_not_text_is_none_and_its_record_stays(tmp_path: Path) -> None:
    value = b"\x0a\x02\xff\xfe"
    assert dpi.subscriber(value) == b"\xff\xfe"
    read = spooled(dpi.FEED, tmp_path, [b"\x04" + value], lanes=2)
    assert [record for lane in read for record in lane] == [(0, 1, None, value)]


def test_delimited_records_of_every_subscriber_come_through_in_order(tmp_path: Path) -> None:
    values = [
        DpiRecord(subscriber_id=f"s{number % 3}", record_id=str(number)).SerializeToString() for number in range(30)
    ]
    read = spooled(dpi.FEED, tmp_path, [b"".join(bytes([len(v)]) + v for v in values)], lanes=2)
    for user in ("s0", "s1", "s2"):
        mine = [[value for _, _, key, value in lane if key == user] for lane in read]
        assert sorted(mine, key=len) == [[], [v for v in values if dpi.subscriber(v) == user.encode()]]


def test_more_records_than_one_write_holds_are_all_written_and_progress_is_told(tmp_path: Path) -> None:
    file = tmp_path / "household.jsonl"
    file.write_bytes(b"{}\n" * 45_000)
    told: list[int] = []
    assert spool(household.FEED, 3, [file], tmp_path / "lanes", 1, 65_536, told.append) == 45_000
    assert told == [20_000, 40_000, 45_000]
    with gzip.open(tmp_path / "lanes" / "lane-000.json.gz") as lane:
        assert sum(1 for _ in lane) == 45_000


@pytest.mark.parametrize("feed", [household.FEED, dpi.FEED])
def test_empty_files_give_empty_lanes(tmp_path: Path, feed: Feed) -> None:
    assert spooled(feed, tmp_path, [b"", b""], lanes=3) == [[], [], []]


def test_more_files_than_a_position_can_number_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "one.jsonl"
    file.write_bytes(b"")
    with pytest.raises(ValueError, match=r"65.?536"):
        spool(household.FEED, 3, [file] * 65_537, tmp_path / "lanes", 1, 100)
