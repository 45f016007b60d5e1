"""Feed `billing`: good records decode, bad ones are refused for the right reason, and nothing else is ever raised."""

from __future__ import annotations

import pytest
from feed_checks import PSEUDONYMS, FeedChecks, any_bytes, any_key, quick
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Billing, identity_of
from schemas.pb.livetags.v1.billing_pb2 import (
    BILLING_KIND_BALANCE,
    BILLING_KIND_MONTHLY_BILL,
    BILLING_KIND_RECHARGE,
    BillingRecord,
)
from schemas.reasons import Reason
from sources.billing import FEED

GOOD = {
    "account_id": "a-20001",
    "record_id": "r-1",
    "event_time_ms": 1_767_225_600_000,
    "kind": "BILLING_KIND_BALANCE",
    "amount_yuan": 59.5,
    "plan_tier": "basic",
    "remaining_mb": 1024.0,
    "included_mb": 20480.0,
}
CHECKS = FeedChecks(FEED, BillingRecord, GOOD, raw=("account_id",))
record, decode = CHECKS.record, CHECKS.decode


def test_a_good_record_is_a_balance() -> None:
    assert decode(record()) == Billing(
        PSEUDONYMS.identifier("a-20001"),
        identity_of("billing/r-1"),
        1_767_225_600_000,
        "balance",
        59.5,
        "basic",
        1024.0,
        20480.0,
    )


@pytest.mark.parametrize(
    ("kind", "text"),
    [(BILLING_KIND_MONTHLY_BILL, "bill"), (BILLING_KIND_RECHARGE, "recharge"), (BILLING_KIND_BALANCE, "balance")],
)
def test_every_kind_has_its_name(kind: int, text: str) -> None:
    assert decode(record(kind=kind)).kind == text


def test_what_a_bill_does_not_say_is_empty() -> None:
    bill = decode(record(kind=BILLING_KIND_MONTHLY_BILL, plan_tier="", remaining_mb=0.0, included_mb=0.0))
    assert (bill.plan_tier, bill.remaining_mb, bill.included_mb) == ("", 0.0, 0.0)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *CHECKS.refused_by_all(),
        (record(kind=0), Reason.KIND_MISSING),
        (record(kind=99), Reason.KIND_MISSING),
        (record(amount_yuan=float("-0.01")), Reason.VALUE_NEGATIVE),
        (record(amount_yuan=float("nan")), Reason.VALUE_NOT_FINITE),
        (record(amount_yuan=float("inf")), Reason.VALUE_NOT_FINITE),
        (record(amount_yuan=float("-inf")), Reason.VALUE_NOT_FINITE),
        (record(remaining_mb=float("-0.01")), Reason.VALUE_NEGATIVE),
        (record(remaining_mb=float("nan")), Reason.VALUE_NOT_FINITE),
        (record(remaining_mb=float("inf")), Reason.VALUE_NOT_FINITE),
        (record(remaining_mb=float("-inf")), Reason.VALUE_NOT_FINITE),
        (record(included_mb=float("-0.01")), Reason.VALUE_NEGATIVE),
        (record(included_mb=float("nan")), Reason.VALUE_NOT_FINITE),
        (record(included_mb=float("inf")), Reason.VALUE_NOT_FINITE),
        (record(included_mb=float("-inf")), Reason.VALUE_NOT_FINITE),
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
