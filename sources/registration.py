"""Feed `registration`: cards opened, and their data (schemas/proto/livetags/v1/registration.proto)."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from schemas.events import Registration, identity_of
from schemas.pb.livetags.v1.registration_pb2 import GENDER_FEMALE, GENDER_MALE, RegistrationRecord
from schemas.pseudonyms import DOCUMENT, Pseudonyms
from schemas.reasons import Reason, Rejected
from sources.feed import Feed
from sources.first_fields import KEY_SQL, subscriber, time_reader
from sources.subscriber_key import text_of

_GENDERS: dict[int, str] = {GENDER_FEMALE: "female", GENDER_MALE: "male"}


def decode(key: bytes, value: bytes, pseudonyms: Pseudonyms) -> Registration:
    """One registration. A gender that is not said, or that this build does not know, is empty.

    Raises
    ------
    Rejected
        malformed, key_missing, key_mismatch, event_id_missing, person_missing or value_negative.
    """
    try:
        record = RegistrationRecord.FromString(value)
    except (DecodeError, RecursionError):
        raise Rejected(Reason.MALFORMED) from None
    raw = text_of(key)
    if record.registrant_ref and record.registrant_ref != raw:
        raise Rejected(Reason.KEY_MISMATCH)
    record_id = record.record_id
    if not record_id:
        raise Rejected(Reason.EVENT_ID_MISSING)
    person_ref = record.person_ref
    if not person_ref:
        raise Rejected(Reason.PERSON_MISSING)
    age = record.age
    activation_time_ms = record.activation_time_ms
    if age < 0 or activation_time_ms < 0:
        raise Rejected(Reason.VALUE_NEGATIVE)
    return Registration(
        pseudonyms.identifier(DOCUMENT + raw),
        identity_of(f"registration/{record_id}"),
        record.event_time_ms,
        pseudonyms.person(person_ref),
        age,
        _GENDERS.get(record.gender, ""),
        record.region,
        activation_time_ms,
        record.device_model,
        record.device_os,
        record.occupation,
        record.plan_tier,
    )


FEED = Feed(
    name="registration",
    keyed_by="document",
    population="subscribers",
    topic="livetags.registration",
    file_format="delimited",
    file_suffix=".pb",
    key_sql=KEY_SQL,
    subscriber=subscriber,
    decode=decode,
    event_time_ms=time_reader(RegistrationRecord.FromString),
)
