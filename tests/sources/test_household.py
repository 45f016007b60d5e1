"""Feed `household`: good lines decode, bad ones are refused for the right reason, and nothing else is ever raised."""

from __future__ import annotations

import json
from typing import Any

import pytest
from feed_checks import PSEUDONYMS
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.events import Purchase
from schemas.reasons import Reason, Rejected
from sources.household import FEED, event_time_ms, subscriber

GOOD: dict[str, Any] = {
    "household_id": "900",
    "basket_id": 31198570044,
    "product_id": 1053690,
    "category": "SOFT DRINKS",
    "quantity": 1,
    "sales_value": 1.5,
    "event_time_ms": 1483272026000,
}
quick = settings(max_examples=200, deadline=None)


def line(**changed: object) -> bytes:
    return json.dumps({**GOOD, **changed}).encode()


def with_number(name: str, literal: str) -> bytes:
    """The good line with a number as it is written, whether JSON has such numbers or not."""
    return line(**{name: "@@"}).replace(b'"@@"', literal.encode())


def decode(key: bytes, value: bytes) -> Purchase:
    event = FEED.decode(key, value, PSEUDONYMS)
    assert isinstance(event, Purchase)
    return event


def reason_of(value: bytes, key: bytes = b"900") -> Reason:
    with pytest.raises(Rejected) as rejected:
        decode(key, value)
    return rejected.value.reason


def test_a_good_line_is_a_purchase() -> None:
    event = decode(b"900", line())
    assert event.__class__ is Purchase
    assert (event.user, event.event_time_ms) == ("900", 1483272026000)
    assert (event.category, event.quantity, event.spend) == ("SOFT DRINKS", 1.0, 1.5)


def test_fields_the_feed_does_not_know_are_ignored() -> None:
    assert decode(b"900", line(coupon={"deep": [1, {"x": None}]})) == decode(b"900", line())


def test_a_numeric_household_is_its_text() -> None:
    assert decode(b"900", line(household_id=900)).user == "900"
    assert subscriber(line(household_id=900)) == b"900"
    assert subscriber(line(household_id=0)) == b"0"


def test_the_key_names_the_household_where_the_line_does_not() -> None:
    assert decode("häus".encode(), line(household_id=None)).user == "häus"


def test_the_identity_is_basket_and_product_and_nothing_else() -> None:
    one = decode(b"900", line()).event_id
    assert decode(b"900", line(quantity=5, event_time_ms=1)).event_id == one
    assert decode(b"900", line(basket_id=31198570045)).event_id != one
    assert decode(b"900", line(product_id=1053691)).event_id != one
    assert decode(b"900", line(basket_id=1053690, product_id=31198570044)).event_id != one


pairs = st.tuples(
    st.sampled_from([0, 1, 2**38 - 1, 2**38, -1, 10**30]) | st.integers(0, 2**40),
    st.sampled_from([0, 1, 2**26 - 1, 2**26, -1, 10**30]) | st.integers(0, 2**28),
)


@quick
@given(pairs, pairs)
def test_identities_are_64_bits_and_differ_where_basket_or_product_do(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    ids = [decode(b"900", line(basket_id=b, product_id=p)).event_id for b, p in (one, other)]
    assert all(0 <= event_id < 2**64 for event_id in ids)
    assert (ids[0] == ids[1]) == (one == other)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (line(household_id="901"), Reason.KEY_MISMATCH),
        (line(category=None), Reason.TAG_MISSING),
        (line(category=""), Reason.TAG_MISSING),
        (line(quantity=-1), Reason.VALUE_NEGATIVE),
        (line(sales_value=-0.01), Reason.VALUE_NEGATIVE),
        (line(sales_value=-1e308), Reason.VALUE_NEGATIVE),
        (b"", Reason.MALFORMED),
        (b"{}", Reason.MALFORMED),
        (b"[]", Reason.MALFORMED),
        (b"null", Reason.MALFORMED),
        (line()[:-1], Reason.MALFORMED),
        (line() + b"x", Reason.MALFORMED),
        (b"\xef\xbb\xbf" + line(), Reason.MALFORMED),
        (line(basket_id=None), Reason.MALFORMED),
        (line(quantity="1"), Reason.MALFORMED),
        (line(event_time_ms="1483272026000"), Reason.MALFORMED),
        (line(event_time_ms=1483272026000.5), Reason.MALFORMED),
        (line(event_time_ms=True), Reason.MALFORMED),
        (line(household_id=True), Reason.MALFORMED),
        (line(household_id=["900"]), Reason.MALFORMED),
        (line(category="\ud800"), Reason.MALFORMED),
        (line().replace(b"SOFT", b"\xff\xfe"), Reason.MALFORMED),
        (with_number("quantity", "NaN"), Reason.MALFORMED),
        (with_number("quantity", "Infinity"), Reason.MALFORMED),
        (with_number("sales_value", "-Infinity"), Reason.MALFORMED),
        (with_number("sales_value", "1e400"), Reason.MALFORMED),
        (with_number("sales_value", "9" * 5000), Reason.MALFORMED),
        (with_number("event_time_ms", "9" * 5000), Reason.MALFORMED),
        (with_number("basket_id", "9" * 5000), Reason.MALFORMED),
        (with_number("household_id", "9" * 5000), Reason.MALFORMED),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", Reason.MALFORMED),
        (b'{"household_id":' * 100_000, Reason.MALFORMED),
        (b"x" * 10_000_000, Reason.MALFORMED),
    ],
)
def test_a_bad_line_is_refused_for_its_reason(value: bytes, reason: Reason) -> None:
    assert reason_of(value) is reason


