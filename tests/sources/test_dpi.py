"""Feed `dpi`: good records decode, bad ones are refused for the right reason, and nothing else is ever raised."""

from __future__ import annotations

from itertools import pairwise

import pytest
from feed_checks import PSEUDONYMS, FeedChecks, any_bytes, any_key, quick
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import AppUse, identity_of
from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.reasons import Reason
from sources.dpi import FEED, sample, subscriber

GOOD = {
    "subscriber_id": "460001234567890",
    "record_id": "r-1",
    "event_time_ms": 1_767_225_600_000,
    "app": "video.example",
    "category": "video",
    "bytes_up": 1000,
    "bytes_down": 2000000,
    "url_host": "www.video.example",
    "search_keyword": "cats",
}
CHECKS = FeedChecks(FEED, DpiRecord, GOOD, raw=("subscriber_id",))
record, decode = CHECKS.record, CHECKS.decode


def test_a_good_record_is_an_app_use() -> None:
    assert decode(record()) == AppUse(
        PSEUDONYMS.identifier("460001234567890"),
        identity_of("r-1"),
        1_767_225_600_000,
        "video.example",
        "video",
        1_000,
        2_000_000,
        "www.video.example",
        "cats",
    )


def test_where_there_is_no_app_its_host_is() -> None:
    assert decode(record(app="")).app == "www.video.example"


def test_a_category_that_is_not_said_stays_empty() -> None:
    assert decode(record(category="")).category == ""


def test_the_key_names_the_subscriber_where_the_record_does_not() -> None:
    assert decode(record(subscriber_id=""), "söme".encode()).user == PSEUDONYMS.identifier("söme")


def test_a_time_of_the_wrong_wire_type_is_taken_for_an_unknown_field() -> None:
    # event_time_ms (field 3) as text: skipped, so the time is 0 and advance refuses it
    assert decode(record(event_time_ms=0) + b"\x1a\x02ab").event_time_ms == 0


def test_ten_megabytes_of_one_name_decode_like_any_other() -> None:
    assert len(decode(record(app="x" * 10_000_000)).app) == 10_000_000


@quick
@given(st.text(min_size=1, max_size=40).filter(lambda text: len(text.encode()) < 128))
def test_the_subscriber_found_in_a_record_is_the_user_it_decodes_to(subscriber_id: str) -> None:
    value = record(subscriber_id=subscriber_id)
    assert subscriber(value) == subscriber_id.encode()
    assert decode(value, subscriber_id.encode()).user == PSEUDONYMS.identifier(subscriber_id)


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
    events = [decode(value, subscriber(value) or b"") for value in values]
    assert len(events) == 2_000
    assert len({event.user for event in events}) == 40
    assert all(a.event_time_ms <= b.event_time_ms for a, b in pairwise(events))
    assert 5 < 2_000 - len({event.event_id for event in events}) < 50


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *CHECKS.refused_by_all(),
        (record(app="", url_host=""), Reason.TAG_MISSING),
        (record(bytes_up=-1), Reason.VALUE_NEGATIVE),
        (record(bytes_down=-(2**63)), Reason.VALUE_NEGATIVE),
    ],
)
def test_a_bad_record_is_refused_for_its_reason(value: bytes, reason: Reason) -> None:
    assert CHECKS.reason_of(value) is reason


def test_it_is_keyed_timed_and_without_raw_identifiers_as_every_feed() -> None:
    CHECKS.assert_the_rest_holds()


@quick
@given(any_bytes, any_key)
def test_arbitrary_bytes_are_an_event_of_their_key_or_refused(value: bytes, key: bytes) -> None:
    CHECKS.assert_an_event_or_refused(value, key)


@quick
@given(st.data())
def test_damaged_records_are_an_event_of_their_key_or_refused(data: st.DataObject) -> None:
    CHECKS.assert_damage_is_an_event_or_refused(data)
