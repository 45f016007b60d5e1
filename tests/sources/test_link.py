"""Feed `link`: good records decode, bad ones are refused for the right reason, and nothing else is ever raised."""

from __future__ import annotations

import pytest
from feed_checks import PSEUDONYMS, FeedChecks, any_bytes, any_key, quick
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Link, identity_of
from schemas.pb.livetags.v1.link_pb2 import LinkRecord
from schemas.reasons import Reason
from sources.link import FEED

GOOD = {
    "identifier": "460001234567890",
    "record_id": "r-1",
    "event_time_ms": 1_767_225_600_000,
    "person_ref": "pr-90001",
}
CHECKS = FeedChecks(FEED, LinkRecord, GOOD, raw=("identifier", "person_ref"))
record, decode = CHECKS.record, CHECKS.decode


def test_a_good_record_is_a_link() -> None:
    assert decode(record()) == Link(
        PSEUDONYMS.identifier("460001234567890"),
        identity_of("link/r-1"),
        1_767_225_600_000,
        PSEUDONYMS.person("pr-90001"),
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *CHECKS.refused_by_all(),
        (record(person_ref=""), Reason.PERSON_MISSING),
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
