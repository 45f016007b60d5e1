"""Feed `consent`: good records decode, bad ones are refused for the right reason, and nothing else is ever raised."""

from __future__ import annotations

import pytest
from feed_checks import PSEUDONYMS, FeedChecks, any_bytes, any_key, quick
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Consent, identity_of
from schemas.pb.livetags.v1.consent_pb2 import (
    CONSENT_DECISION_WITHDRAWN,
    CONSENT_LIST_NECESSARY,
    ConsentRecord,
)
from schemas.reasons import Reason
from sources.consent import FEED

GOOD = {
    "msisdn": "8613800138000",
    "record_id": "r-1",
    "event_time_ms": 1_767_225_600_000,
    "list": "CONSENT_LIST_OPTIONAL",
    "purpose": "marketing",
    "decision": "CONSENT_DECISION_GRANTED",
    "list_version": 2,
}
CHECKS = FeedChecks(FEED, ConsentRecord, GOOD, raw=("msisdn",))
record, decode = CHECKS.record, CHECKS.decode


def test_a_good_record_is_a_consent() -> None:
    assert decode(record()) == Consent(
        PSEUDONYMS.identifier("8613800138000"), identity_of("consent/r-1"), 1_767_225_600_000, "marketing", True, 2
    )


def test_a_withdrawal_is_one() -> None:
    assert not decode(record(decision=CONSENT_DECISION_WITHDRAWN)).granted


@pytest.mark.parametrize("purpose", ["", "marketing"])
def test_the_necessary_list_is_decided_as_a_whole(purpose: str) -> None:
    assert decode(record(list=CONSENT_LIST_NECESSARY, purpose=purpose)).purpose == "necessary"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *CHECKS.refused_by_all(),
        (record(list=0), Reason.KIND_MISSING),
        (record(list=99), Reason.KIND_MISSING),
        (record(decision=0), Reason.KIND_MISSING),
        (record(decision=99), Reason.KIND_MISSING),
        (record(list=CONSENT_LIST_NECESSARY, decision=0), Reason.KIND_MISSING),
        (record(purpose=""), Reason.TAG_MISSING),
        (record(purpose="necessary"), Reason.KIND_MISSING),
        (record(purpose="service"), Reason.KIND_MISSING),
        (record(purpose="world domination"), Reason.KIND_MISSING),
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
