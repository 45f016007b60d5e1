"""Feed `rebuild`: rebuilds of a person's profile asked for by hand (schemas/proto/livetags/v1/rebuild.proto)."""

from __future__ import annotations

from schemas.events import Rebuild, identity_of
from schemas.pb.livetags.v1.rebuild_pb2 import RebuildRecord
from schemas.pseudonyms import Pseudonyms
from schemas.reasons import Reason, Rejected
from sources.feed import Feed
from sources.first_fields import KEY_SQL, subscriber, time_reader
from sources.identifier_record import identified


def decode(key: bytes, value: bytes, pseudonyms: Pseudonyms) -> Rebuild:
    """One request.

    Raises
    ------
    Rejected
        malformed, key_missing, key_mismatch, event_id_missing or since_impossible.
    """
    record, raw = identified(RebuildRecord.FromString, key, value)
    since_ms, asked_ms = record.since_ms, record.event_time_ms
    # an event time that can't be is refused later, for what it is
    if since_ms <= 0 or 0 < asked_ms < since_ms:
        raise Rejected(Reason.SINCE_IMPOSSIBLE)
    return Rebuild(pseudonyms.identifier(raw), identity_of(f"rebuild/{record.record_id}"), asked_ms, since_ms)


FEED = Feed(
    name="rebuild",
    keyed_by="any identifier",
    population="subscribers",
    topic="livetags.rebuild",
    file_format="delimited",
    file_suffix=".pb",
    key_sql=KEY_SQL,
    subscriber=subscriber,
    decode=decode,
    event_time_ms=time_reader(RebuildRecord.FromString),
)
