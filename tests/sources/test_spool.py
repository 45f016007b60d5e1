"""Spooling: every record of every feed exactly once, numbered, in the order of a replay, with its key and its place."""

from __future__ import annotations

import gzip
import json
import tempfile
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.position import unpack_position
from sources import cdr, dpi, household
from sources.feed import Feed
from sources.replay import in_step
from sources.spool import spool

Spooled = tuple[int, int, int, str | None, bytes]  # number of the input, index of the file, record's number, key, value
T0_MS = 1_767_225_600_000


def read_spool(file: Path) -> list[Spooled]:
    """The spool's records; also checks that they are numbered from 1 without a gap."""
    records = []
    for expected, text in enumerate(gzip.decompress(file.read_bytes()).splitlines(), 1):
        spooled = json.loads(text)
        assert list(spooled) == ["s", "p", "k", "v"]
        assert spooled["s"] == expected
        position = unpack_position(spooled["p"])
        records.append((*position, spooled["k"], b64decode(spooled["v"], validate=True)))
    return records


def written(feed: Feed, folder: Path, contents: Sequence[bytes]) -> tuple[Feed, list[Path]]:
    files = [folder / f"{feed.name}-{index}{feed.file_suffix}" for index in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    return feed, files


def spooled(folder: Path, *inputs: tuple[Feed, Sequence[bytes]], limit: int = 65_536) -> list[Spooled]:
    logs = [written(feed, folder, contents) for feed, contents in inputs]
    records = spool(logs, folder / "there" / "replay.json.gz", limit)
    read = read_spool(folder / "there" / "replay.json.gz")
    assert records == len(read)
    return read


def line(household_id: object, note: str = "", time_ms: object = None) -> bytes:
    return json.dumps({"household_id": household_id, "note": note, "event_time_ms": time_ms}).encode()


def flow(user: str, number: int, time_ms: int = T0_MS) -> bytes:
    return DpiRecord(subscriber_id=user, record_id=str(number), event_time_ms=time_ms).SerializeToString()


def delimited(values: Sequence[bytes]) -> bytes:
    return b"".join(bytes([len(value)]) + value for value in values)


lines = st.lists(
    st.builds(
        line,
        st.sampled_from(["1", "2", "3", "häus", 'a"b\\', 7, None, ""]),
        st.text(max_size=5),
        st.none() | st.integers(0, 9) | st.just("noon"),
    )
    | st.binary(max_size=90).filter(lambda v: b"\n" not in v and not v.endswith(b"\r")),
    max_size=12,
)
flows = st.lists(
    st.builds(flow, st.sampled_from(["1", "x"]), st.integers(0, 9), st.integers(0, 9)) | st.binary(max_size=80),
    max_size=8,
)
logs = st.tuples(st.lists(lines, min_size=1, max_size=3), st.lists(flows, max_size=2))


@settings(max_examples=60, deadline=None)
@given(logs)
def test_records_spooled_are_the_records_of_the_files_each_exactly_once(
    log: tuple[list[list[bytes]], list[list[bytes]]],
) -> None:
    limit = 70
    contents = [b"".join(value + b"\n" for value in values) for values in log[0]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        read = spooled(
            folder, (household.FEED, contents), (dpi.FEED, [delimited(values) for values in log[1]]), limit=limit
        )
        inputs = [written(household.FEED, folder, contents), (dpi.FEED, sorted(folder.glob("dpi-*")))]
        replayed = list(in_step(inputs, limit))
    expected = {
        (feed, index, number): value[: limit + 1]
        for feed, files in enumerate(log)
        for index, values in enumerate(files)
        for number, value in enumerate(values, 1)
    }
    assert len(read) == len(expected)
    assert {place: value for *place_of, _, value in read for place in [tuple(place_of)]} == expected
    for number, _, _, key, value in read:
        subscriber = (household, dpi)[number].subscriber(value) if len(value) <= limit else None
        try:
            assert key == (subscriber.decode() if subscriber else None)
        except UnicodeDecodeError:
            assert key is None
    # the order is that of a replay, which keeps each feed's own
    assert [(*place, value) for *place, _, value in read] == replayed
    for feed in (0, 1):
        mine = [record[1:3] for record in read if record[0] == feed]
        assert mine == sorted(mine)


def test_a_record_too_long_is_cut_has_no_key_and_keeps_its_number(tmp_path: Path) -> None:
    content = b"\n".join([line("1"), line("1", "x" * 500), line("2")])
    read = spooled(tmp_path, (household.FEED, [content]), limit=100)
    assert [record[:4] for record in read] == [(0, 0, 1, "1"), (0, 0, 2, None), (0, 0, 3, "2")]
    assert len(read[1][4]) == 101


def test_a_key_that_is_not_text_is_none_and_its_record_stays(tmp_path: Path) -> None:
    value = b"\x0a\x02\xff\xfe"
    assert dpi.subscriber(value) == b"\xff\xfe"
    assert spooled(tmp_path, (dpi.FEED, [b"\x04" + value])) == [(0, 0, 1, None, value)]


def test_feeds_lie_in_the_order_of_their_times_and_positions_say_which_feed_and_file(tmp_path: Path) -> None:
    households = [line("1", time_ms=T0_MS), line("2", time_ms=T0_MS + 30), line("3", time_ms=T0_MS + 60)]
    first, second = [flow("a", 1, T0_MS + 10)], [flow("b", 2, T0_MS + 40), flow("c", 3, T0_MS + 50)]
    read = spooled(
        tmp_path,
        (household.FEED, [b"\n".join(households)]),
        (cdr.FEED, []),
        (dpi.FEED, [delimited(first), delimited(second)]),
    )
    assert [record[:4] for record in read] == [
        (0, 0, 1, "1"),
        (2, 0, 1, "a"),
        (0, 0, 2, "2"),
        (2, 1, 1, "b"),
        (2, 1, 2, "c"),
        (0, 0, 3, "3"),
    ]


def test_more_records_than_one_write_holds_are_all_written_and_progress_is_told(tmp_path: Path) -> None:
    log = written(household.FEED, tmp_path, [b"{}\n" * 45_000])
    told: list[int] = []
    assert spool([log], tmp_path / "replay.json.gz", 65_536, told.append) == 45_000
    assert told == [20_000, 40_000, 45_000]
    assert len(read_spool(tmp_path / "replay.json.gz")) == 45_000


def test_the_same_files_give_the_same_lines_again(tmp_path: Path) -> None:
    log = written(household.FEED, tmp_path, [b"\n".join(line(str(n), time_ms=n) for n in range(50))])
    for name in ("one.gz", "two.gz"):
        spool([log], tmp_path / name, 65_536)
    one, two = (gzip.decompress((tmp_path / name).read_bytes()) for name in ("one.gz", "two.gz"))
    assert one == two


@pytest.mark.parametrize("feed", [household.FEED, dpi.FEED])
def test_empty_files_and_no_files_give_an_empty_spool(tmp_path: Path, feed: Feed) -> None:
    assert spooled(tmp_path, (feed, [b"", b""])) == []
    assert spooled(tmp_path, (feed, [])) == []


def test_more_files_than_a_position_can_number_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "one.jsonl"
    file.write_bytes(b"")
    with pytest.raises(ValueError, match=r"household has 65,537 files, a position numbers 65,536"):
        spool([(household.FEED, [file] * 65_537)], tmp_path / "replay.json.gz", 100)
    assert not (tmp_path / "replay.json.gz").exists()
