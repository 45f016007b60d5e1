"""De-duplication within a bounded horizon of event time.

Ids are remembered in buckets of event time. An event from before the horizon can't be told from a repeat, so it is
rejected instead: whatever arrives, no event is ever folded twice. Bounded by `dedup_buckets`, by `dedup_max_ids`
(which shortens the horizon of a very busy user) and by `max_events_per_bucket`.
"""

from __future__ import annotations

from enum import IntEnum

from schemas.rules import Rules
from schemas.state import ID_BYTES, Profile, short_id, unpack_ids


class Seen(IntEnum):
    """What the horizon says of an event."""

    NEW = 0
    REPEAT = 1
    TOO_OLD = 2
    TOO_MANY = 3


NEW = Seen.NEW
_REPEAT = Seen.REPEAT


def admit(profile: Profile, event_id: int, event_time_ms: int, rules: Rules) -> Seen:
    """Decide whether an event is new, and remember it if so. Only `Seen.NEW` changes the profile."""
    bucket = event_time_ms // rules.dedup_bucket_ms
    seen = profile.seen
    ids = seen.get(bucket)
    if ids is None:
        if bucket < profile.dedup_floor:
            return Seen.TOO_OLD
        ids = seen[bucket] = set()
        _forget(profile, bucket, rules)
    elif isinstance(ids, bytes):
        ids = seen[bucket] = unpack_ids(ids)
    event_id = short_id(event_id)
    if event_id in ids:
        return _REPEAT
    if len(ids) >= rules.max_events_per_bucket:
        return Seen.TOO_MANY
    ids.add(event_id)
    return NEW


def _forget(profile: Profile, opened: int, rules: Rules) -> None:
    """Drop the buckets that fell out of the horizon; called when a bucket is opened, so not once per event."""
    seen = profile.seen
    if len(seen) == 1:
        profile.dedup_floor = max(profile.dedup_floor, opened - rules.dedup_buckets + 1)
        return
    newest = max(seen)
    floor = max(profile.dedup_floor, newest - rules.dedup_buckets + 1)
    # packed ids are several bytes each, so this is no less than the ids held, and cheap
    if sum(map(len, seen.values())) > rules.dedup_max_ids:
        held = sum([len(ids) if isinstance(ids, set) else len(ids) // ID_BYTES for ids in seen.values()])
        for bucket in sorted(seen):
            if bucket == newest or held <= rules.dedup_max_ids:
                break
            ids = seen[bucket]
            held -= len(ids) if isinstance(ids, set) else len(ids) // ID_BYTES
            floor = max(floor, bucket + 1)
    profile.dedup_floor = floor
    # the opened bucket stays even below a new floor: an event is about to be remembered in it
    for bucket in [b for b in seen if b < floor and b != opened]:
        del seen[bucket]
