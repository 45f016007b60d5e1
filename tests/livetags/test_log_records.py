"""Reading a run's inputs again: where each record lies, and its key."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from livetags import log_records
from livetags.log_records import records_of
from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.run import FeedInput


def test_files_in_order_with_number_and_key(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    first.write_bytes(b'{"household_id": "1"}\n\n{"household_id": 22}')
    with gzip.open(second, "wb") as out:
        out.write(b'{"household_id": ""}\nnot json\n' + b'{"household_id": "3", "pad": "%s"}\n' % (b"x" * 100))
    source = FeedInput("household", "files", ("a.jsonl", "b.jsonl.gz"))
    assert list(records_of((source,), [[first, second]], max_record_bytes=64)) == [
        ("household", "a.jsonl", 0, 1, b"1", b'{"household_id": "1"}'),
        ("household", "a.jsonl", 0, 2, None, b""),
        ("household", "a.jsonl", 0, 3, b"22", b'{"household_id": 22}'),
        ("household", "b.jsonl.gz", 0, 1, None, b'{"household_id": ""}'),
        ("household", "b.jsonl.gz", 0, 2, None, b"not json"),
        ("household", "b.jsonl.gz", 0, 3, None, (b'{"household_id": "3", "pad": "' + b"x" * 100)[:65]),
    ]


def test_a_key_that_is_no_text_is_none(tmp_path: Path) -> None:
    value = b"\x0a\x02\xff\xfe"
    (tmp_path / "dpi.pb").write_bytes(bytes([len(value)]) + value)
    source = FeedInput("dpi", "files", ("dpi.pb",))
    assert list(records_of((source,), [[tmp_path / "dpi.pb"]], 100)) == [("dpi", "dpi.pb", 0, 1, None, value)]


def test_files_first_and_topics_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = DpiRecord(subscriber_id="s1").SerializeToString()
    asked = []

    def read_all(bootstrap: str, topic: str, until: object) -> Iterator[tuple[int, int, bytes | None, bytes | None]]:
        asked.append((bootstrap, topic, until))
        yield 0, 5, b"own", value
        yield 1, 0, None, value
        yield 1, 1, b"", value
        yield 1, 2, b"k", None
        yield 1, 3, None, b""
        yield 1, 4, None, value * 100

    monkeypatch.setattr(log_records, "read_all", read_all)
    (tmp_path / "h.jsonl").write_bytes(b'{"household_id": "1"}\n')
    inputs = (
        FeedInput("dpi", "kafka", ("topic",), bootstrap="host:1"),
        FeedInput("household", "files", ("h.jsonl",)),
    )
    # no run reads both; if it did, nothing would be in step with a topic
    assert list(records_of(inputs, [[], [tmp_path / "h.jsonl"]], 100, [{0: 6, 1: 4}, None])) == [
        ("household", "h.jsonl", 0, 1, b"1", b'{"household_id": "1"}'),
        ("dpi", "topic", 0, 5, b"own", value),
        ("dpi", "topic", 1, 0, b"s1", value),
        ("dpi", "topic", 1, 1, b"s1", value),
        ("dpi", "topic", 1, 2, b"k", None),
        ("dpi", "topic", 1, 3, None, b""),
        ("dpi", "topic", 1, 4, None, value * 100),
    ]
    assert asked == [("host:1", "topic", {0: 6, 1: 4})]


def test_files_of_several_feeds_in_the_order_of_a_replay(tmp_path: Path) -> None:
    lines = [b'{"household_id": "1", "event_time_ms": %d}' % time_ms for time_ms in (1_000, 3_000)]
    flow = DpiRecord(subscriber_id="s1", event_time_ms=2_000).SerializeToString()
    (tmp_path / "h.jsonl").write_bytes(b"\n".join(lines))
    (tmp_path / "d.pb").write_bytes(bytes([len(flow)]) + flow)
    inputs = (FeedInput("dpi", "files", ("d.pb",)), FeedInput("household", "files", ("h.jsonl",)))
    assert list(records_of(inputs, [[tmp_path / "d.pb"], [tmp_path / "h.jsonl"]], 100)) == [
        ("household", "h.jsonl", 0, 1, b"1", lines[0]),
        ("dpi", "d.pb", 0, 1, b"s1", flow),
        ("household", "h.jsonl", 0, 2, b"1", lines[1]),
    ]


def test_files_that_do_not_fit_the_inputs_are_an_error(tmp_path: Path) -> None:
    source = FeedInput("household", "files", ("a.jsonl",))
    with pytest.raises(ValueError, match="1 inputs and 0 lists"):
        list(records_of((source,), [], 64))
    with pytest.raises(ValueError, match="household names 1 logs, got 2 files"):
        list(records_of((source,), [[tmp_path, tmp_path]], 64))
