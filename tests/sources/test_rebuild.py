"""Feed `rebuild`: good records decode, bad ones are refused for the right reason, and nothing else is ever raised."""

from __future__ import annotations

import pytest
from feed_checks import PSEUDONYMS, FeedChecks, any_bytes, any_key, quick
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Rebuild, identity_of
from schemas.pb.livetags.v1.rebuild_pb2 import RebuildRecord
from schemas.reasons import Reason
from sources.rebuild import FEED

ASKED_MS = 1_767_225_600_000
SINCE_MS = ASKED_MS - 14 * 86_400_000
GOOD = {"identifier": "13800000001", "record_id": "r-1", "event_time_ms": ASKED_MS, "since_ms": SINCE_MS}
CHECKS = FeedChecks(FEED, RebuildRecord, GOOD, raw=("identifier",))
record, decode = CHECKS.record, CHECKS.decode


def test_a_good_record_is_a_request() -> None:
    assert decode(record()) == Rebuild(
        PSEUDONYMS.identifier("13800000001"), identity_of("rebuild/r-1"), ASKED_MS, SINCE_MS
    )


@pytest.mark.parametrize("since_ms", [1, ASKED_MS])
def test_since_may_be_any_time_until_the_request(since_ms: int) -> None:
    assert decode(record(since_ms=since_ms)).since_ms == since_ms


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *CHECKS.refused_by_all(),
        (record(since_ms=0), Reason.SINCE_IMPOSSIBLE),
        (record(since_ms=-1), Reason.SINCE_IMPOSSIBLE),
        (record(since_ms=ASKED_MS + 1), Reason.SINCE_IMPOSSIBLE),
        (record(since_ms=2**63 - 1), Reason.SINCE_IMPOSSIBLE),
        (record(since_ms=-(2**63)), Reason.SINCE_IMPOSSIBLE),
        (record(event_time_ms=0, since_ms=0), Reason.SINCE_IMPOSSIBLE),
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
