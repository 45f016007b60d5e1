"""Feed `consent`: what a person's data may be used for (schemas/proto/livetags/v1/consent.proto)."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from schemas.events import Consent, identity_of
from schemas.pb.livetags.v1.consent_pb2 import (
    CONSENT_DECISION_GRANTED,
    CONSENT_DECISION_WITHDRAWN,
    CONSENT_LIST_NECESSARY,
    CONSENT_LIST_OPTIONAL,
    ConsentRecord,
)
from schemas.pseudonyms import Pseudonyms
from schemas.purposes import NECESSARY, PURPOSES
from schemas.reasons import Reason, Rejected
from sources.feed import Feed
from sources.first_fields import KEY_SQL, subscriber, time_reader
from sources.subscriber_key import text_of

_GRANTED: dict[int, bool] = {CONSENT_DECISION_GRANTED: True, CONSENT_DECISION_WITHDRAWN: False}
_OPTIONAL = frozenset(name for name, purpose in PURPOSES.items() if purpose.list == "optional")


def decode(key: bytes, value: bytes, pseudonyms: Pseudonyms) -> Consent:
    """One decision.

    Raises
    ------
    Rejected
        malformed, key_missing, key_mismatch, event_id_missing, kind_missing (also for a purpose that is not on the
        optional list) or tag_missing (no purpose).
    """
    try:
        record = ConsentRecord.FromString(value)
    except (DecodeError, RecursionError):
        raise Rejected(Reason.MALFORMED) from None
    raw = text_of(key)
    if record.msisdn and record.msisdn != raw:
        raise Rejected(Reason.KEY_MISMATCH)
    record_id = record.record_id
    if not record_id:
        raise Rejected(Reason.EVENT_ID_MISSING)
    consent_list = record.list
    granted = _GRANTED.get(record.decision)
    if granted is None:
        raise Rejected(Reason.KIND_MISSING)
    if consent_list == CONSENT_LIST_NECESSARY:
        purpose = NECESSARY
    elif consent_list == CONSENT_LIST_OPTIONAL:
        purpose = record.purpose
        if not purpose:
            raise Rejected(Reason.TAG_MISSING)
        # in particular not "necessary": one list must not decide for the other
        if purpose not in _OPTIONAL:
            raise Rejected(Reason.KIND_MISSING)
    else:
        raise Rejected(Reason.KIND_MISSING)
    return Consent(
        pseudonyms.identifier(raw),
        identity_of(f"consent/{record_id}"),
        record.event_time_ms,
        purpose,
        granted,
        record.list_version,
    )


FEED = Feed(
    name="consent",
    keyed_by="MSISDN",
    population="subscribers",
    topic="livetags.consent",
    file_format="delimited",
    file_suffix=".pb",
    key_sql=KEY_SQL,
    subscriber=subscriber,
    decode=decode,
    event_time_ms=time_reader(ConsentRecord.FromString),
)
