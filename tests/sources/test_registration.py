"""Feed `registration`: good records decode, bad ones are refused for the right reason, nothing else is raised."""

from __future__ import annotations

import pytest
from feed_checks import PSEUDONYMS, FeedChecks, any_bytes, any_key, quick
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Registration, identity_of
from schemas.pb.livetags.v1.registration_pb2 import GENDER_MALE, RegistrationRecord
from schemas.reasons import Reason
from sources.registration import FEED

GOOD = {
    "registrant_ref": "doc-77001",
    "record_id": "r-1",
    "event_time_ms": 1_767_225_600_000,
    "person_ref": "pr-90001",
    "age": 35,
    "gender": "GENDER_FEMALE",
    "region": "北京市朝阳区",
    "activation_time_ms": 1700000000000,
    "device_model": "PHONE-X 12 Pro",
    "device_os": "android",
    "occupation": "teacher",
    "plan_tier": "basic",
    "account_id": "a-20001",
}
CHECKS = FeedChecks(FEED, RegistrationRecord, GOOD, raw=("registrant_ref", "person_ref", "account_id"))
record, decode = CHECKS.record, CHECKS.decode


def test_a_good_record_is_a_registration() -> None:
    assert decode(record()) == Registration(
        PSEUDONYMS.identifier("document/doc-77001"),
        identity_of("registration/r-1"),
        1_767_225_600_000,
        PSEUDONYMS.person("pr-90001"),
        35,
        "female",
        "北京市朝阳区",
        1_700_000_000_000,
        "PHONE-X 12 Pro",
        "android",
        "teacher",
        "basic",
    )


def test_what_is_not_said_is_zero_or_empty_as_is_a_gender_this_build_does_not_know() -> None:
    said = {name: GOOD[name] for name in ("registrant_ref", "record_id", "event_time_ms", "person_ref")}
    event = decode(RegistrationRecord(**said).SerializeToString())
    assert event == Registration(event.user, event.event_id, event.event_time_ms, event.person)
    assert decode(record(gender=GENDER_MALE)).gender == "male"
    assert decode(record(gender=99)).gender == ""


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *CHECKS.refused_by_all(),
        (record(person_ref=""), Reason.PERSON_MISSING),
        (record(age=-1), Reason.VALUE_NEGATIVE),
        (record(activation_time_ms=-1), Reason.VALUE_NEGATIVE),
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
