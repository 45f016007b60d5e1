"""Feed `order`: products ordered and given back (schemas/proto/livetags/v1/order.proto)."""

from __future__ import annotations

from math import inf

from google.protobuf.message import DecodeError

from schemas.events import Order, identity_of
from schemas.pb.livetags.v1.order_pb2 import ORDER_ACTION_SUBSCRIBE, ORDER_ACTION_UNSUBSCRIBE, OrderRecord
from schemas.pseudonyms import Pseudonyms
from schemas.reasons import Reason, Rejected
from sources.amount import refusal
from sources.feed import Feed
from sources.first_fields import KEY_SQL, subscriber, time_reader
from sources.subscriber_key import text_of

_SUBSCRIBED: dict[int, bool] = {ORDER_ACTION_SUBSCRIBE: True, ORDER_ACTION_UNSUBSCRIBE: False}


def decode(key: bytes, value: bytes, pseudonyms: Pseudonyms) -> Order:
    """One order.

    Raises
    ------
    Rejected
        malformed, key_missing, key_mismatch, event_id_missing, kind_missing, tag_missing (no product), value_not_finite
        or value_negative.
    """
    try:
        record = OrderRecord.FromString(value)
    except (DecodeError, RecursionError):
        raise Rejected(Reason.MALFORMED) from None
    raw = text_of(key)
    if record.account_id and record.account_id != raw:
        raise Rejected(Reason.KEY_MISMATCH)
    record_id = record.record_id
    if not record_id:
        raise Rejected(Reason.EVENT_ID_MISSING)
    subscribed = _SUBSCRIBED.get(record.action)
    if subscribed is None:
        raise Rejected(Reason.KIND_MISSING)
    product = record.product
    if not product:
        raise Rejected(Reason.TAG_MISSING)
    amount_yuan = record.amount_yuan
    if not 0.0 <= amount_yuan < inf:
        raise refusal(amount_yuan)
    return Order(
        pseudonyms.identifier(raw),
        identity_of(f"order/{record_id}"),
        record.event_time_ms,
        product,
        subscribed,
        amount_yuan,
    )


FEED = Feed(
    name="order",
    keyed_by="account",
    population="subscribers",
    topic="livetags.order",
    file_format="delimited",
    file_suffix=".pb",
    key_sql=KEY_SQL,
    subscriber=subscriber,
    decode=decode,
    event_time_ms=time_reader(OrderRecord.FromString),
)
