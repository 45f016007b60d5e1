"""Feed `billing`: bills, recharges, and what a plan has left (schemas/proto/livetags/v1/billing.proto)."""

from __future__ import annotations

from math import inf

from google.protobuf.message import DecodeError

from schemas.events import Billing, identity_of
from schemas.pb.livetags.v1.billing_pb2 import (
    BILLING_KIND_BALANCE,
    BILLING_KIND_MONTHLY_BILL,
    BILLING_KIND_RECHARGE,
    BillingRecord,
)
from schemas.pseudonyms import Pseudonyms
from schemas.reasons import Reason, Rejected
from sources.amount import refusal
from sources.feed import Feed
from sources.first_fields import KEY_SQL, subscriber, time_reader
from sources.subscriber_key import text_of

_KINDS: dict[int, str] = {
    BILLING_KIND_MONTHLY_BILL: "bill",
    BILLING_KIND_RECHARGE: "recharge",
    BILLING_KIND_BALANCE: "balance",
}


def decode(key: bytes, value: bytes, pseudonyms: Pseudonyms) -> Billing:
    """One billing record.

    Raises
    ------
    Rejected
        malformed, key_missing, key_mismatch, event_id_missing, kind_missing, value_not_finite or value_negative.
    """
    try:
        record = BillingRecord.FromString(value)
    except (DecodeError, RecursionError):
        raise Rejected(Reason.MALFORMED) from None
    raw = text_of(key)
    if record.account_id and record.account_id != raw:
        raise Rejected(Reason.KEY_MISMATCH)
    record_id = record.record_id
    if not record_id:
        raise Rejected(Reason.EVENT_ID_MISSING)
    kind = _KINDS.get(record.kind)
    if kind is None:
        raise Rejected(Reason.KIND_MISSING)
    amount_yuan = record.amount_yuan
    if not 0.0 <= amount_yuan < inf:
        raise refusal(amount_yuan)
    remaining_mb = record.remaining_mb
    if not 0.0 <= remaining_mb < inf:
        raise refusal(remaining_mb)
    included_mb = record.included_mb
    if not 0.0 <= included_mb < inf:
        raise refusal(included_mb)
    return Billing(
        pseudonyms.identifier(raw),
        identity_of(f"billing/{record_id}"),
        record.event_time_ms,
        kind,
        amount_yuan,
        record.plan_tier,
        remaining_mb,
        included_mb,
    )


FEED = Feed(
    name="billing",
    keyed_by="account",
    population="subscribers",
    topic="livetags.billing",
    file_format="delimited",
    file_suffix=".pb",
    key_sql=KEY_SQL,
    subscriber=subscriber,
    decode=decode,
    event_time_ms=time_reader(BillingRecord.FromString),
)
