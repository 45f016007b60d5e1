"""Feed `signalling`: at which cell a subscriber was seen (schemas/proto/livetags/v1/signalling.proto)."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from schemas.events import Presence, identity_of
from schemas.pb.livetags.v1.signalling_pb2 import (
    SIGNALLING_KIND_ATTACH,
    SIGNALLING_KIND_DETACH,
    SIGNALLING_KIND_HANDOVER,
    SIGNALLING_KIND_LOCATION_UPDATE,
    SignallingRecord,
)
from schemas.pseudonyms import Pseudonyms
from schemas.reasons import Reason, Rejected
from sources.feed import Feed
from sources.first_fields import KEY_SQL, subscriber, time_reader
from sources.subscriber_key import text_of

_KINDS: dict[int, str] = {
    SIGNALLING_KIND_ATTACH: "attach",
    SIGNALLING_KIND_HANDOVER: "handover",
    SIGNALLING_KIND_LOCATION_UPDATE: "location_update",
    SIGNALLING_KIND_DETACH: "detach",
}


def decode(key: bytes, value: bytes, pseudonyms: Pseudonyms) -> Presence:
    """One signalling record.

    Raises
    ------
    Rejected
        malformed, key_missing, key_mismatch, event_id_missing, kind_missing or tag_missing (no cell).
    """
    try:
        record = SignallingRecord.FromString(value)
    except (DecodeError, RecursionError):
        raise Rejected(Reason.MALFORMED) from None
    raw = text_of(key)
    if record.imsi and record.imsi != raw:
        raise Rejected(Reason.KEY_MISMATCH)
    record_id = record.record_id
    if not record_id:
        raise Rejected(Reason.EVENT_ID_MISSING)
    kind = _KINDS.get(record.kind)
    if kind is None:
        raise Rejected(Reason.KIND_MISSING)
    cell = record.cell_id
    if not cell:
        raise Rejected(Reason.TAG_MISSING)
    return Presence(
        pseudonyms.identifier(raw),
        identity_of(f"signalling/{record_id}"),
        record.event_time_ms,
        kind,
        cell,
        record.province,
    )


FEED = Feed(
    name="signalling",
    keyed_by="IMSI",
    population="subscribers",
    topic="livetags.signalling",
    file_format="delimited",
    file_suffix=".pb",
    key_sql=KEY_SQL,
    subscriber=subscriber,
    decode=decode,
    event_time_ms=time_reader(SignallingRecord.FromString),
)
