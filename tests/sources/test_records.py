"""Reading files record by record: every record once, whatever the bytes; damage ends as one unusable record."""

from __future__ import annotations

import gzip
import io
from collections.abc import Collection
from pathlib import Path

import pytest
from feed_checks import PSEUDONYMS
from google.protobuf.proto import serialize_length_prefixed
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.reasons import Reason, Rejected
from sources import FEEDS, cdr, dpi, household
from sources.records import _delimited, _lines, input_files, read_records

LIMIT = 64
quick = settings(max_examples=200, deadline=None)


def read_lines(content: bytes, limit: int = LIMIT) -> list[bytes]:
    return list(_lines(io.BytesIO(content), limit))


def read_delimited(content: bytes, limit: int = LIMIT) -> list[bytes]:
    return list(_delimited(io.BytesIO(content), limit))


def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def delimited(*values: bytes) -> bytes:
    return b"".join(varint(len(value)) + value for value in values)


def record(number: int = 1, **changed: object) -> DpiRecord:
    fields = {
        "subscriber_id": f"s{number}",
        "record_id": f"r{number}",
        "event_time_ms": 1_767_225_600_000,
        "app": "video.example",
        "category": "video",
        "bytes_up": 5,
        "bytes_down": 300,
    }
    return DpiRecord(**{**fields, **changed})


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (b"", []),
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\nb", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"a\r\nb", [b"a", b"b"]),
        (b"\n", [b""]),
        (b"a\n\n\r\nb\n", [b"a", b"", b"", b"b"]),
        (b"a\rb\n", [b"a\rb"]),
        (b"\xff\x00\n\xfe", [b"\xff\x00", b"\xfe"]),
    ],
)
def test_lines_are_told_apart_whatever_ends_them(content: bytes, records: list[bytes]) -> None:
    assert read_lines(content) == records


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("length", [LIMIT - 1, LIMIT])
def test_a_line_up_to_the_limit_is_whole(length: int, ending: bytes) -> None:
    assert read_lines(b"x" * length + ending) == [b"x" * length]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("length", [LIMIT + 1, LIMIT + 2, LIMIT + 3, 3_000_000])
def test_a_longer_line_is_cut_to_one_byte_more_than_the_limit_and_the_next_is_whole(length: int, ending: bytes) -> None:
    assert read_lines(b"x" * length + ending + b"next" + ending) == [b"x" * (LIMIT + 1), b"next"]
    assert read_lines(b"x" * length) == [b"x" * (LIMIT + 1)]


@quick
@given(st.lists(st.binary(max_size=90).filter(lambda v: b"\n" not in v and not v.endswith(b"\r"))), st.booleans())
def test_lines_written_are_lines_read(values: list[bytes], windows: bool) -> None:
    ending = b"\r\n" if windows else b"\n"
    read = read_lines(b"".join(value + ending for value in values))
    assert read == [value[: LIMIT + 1] for value in values]


@quick
@given(st.lists(st.binary(max_size=200)), st.integers(1, 150))
def test_delimited_records_written_are_records_read_and_longer_ones_cut(values: list[bytes], limit: int) -> None:
    assert read_delimited(delimited(*values), limit) == [value[: limit + 1] for value in values]


def test_a_record_far_beyond_the_limit_is_skipped_and_the_following_ones_are_read() -> None:
    content = delimited(b"before", b"x" * 3_000_000, b"after")
    assert read_delimited(content) == [b"before", b"x" * (LIMIT + 1), b"after"]


def test_files_by_the_official_serializer_are_read_record_by_record(tmp_path: Path) -> None:
    records = [record(number, category="c" * number) for number in (1, 2, 90, 200)] + [DpiRecord(), record(5)]
    out = io.BytesIO()
    for one in records:
        serialize_length_prefixed(one, out)
    for file in (tmp_path / "dpi.pb", tmp_path / "dpi.pb.gz"):
        file.write_bytes(gzip.compress(out.getvalue()) if file.suffix == ".gz" else out.getvalue())
        read = list(read_records(dpi.FEED, file, 65_536))
        assert [number for number, _ in read] == [1, 2, 3, 4, 5, 6]
        assert [DpiRecord.FromString(value) for _, value in read] == records


@pytest.mark.parametrize("name", ["household.jsonl", "household.jsonl.gz"])
def test_records_of_a_file_are_numbered_from_one_compressed_or_not(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    content = b"a\r\n\nlast"
    file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert list(read_records(household.FEED, file, LIMIT)) == [(1, b"a"), (2, b""), (3, b"last")]


@pytest.mark.parametrize("feed", [household.FEED, dpi.FEED])
def test_an_empty_file_has_no_records(tmp_path: Path, feed: dpi.Feed) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "empty.gz").write_bytes(gzip.compress(b""))
    assert list(read_records(feed, tmp_path / "empty", LIMIT)) == []
    assert list(read_records(feed, tmp_path / "empty.gz", LIMIT)) == []


GOOD = record().SerializeToString()


