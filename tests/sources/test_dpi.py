"""Feed `dpi`: good flow records decode, bad ones are refused for the right reason, and nothing else is ever raised."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import AppUse, identity_of
from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.reasons import Reason, Rejected
from sources.dpi import FEED, decode, sample, subscriber

GOOD: dict[str, Any] = {
    "subscriber_id": "s000000001",
    "record_id": "r-1",
    "event_time_ms": 1_767_225_600_000,
    "app": "video.example",
    "category": "video",
    "bytes_up": 1_000,
    "bytes_down": 2_000_000,
}
KEY = b"s000000001"
quick = settings(max_examples=200, deadline=None)


def record(**changed: object) -> bytes:
    return DpiRecord(**{**GOOD, **changed}).SerializeToString()


def reason_of(value: bytes, key: bytes = KEY) -> Reason:
    with pytest.raises(Rejected) as rejected:
        decode(key, value)
    return rejected.value.reason


def test_a_good_record_is_an_app_use() -> None:
    assert decode(KEY, record()) == AppUse(
        "s000000001", identity_of("r-1"), 1_767_225_600_000, "video.example", "video", 1_000, 2_000_000
    )


def test_an_unknown_category_is_called_unknown() -> None:
    assert decode(KEY, record(category="")).category == "unknown"


def test_fields_the_message_does_not_know_are_ignored() -> None:
    assert decode(KEY, record() + b"\xf8\x01\x07") == decode(KEY, record())


def test_the_key_names_the_subscriber_where_the_record_does_not() -> None:
    assert decode("söme".encode(), record(subscriber_id="")).user == "söme"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (record(subscriber_id="s2"), Reason.KEY_MISMATCH),
        (record(record_id=""), Reason.EVENT_ID_MISSING),
        (record(app=""), Reason.TAG_MISSING),
        (record(bytes_up=-1), Reason.VALUE_NEGATIVE),
        (record(bytes_down=-(2**63)), Reason.VALUE_NEGATIVE),
        (b"", Reason.EVENT_ID_MISSING),
        (record()[:-1], Reason.MALFORMED),
        (record()[:5], Reason.MALFORMED),
        (b"\x0a\x02\xff\xfe", Reason.MALFORMED),  # subscriber_id that is not UTF-8
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Reason.MALFORMED),  # a length without end
        (b"\x0f", Reason.MALFORMED),  # wire type 7
        (b"\x00\x00", Reason.MALFORMED),  # field 0
        (b"\x0b" * 100_000, Reason.MALFORMED),  # groups without end
        (b"\xff" * 10_000_000, Reason.MALFORMED),
        (b'{"subscriber_id": "s000000001"}', Reason.MALFORMED),
    ],
)
def test_a_bad_record_is_refused_for_its_reason(value: bytes, reason: Reason) -> None:
    assert reason_of(value) is reason


def test_fields_of_the_wrong_wire_type_are_taken_for_unknown_ones() -> None:
    # record_id (field 2) as a varint: protobuf skips it, so the record has no id
    assert reason_of(b"\x0a\x0as000000001" + b"\x10\x05") is Reason.EVENT_ID_MISSING
    # event_time_ms (field 3) as text: skipped, so the time is 0 and advance refuses it
    assert decode(KEY, record(event_time_ms=0) + b"\x1a\x02ab").event_time_ms == 0


def test_a_record_without_key_is_refused_as_such_and_a_key_that_is_not_text_too() -> None:
    assert reason_of(record(), key=b"") is Reason.KEY_MISSING
    assert reason_of(record(), key=b"\xff") is Reason.MALFORMED


def test_ten_megabytes_of_one_name_decode_like_any_other() -> None:
    assert len(decode(KEY, record(app="x" * 10_000_000)).app) == 10_000_000


@pytest.mark.parametrize("time_ms", [-(2**63), -62135596800000, -1, 0, 253402300800000, 2**63 - 1])
def test_absurd_dates_are_left_for_advance_to_refuse(time_ms: int) -> None:
    assert decode(KEY, record(event_time_ms=time_ms)).event_time_ms == time_ms


@quick
@given(st.binary(max_size=300), st.binary(max_size=10))
def test_arbitrary_bytes_are_an_event_of_their_key_or_refused(value: bytes, key: bytes) -> None:
    assert subscriber(value) is None or isinstance(subscriber(value), bytes)
    try:
        event = decode(key, value)
    except Rejected:
        return
    assert event.user.encode() == key
    assert event.bytes_up >= 0
    assert event.bytes_down >= 0


@quick
@given(st.data())
def test_damaged_records_are_an_event_of_their_key_or_refused(data: st.DataObject) -> None:
    value = bytearray(record())
    for _ in range(data.draw(st.integers(1, 4))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(value[: data.draw(st.integers(0, len(value)))])
    key = subscriber(damaged)
    try:
        event = decode(key or b"", damaged)
    except Rejected:
        return
    assert key is not None
    assert event.user.encode() == key


@quick
@given(st.text(min_size=1, max_size=40).filter(lambda text: len(text.encode()) < 128))
def test_the_subscriber_found_in_a_record_is_the_user_it_decodes_to(subscriber_id: str) -> None:
    value = record(subscriber_id=subscriber_id)
    assert subscriber(value) == subscriber_id.encode()
    assert decode(subscriber_id.encode(), value).user == subscriber_id


@pytest.mark.parametrize(
    "value", [b"", b"\x0a", b"\x0a\x00", b"\x0a\x05abc", record(subscriber_id=""), record(subscriber_id="x" * 128)]
)
def test_no_subscriber_written_first_in_127_bytes_is_none(value: bytes) -> None:
    assert subscriber(value) is None


def test_a_longest_subscriber_is_found() -> None:
    assert subscriber(record(subscriber_id="x" * 127)) == b"x" * 127


def test_samples_decode_in_order_with_a_few_repeats_and_are_the_same_for_a_seed() -> None:
    values = list(sample(2_000, seed=7))
    assert values == list(sample(2_000, seed=7))
    assert values != list(sample(2_000, seed=8))
    events = [decode(subscriber(value) or b"", value) for value in values]
    assert len(events) == 2_000
    assert len({event.user for event in events}) == 40
    assert all(a.event_time_ms <= b.event_time_ms for a, b in pairwise(events))
    assert 5 < 2_000 - len({event.event_id for event in events}) < 50


def test_the_feed_reads_delimited_protobuf() -> None:
    assert (FEED.name, FEED.file_format, FEED.file_suffix) == ("dpi", "delimited", ".pb")
    assert (FEED.decode, FEED.subscriber) == (decode, subscriber)
