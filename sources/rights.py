"""Feed `rights`: erasure and export asked for by a person (schemas/proto/livetags/v1/rights.proto)."""

from __future__ import annotations

from schemas.events import RightsRequest, identity_of
from schemas.pb.livetags.v1.rights_pb2 import RIGHTS_ACTION_ERASE, RIGHTS_ACTION_EXPORT, RightsRecord
from schemas.pseudonyms import Pseudonyms
from schemas.reasons import Reason, Rejected
from sources.feed import Feed
from sources.first_fields import KEY_SQL, subscriber, time_reader
from sources.identifier_record import identified

_ACTIONS: dict[int, str] = {RIGHTS_ACTION_ERASE: "erase", RIGHTS_ACTION_EXPORT: "export"}


def decode(key: bytes, value: bytes, pseudonyms: Pseudonyms) -> RightsRequest:
    """One request.

    Raises
    ------
    Rejected
        malformed, key_missing, key_mismatch, event_id_missing or kind_missing.
    """
    record, raw = identified(RightsRecord.FromString, key, value)
    action = _ACTIONS.get(record.action)
    if action is None:
        raise Rejected(Reason.KIND_MISSING)
    return RightsRequest(
        pseudonyms.identifier(raw),
        identity_of(f"rights/{record.record_id}"),
        record.event_time_ms,
        action,
        record.record_id,
    )


FEED = Feed(
    name="rights",
    keyed_by="any identifier",
    population="subscribers",
    topic="livetags.rights",
    file_format="delimited",
    file_suffix=".pb",
    key_sql=KEY_SQL,
    subscriber=subscriber,
    decode=decode,
    event_time_ms=time_reader(RightsRecord.FromString),
)