def test_ten_megabytes_of_one_name_decode_like_any_other() -> None:
    assert len(decode(b"900", line(category="x" * 10_000_000)).category) == 10_000_000


def test_a_line_that_names_no_household_and_has_no_key_is_refused_as_such() -> None:
    assert reason_of(line(household_id=None), key=b"") is Reason.KEY_MISSING


def test_a_key_that_is_not_text_is_refused() -> None:
    assert reason_of(line(), key=b"\xff") is Reason.MALFORMED


def test_an_empty_household_id_is_no_household_id() -> None:
    assert decode(b"900", line(household_id="")).user == "900"


@pytest.mark.parametrize("time_ms", [-(2**63), -1, 0, -62135596800000, 253402300800000, 2**63 - 1, 2**63, 10**30])
def test_absurd_dates_are_left_for_advance_to_refuse(time_ms: int) -> None:
    assert decode(b"900", line(event_time_ms=time_ms)).event_time_ms == time_ms


def test_a_huge_integer_is_a_value_like_any_other() -> None:
    assert decode(b"900", with_number("quantity", str(10**30))).quantity == 1e30


VALUES = (
    st.none()
    | st.booleans()
    | st.sampled_from([10**30, -(10**30), 2**63 - 1, 1e308, "", "1", "900", float("nan"), float("inf"), -0.0])
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.none(), max_size=2)
)


@quick
@given(st.binary(max_size=200), st.binary(max_size=10))
@example(b"\xff\xfe", b"")
def test_arbitrary_bytes_are_refused_and_name_nobody_or_somebody(value: bytes, key: bytes) -> None:
    with pytest.raises(Rejected):
        decode(key, value)
    assert subscriber(value) is None or isinstance(subscriber(value), bytes)
    assert event_time_ms(value) is None


@quick
@given(st.dictionaries(st.sampled_from(list(GOOD)), VALUES), st.binary(max_size=8) | st.just(b"900"))
def test_a_line_of_any_values_is_an_event_of_its_key_or_refused(changed: dict[str, object], key: bytes) -> None:
    value = line(**changed)
    try:
        event = decode(key, value)
    except Rejected:
        return
    assert event.user.encode() == key
    assert event.category
    # NaN and infinity never get through, nor does anything negative
    assert 0 <= event.quantity < float("inf")
    assert 0 <= event.spend < float("inf")
    named = subscriber(value)
    assert named in (None, key)


@quick
@given(st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()) | st.integers())
def test_the_subscriber_found_in_a_line_is_the_user_it_decodes_to(household_id: str | int) -> None:
    value = line(household_id=household_id)
    key = subscriber(value)
    assert key == str(household_id).encode()
    assert decode(key, value).user == str(household_id)


@pytest.mark.parametrize("value", [line(household_id=None), line(household_id=""), b"{}", b"", b"[1]", line()[:20]])
def test_no_subscriber_is_none(value: bytes) -> None:
    assert subscriber(value) is None


def test_the_feed_reads_lines_of_jsonl() -> None:
    assert (FEED.name, FEED.file_format, FEED.file_suffix) == ("household", "lines", ".jsonl")
    assert (FEED.subscriber, FEED.event_time_ms, FEED.linked) == (subscriber, event_time_ms, False)


def test_the_time_of_a_line_is_read_without_the_rest() -> None:
    assert event_time_ms(line()) == 1483272026000
    assert event_time_ms(line(basket_id="no number", household_id=None)) == 1483272026000


@pytest.mark.parametrize(
    "value",
    [b"", b"[]", b"{}", line()[:-1], line(event_time_ms="1"), line(event_time_ms=None), b"\xff", b"[" * 9_999],
)
def test_no_time_is_none(value: bytes) -> None:
    assert event_time_ms(value) is None
