"""Feed `contact`: good records decode, bad ones are refused for the right reason, and nothing else is ever raised."""

from __future__ import annotations

import pytest
from feed_checks import PSEUDONYMS, FeedChecks, any_bytes, any_key, quick
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Contact, identity_of
from schemas.pb.livetags.v1.contact_pb2 import (
    CHANNEL_CALL,
    CHANNEL_POPUP,
    CHANNEL_PUSH,
    CHANNEL_SMS,
    CONTACT_RESULT_CLICKED,
    CONTACT_RESULT_CONVERTED,
    CONTACT_RESULT_DELIVERED,
    CONTACT_RESULT_OPENED,
    CONTACT_RESULT_REFUSED,
    CONTACT_RESULT_SENT,
    CONTACT_RESULT_UNSUBSCRIBED,
    ContactRecord,
)
from schemas.reasons import Reason
from sources.contact import FEED

GOOD = {
    "msisdn": "8613800138000",
    "record_id": "r-1",
    "event_time_ms": 1_767_225_600_000,
    "channel": "CHANNEL_PUSH",
    "result": "CONTACT_RESULT_CLICKED",
    "offer": "traffic_pack_10g",
    "contact_id": "k-5",
}
CHECKS = FeedChecks(FEED, ContactRecord, GOOD, raw=("msisdn",))
record, decode = CHECKS.record, CHECKS.decode


def test_a_good_record_is_a_contact() -> None:
    assert decode(record()) == Contact(
        PSEUDONYMS.identifier("8613800138000"),
        identity_of("contact/r-1"),
        1_767_225_600_000,
        "push",
        "clicked",
        "traffic_pack_10g",
        "k-5",
    )


@pytest.mark.parametrize(
    ("channel", "text"),
    [(CHANNEL_SMS, "sms"), (CHANNEL_PUSH, "push"), (CHANNEL_CALL, "call"), (CHANNEL_POPUP, "popup")],
)
def test_every_channel_has_its_name(channel: int, text: str) -> None:
    assert decode(record(channel=channel)).channel == text


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (CONTACT_RESULT_SENT, "sent"),
        (CONTACT_RESULT_DELIVERED, "delivered"),
        (CONTACT_RESULT_OPENED, "opened"),
        (CONTACT_RESULT_CLICKED, "clicked"),
        (CONTACT_RESULT_CONVERTED, "converted"),
        (CONTACT_RESULT_REFUSED, "refused"),
        (CONTACT_RESULT_UNSUBSCRIBED, "unsubscribed"),
    ],
)
def test_every_result_has_its_name(result: int, text: str) -> None:
    assert decode(record(result=result)).result == text


def test_no_more_of_these_counts_whatever_brought_it_about() -> None:
    assert decode(record(result=CONTACT_RESULT_UNSUBSCRIBED, offer="", contact_id="")).result == "unsubscribed"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *CHECKS.refused_by_all(),
        (record(channel=0), Reason.KIND_MISSING),
        (record(channel=99), Reason.KIND_MISSING),
        (record(result=0), Reason.KIND_MISSING),
        (record(result=99), Reason.KIND_MISSING),
        (record(offer=""), Reason.TAG_MISSING),
        (record(contact_id=""), Reason.TAG_MISSING),
        (record(channel=0, result=CONTACT_RESULT_UNSUBSCRIBED), Reason.KIND_MISSING),
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
