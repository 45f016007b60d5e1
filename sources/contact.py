"""Feed `contact`: what became of each contact with a person (schemas/proto/livetags/v1/contact.proto)."""

from __future__ import annotations

from google.protobuf.message import DecodeError

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
from schemas.pseudonyms import Pseudonyms
from schemas.reasons import Reason, Rejected
from sources.feed import Feed
from sources.first_fields import KEY_SQL, subscriber, time_reader
from sources.subscriber_key import text_of

_CHANNELS: dict[int, str] = {
    CHANNEL_SMS: "sms",
    CHANNEL_PUSH: "push",
    CHANNEL_CALL: "call",
    CHANNEL_POPUP: "popup",
}
_RESULTS: dict[int, str] = {
    CONTACT_RESULT_SENT: "sent",
    CONTACT_RESULT_DELIVERED: "delivered",
    CONTACT_RESULT_OPENED: "opened",
    CONTACT_RESULT_CLICKED: "clicked",
    CONTACT_RESULT_CONVERTED: "converted",
    CONTACT_RESULT_REFUSED: "refused",
    CONTACT_RESULT_UNSUBSCRIBED: "unsubscribed",
}


def decode(key: bytes, value: bytes, pseudonyms: Pseudonyms) -> Contact:
    """One result of a contact.

    Raises
    ------
    Rejected
        malformed, key_missing, key_mismatch, event_id_missing, kind_missing or tag_missing (no offer or no contact id).
    """
    try:
        record = ContactRecord.FromString(value)
    except (DecodeError, RecursionError):
        raise Rejected(Reason.MALFORMED) from None
    raw = text_of(key)
    if record.msisdn and record.msisdn != raw:
        raise Rejected(Reason.KEY_MISMATCH)
    record_id = record.record_id
    if not record_id:
        raise Rejected(Reason.EVENT_ID_MISSING)
    channel = _CHANNELS.get(record.channel)
    result = _RESULTS.get(record.result)
    if channel is None or result is None:
        raise Rejected(Reason.KIND_MISSING)
    offer = record.offer
    contact = record.contact_id
    # "no more of these" counts even where nobody can say which offer or contact brought it about
    if not (offer and contact) and result != "unsubscribed":
        raise Rejected(Reason.TAG_MISSING)
    return Contact(
        pseudonyms.identifier(raw),
        identity_of(f"contact/{record_id}"),
        record.event_time_ms,
        channel,
        result,
        offer,
        contact,
    )


FEED = Feed(
    name="contact",
    keyed_by="MSISDN",
    population="subscribers",
    topic="livetags.contact",
    file_format="delimited",
    file_suffix=".pb",
    key_sql=KEY_SQL,
    subscriber=subscriber,
    decode=decode,
    event_time_ms=time_reader(ContactRecord.FromString),
)
