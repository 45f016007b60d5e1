"""Feed `signalling`: good records decode, bad ones are refused for the right reason, nothing else is ever raised."""

from __future__ import annotations

import pytest
from feed_checks import PSEUDONYMS, FeedChecks, any_bytes, any_key, quick
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Presence, identity_of
from schemas.pb.livetags.v1.signalling_pb2 import (
    SIGNALLING_KIND_ATTACH,
    SIGNALLING_KIND_DETACH,
    SIGNALLING_KIND_HANDOVER,
    SIGNALLING_KIND_LOCATION_UPDATE,
    SignallingRecord,
)
from schemas.reasons import Reason
from sources.signalling import FEED

GOOD = {
    "imsi": "460001234567890",
    "record_id": "r-1",
    "event_time_ms": 1_767_225_600_000,
    "kind": "SIGNALLING_KIND_HANDOVER",
    "cell_id": "c-17",
    "province": "北京",
}
CHECKS = FeedChecks(FEED, SignallingRecord, GOOD, raw=("imsi",))
record, decode = CHECKS.record, CHECKS.decode


def test_a_good_record_is_a_presence() -> None:
    user = PSEUDONYMS.identifier("460001234567890")
    assert decode(record()) == Presence(
        user, identity_of("signalling/r-1"), 1_767_225_600_000, "handover", "c-17", "北京"
    )


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (SIGNALLING_KIND_ATTACH, "attach"),
        (SIGNALLING_KIND_HANDOVER, "handover"),
        (SIGNALLING_KIND_LOCATION_UPDATE, "location_update"),
        (SIGNALLING_KIND_DETACH, "detach"),
    ],
)
def test_every_kind_has_its_name(kind: int, text: str) -> None:
    assert decode(record(kind=kind)).kind == text


def test_a_province_that_is_not_said_stays_empty() -> None:
    assert decode(record(province="")).province == ""


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *CHECKS.refused_by_all(),
        (record(kind=0), Reason.KIND_MISSING),
        (record(kind=99), Reason.KIND_MISSING),
        (record(kind=-1), Reason.KIND_MISSING),
        (record(cell_id=""), Reason.TAG_MISSING),
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
