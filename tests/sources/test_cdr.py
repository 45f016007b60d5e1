"""Feed `cdr`: good records decode, bad ones are refused for the right reason, and nothing else is ever raised."""

from __future__ import annotations

import pytest
from feed_checks import PSEUDONYMS, FeedChecks, any_bytes, any_key, quick
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Call, DataUsage, identity_of
from schemas.pb.livetags.v1.cdr_pb2 import (
    CDR_DIRECTION_OUTGOING,
    CDR_KIND_DATA,
    CDR_KIND_SMS,
    CdrRecord,
)
from schemas.reasons import Reason
from sources.cdr import FEED

GOOD = {
    "msisdn": "8613800138000",
    "record_id": "r-1",
    "event_time_ms": 1_767_225_600_000,
    "kind": "CDR_KIND_VOICE",
    "direction": "CDR_DIRECTION_INCOMING",
    "peer_msisdn": "8613900139000",
    "duration_s": 61.5,
    "parties": 3,
}
CHECKS = FeedChecks(FEED, CdrRecord, GOOD, raw=("msisdn", "peer_msisdn"))
record, decode = CHECKS.record, CHECKS.decode


USER, PEER = PSEUDONYMS.identifier("8613800138000"), PSEUDONYMS.identifier("8613900139000")


def data(**changed: object) -> bytes:
    fields = {name: GOOD[name] for name in ("msisdn", "record_id", "event_time_ms")}
    return CdrRecord(**{**fields, "kind": CDR_KIND_DATA, "data_bytes_total": 5_000, **changed}).SerializeToString()


def test_a_good_record_is_a_call() -> None:
    assert decode(record()) == Call(USER, identity_of("cdr/r-1"), 1_767_225_600_000, "voice", False, PEER, 61.5, 3)


def test_a_short_message_is_one() -> None:
    message = decode(record(kind=CDR_KIND_SMS, duration_s=0.0, parties=0))
    assert (message.kind, message.peer, message.duration_s) == ("sms", PEER, 0.0)


def test_a_reading_of_the_meter_is_data_usage_and_needs_no_peer() -> None:
    assert decode(data()) == DataUsage(USER, identity_of("cdr/r-1"), 1_767_225_600_000, 5_000)
    assert decode(data(data_bytes_total=2**63 - 1)).bytes_total == 2**63 - 1


def test_a_direction_that_is_not_said_is_outgoing() -> None:
    assert decode(record(direction=0)).outgoing
    assert decode(record(direction=CDR_DIRECTION_OUTGOING)).outgoing


def test_an_ordinary_call_has_two_parties() -> None:
    assert decode(record(parties=0)).parties == 2


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *CHECKS.refused_by_all(),
        (record(kind=0), Reason.KIND_MISSING),
        (record(kind=99), Reason.KIND_MISSING),
        (record(direction=99), Reason.KIND_MISSING),
        (record(peer_msisdn=""), Reason.TAG_MISSING),
        (record(kind=CDR_KIND_SMS, peer_msisdn=""), Reason.TAG_MISSING),
        (record(duration_s=-0.5), Reason.VALUE_NEGATIVE),
        (record(duration_s=float("nan")), Reason.VALUE_NOT_FINITE),
        (record(duration_s=float("inf")), Reason.VALUE_NOT_FINITE),
        (record(duration_s=float("-inf")), Reason.VALUE_NOT_FINITE),
        (record(parties=-1), Reason.VALUE_NEGATIVE),
        (data(data_bytes_total=-1), Reason.VALUE_NEGATIVE),
        (data(data_bytes_total=-(2**63)), Reason.VALUE_NEGATIVE),
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
