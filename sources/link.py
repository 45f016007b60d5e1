"""Feed `link`: which person an identifier belongs to, from when on (schemas/proto/livetags/v1/link.proto)."""

from __future__ import annotations

from schemas.events import Link, identity_of
from schemas.pb.livetags.v1.link_pb2 import LinkRecord
from schemas.pseudonyms import Pseudonyms
from schemas.reasons import Reason, Rejected
from sources.feed import Feed
from sources.first_fields import KEY_SQL, subscriber, time_reader
from sources.identifier_record import identified


def decode(key: bytes, value: bytes, pseudonyms: Pseudonyms) -> Link:
    """One link.

    Raises
    ------
    Rejected
        malformed, key_missing, key_mismatch, event_id_missing or person_missing.
    """
    record, raw = identified(LinkRecord.FromString, key, value)
    person_ref = record.person_ref
    if not person_ref:
        raise Rejected(Reason.PERSON_MISSING)
    return Link(
        pseudonyms.identifier(raw),
        identity_of(f"link/{record.record_id}"),
        record.event_time_ms,
        pseudonyms.person(person_ref),
    )


FEED = Feed(
    name="link",
    keyed_by="any identifier",
    population="subscribers",
    topic="livetags.link",
    file_format="delimited",
    file_suffix=".pb",
    key_sql=KEY_SQL,
    subscriber=subscriber,
    decode=decode,
    event_time_ms=time_reader(LinkRecord.FromString),
)
