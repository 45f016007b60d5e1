"""Feed `rights`: good records decode, bad ones are refused for the right reason, and nothing else is ever raised."""

from __future__ import annotations

import pytest
from feed_checks import PSEUDONYMS, FeedChecks, any_bytes, any_key, quick
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import RightsRequest, identity_of
from schemas.pb.livetags.v1.rights_pb2 import RIGHTS_ACTION_EXPORT, RightsRecord
from schemas.reasons import Reason
from sources.rights import FEED

GOOD = {
    "identifier": "460001234567890",
    "record_id": "r-1",
    "event_time_ms": 1_767_225_600_000,
    "action": "RIGHTS_ACTION_ERASE",
}
CHECKS = FeedChecks(FEED, RightsRecord, GOOD, raw=("identifier",))
record, decode = CHECKS.record, CHECKS.decode


def test_a_good_record_is_a_request() -> None:
    assert decode(record()) == RightsRequest(
        PSEUDONYMS.identifier("460001234567890"), identity_of("rights/r-1"), 1_767_225_600_000, "erase", "r-1"
    )


def test_an_export_is_one() -> None:
    assert decode(record(action=RIGHTS_ACTION_EXPORT)).action == "export"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *CHECKS.refused_by_all(),
        (record(action=0), Reason.KIND_MISSING),
        (record(action=99), Reason.KIND_MISSING),
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