@pytest.mark.parametrize(
    "tail",
    [
        b"\x80",  # a length cut off
        b"\xff" * 9,
        b"\xff" * 10 + b"rest of the file",  # a length longer than any
        b"\x05",  # a length with nothing after it
        b"\x05abc",  # a length beyond the end of the file
        varint(2**62) + b"abc",
        varint(10 * LIMIT) + b"\xff" * (5 * LIMIT),  # too large and cut off
        varint(len(GOOD)) + GOOD[:-1],
        varint(len(GOOD)) + GOOD[:3],
    ],
    ids=lambda tail: repr(tail[:12]),
)
def test_broken_framing_ends_the_file_with_one_record_that_is_refused(tail: bytes) -> None:
    values = read_delimited(delimited(GOOD) + tail)
    assert values[0] == GOOD
    assert len(values) == 2
    assert len(values[1]) <= LIMIT + 1
    with pytest.raises(Rejected) as rejected:
        dpi.decode(dpi.subscriber(values[1]) or b"s1", values[1], PSEUDONYMS)
    assert rejected.value.reason is Reason.MALFORMED


def test_a_cut_record_is_refused_wherever_it_is_cut() -> None:
    folded = []
    for length in range(1, len(GOOD)):
        (value,) = read_delimited(varint(len(GOOD)) + GOOD[:length])
        try:
            folded.append((length, dpi.decode(b"s1", value, PSEUDONYMS)))
        except Rejected as rejected:
            if rejected.reason is not Reason.MALFORMED:
                folded.append((length, rejected.reason))
    assert folded == []


@quick
@given(st.binary(max_size=300), st.integers(1, 100))
def test_any_bytes_are_read_to_their_end_in_records_no_longer_than_the_limit_and_one(
    content: bytes, limit: int
) -> None:
    for values in (read_lines(content, limit), read_delimited(content, limit)):
        assert all(len(value) <= limit + 1 or len(value) <= 10 for value in values)
        assert bool(values) == bool(content)


@pytest.mark.parametrize(
    "damaged", [gzip.compress(b"".join(b"%d\n" % (n * n) for n in range(10_000)))[:-20], b"no gzip"]
)
def test_a_damaged_compressed_file_ends_in_one_unusable_record(tmp_path: Path, damaged: bytes) -> None:
    file = tmp_path / "household.jsonl.gz"
    file.write_bytes(damaged)
    *whole, (last_number, last) = read_records(household.FEED, file, LIMIT)
    assert [value for _, value in whole] == [b"%d" % (n * n) for n in range(len(whole))]
    assert last_number == len(whole) + 1
    with pytest.raises(Rejected):
        household.decode(b"900", last, PSEUDONYMS)


def test_input_files_are_the_feeds_own_in_name_order(tmp_path: Path) -> None:
    for name in ("household-2.jsonl", "household-1.jsonl.gz", "other.jsonl", "dpi.pb", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    names = lambda feed, only: [file.name for file in input_files(feed, tmp_path, only)]  # noqa: E731
    assert names(household.FEED, False) == ["household-1.jsonl.gz", "household-2.jsonl"]
    assert names(household.FEED, True) == ["household-1.jsonl.gz", "household-2.jsonl", "other.jsonl"]
    assert names(dpi.FEED, True) == ["dpi.pb"]
    assert input_files(dpi.FEED, tmp_path / "notes.txt", only=False) == [tmp_path / "notes.txt"]


def test_feeds_of_one_ending_in_one_folder_are_told_apart_by_the_files_names(tmp_path: Path) -> None:
    for name in ("dpi.pb", "dpi-2.pb.gz", "cdr.pb", "cdr-old.pb", "collected.pb", "collected.jsonl"):
        (tmp_path / name).write_bytes(b"")

    def names(feed: dpi.Feed, only: bool, others: Collection[str] = FEEDS) -> list[str]:
        return [file.name for file in input_files(feed, tmp_path, only, others)]

    assert dpi.FEED.file_suffix == cdr.FEED.file_suffix
    # several feeds: each by its name alone, so no file is read as two feeds, or as another's
    assert names(dpi.FEED, only=False) == ["dpi-2.pb.gz", "dpi.pb"]
    assert names(cdr.FEED, only=False) == ["cdr-old.pb", "cdr.pb"]
    # one feed: also what is named after nobody, but nothing that is named after another feed
    assert names(dpi.FEED, only=True) == ["collected.pb", "dpi-2.pb.gz", "dpi.pb"]
    assert names(cdr.FEED, only=True) == ["cdr-old.pb", "cdr.pb", "collected.pb"]
    assert names(dpi.FEED, only=True, others=()) == ["cdr-old.pb", "cdr.pb", "collected.pb", "dpi-2.pb.gz", "dpi.pb"]


def test_a_folder_with_other_feeds_files_only_holds_none_of_this_one(tmp_path: Path) -> None:
    (tmp_path / "cdr.pb").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"no file for feed dpi: expected \*\.pb"):
        input_files(dpi.FEED, tmp_path, only=True, others=FEEDS)
    assert input_files(dpi.FEED, tmp_path / "cdr.pb", only=True, others=FEEDS) == [tmp_path / "cdr.pb"]


def test_input_that_is_not_there_is_refused_with_its_path_and_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere; expected a file, a folder"):
        input_files(dpi.FEED, tmp_path / "nowhere", only=True)
    with pytest.raises(FileNotFoundError, match=r"no file for feed dpi: expected \*\.pb"):
        input_files(dpi.FEED, tmp_path, only=True)
    assert input_files(dpi.FEED, tmp_path, only=False) == []
