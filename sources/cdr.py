"""Feed `cdr`: calls, short messages and readings of the data meter (schemas/proto/livetags/v1/cdr.proto)."""

from __future__ import annotations

from math import inf

from google.protobuf.message import DecodeError

from schemas.events import Call, DataUsage, identity_of
from schemas.pb.livetags.v1.cdr_pb2 import (
    CDR_DIRECTION_INCOMING,
    CDR_DIRECTION_OUTGOING,
    CDR_DIRECTION_UNSPECIFIED,
    CDR_KIND_DATA,
    CDR_KIND_SMS,
    CDR_KIND_VOICE,
    CdrRecord,
)
from schemas.pseudonyms import Pseudonyms
from schemas.reasons import Reason, Rejected
from sources.amount import refusal
from sources.feed import Feed
from sources.first_fields import KEY_SQL, subscriber, time_reader
from sources.subscriber_key import text_of

_CALLS: dict[int, str] = {CDR_KIND_VOICE: "voice", CDR_KIND_SMS: "sms"}
_OUTGOING: dict[int, bool] = {
    CDR_DIRECTION_UNSPECIFIED: True,
    CDR_DIRECTION_OUTGOING: True,
    CDR_DIRECTION_INCOMING: False,
}
_ORDINARY_PARTIES = 2


def decode(key: bytes, value: bytes, pseudonyms: Pseudonyms) -> Call | DataUsage:
    """One call detail record.

    Raises
    ------
    Rejected
        malformed, key_missing, key_mismatch, event_id_missing, kind_missing (also for a direction this build does not
        know), tag_missing (no peer), value_not_finite or value_negative.
    """
    try:
        record = CdrRecord.FromString(value)
    except (DecodeError, RecursionError):
        raise Rejected(Reason.MALFORMED) from None
    raw = text_of(key)
    if record.msisdn and record.msisdn != raw:
        raise Rejected(Reason.KEY_MISMATCH)
    record_id = record.record_id
    if not record_id:
        raise Rejected(Reason.EVENT_ID_MISSING)
    if record.kind == CDR_KIND_DATA:
        bytes_total = record.data_bytes_total
        if bytes_total < 0:
            raise Rejected(Reason.VALUE_NEGATIVE)
        return DataUsage(
            pseudonyms.identifier(raw),
            identity_of(f"cdr/{record_id}"),
            record.event_time_ms,
            bytes_total,
        )
    kind = _CALLS.get(record.kind)
    outgoing = _OUTGOING.get(record.direction)
    if kind is None or outgoing is None:
        raise Rejected(Reason.KIND_MISSING)
    peer = record.peer_msisdn
    if not peer:
        raise Rejected(Reason.TAG_MISSING)
    duration_s = record.duration_s
    if not 0.0 <= duration_s < inf:
        raise refusal(duration_s)
    parties = record.parties
    if parties < 0:
        raise Rejected(Reason.VALUE_NEGATIVE)
    return Call(
        pseudonyms.identifier(raw),
        identity_of(f"cdr/{record_id}"),
        record.event_time_ms,
        kind,
        outgoing,
        pseudonyms.identifier(peer),
        duration_s,
        parties or _ORDINARY_PARTIES,
    )


FEED = Feed(
    name="cdr",
    keyed_by="MSISDN",
    population="subscribers",
    topic="livetags.cdr",
    file_format="delimited",
    file_suffix=".pb",
    key_sql=KEY_SQL,
    subscriber=subscriber,
    decode=decode,
    event_time_ms=time_reader(CdrRecord.FromString),
)
