"""Merging two partial profiles of one user."""

from __future__ import annotations

from schemas.rules import Rules
from schemas.state import GroupState, Profile, unpack_ids
from udfs.privacy.consent import newest
from udfs.profile import cells
from udfs.profile.expiry import due_ms_of
from udfs.profile.merge_groups import merge_group
from udfs.profile.merge_memory import merge_memory


def merge(profile: Profile, more: Profile, rules: Rules) -> Profile:
    """Fold `more`, a profile of other events of the same user, into `profile`.

    Decayed sums add, so merging loses nothing: the result equals folding both logs into one profile (1e-12 relative).
    The two must not share an event; `more` is left scaled to the common landmarks.
    """
    for name, other in more.groups.items():
        rule = rules.groups[name]
        mine = profile.groups.get(name)
        if mine is None:
            mine = profile.groups[name] = GroupState(other.landmark, other.half_life_ms, {})
        for group, at_ms in ((mine, profile.last_event_ms), (other, more.last_event_ms)):
            if group.half_life_ms != rule.half_life_ms:
                cells.change_half_life(group, rule, at_ms)
        merge_group(mine, other, rule, rules.max_tags_per_group)
    for bucket, ids in more.seen.items():
        mine_ids = profile.seen.get(bucket, set())
        profile.seen[bucket] = _as_set(mine_ids) | _as_set(ids)
    first_times = [p.first_event_ms for p in (profile, more) if p.n]
    profile.first_event_ms = min(first_times, default=0)
    profile.last_event_ms = max(profile.last_event_ms, more.last_event_ms)
    profile.last_write_ms = max(profile.last_write_ms, more.last_write_ms)
    profile.due_ms = max(profile.due_ms, more.due_ms, due_ms_of(profile, rules))
    profile.dedup_floor = max(profile.dedup_floor, more.dedup_floor)
    # one side has forgotten what happened below the floor, so what the other remembers of it is not complete
    for bucket in [b for b in profile.seen if b < profile.dedup_floor]:
        del profile.seen[bucket]
    profile.consents = newest(profile.consents, more.consents)
    if more.memory is not None:
        profile.memory = merge_memory(profile.memory, more.memory) if profile.memory is not None else more.memory
    profile.erased_ms = max(profile.erased_ms, more.erased_ms)
    profile.generation = max(profile.generation, more.generation)
    if profile.drift is not None and profile.drift.pending is not None:
        profile.drift.pending.generation = profile.generation  # its rebuild is still the newest
    profile.n += more.n
    return profile


def _as_set(ids: set[int] | bytes) -> set[int]:
    return unpack_ids(ids) if isinstance(ids, bytes) else ids
