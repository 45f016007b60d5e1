"""Feed `order`: good records decode, bad ones are refused for the right reason, and nothing else is ever raised."""

from __future__ import annotations

import pytest
from feed_checks import PSEUDONYMS, FeedChecks, any_bytes, any_key, quick
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Order, identity_of
from schemas.pb.livetags.v1.order_pb2 import ORDER_ACTION_UNSUBSCRIBE, OrderRecord
from schemas.reasons import Reason
from sources.order import FEED

GOOD = {
    "account_id": "a-20001",
    "record_id": "r-1",
    "event_time_ms": 1_767_225_600_000,
    "action": "ORDER_ACTION_SUBSCRIBE",
    "product": "traffic_pack_10g",
    "amount_yuan": 15.0,
}
CHECKS = FeedChecks(FEED, OrderRecord, GOOD, raw=("account_id",))
record, decode = CHECKS.record, CHECKS.decode


def test_a_good_record_is_an_order() -> None:
    assert decode(record()) == Order(
        PSEUDONYMS.identifier("a-20001"),
        identity_of("order/r-1"),
        1_767_225_600_000,
        "traffic_pack_10g",
        True,
        15.0,
    )


def test_a_product_is_given_back_for_no_money() -> None:
    order = decode(record(action=ORDER_ACTION_UNSUBSCRIBE, amount_yuan=0.0))
    assert (order.subscribed, order.amount_yuan) == (False, 0.0)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *CHECKS.refused_by_all(),
        (record(action=0), Reason.KIND_MISSING),
        (record(action=99), Reason.KIND_MISSING),
        (record(product=""), Reason.TAG_MISSING),
        (record(amount_yuan=float("-0.01")), Reason.VALUE_NEGATIVE),
        (record(amount_yuan=float("nan")), Reason.VALUE_NOT_FINITE),
        (record(amount_yuan=float("inf")), Reason.VALUE_NOT_FINITE),
        (record(amount_yuan=float("-inf")), Reason.VALUE_NOT_FINITE),
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
