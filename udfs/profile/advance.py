"""The seam of the project: one event folded into one profile.

The Flink operator, the back-test of a rule, the rebuild from history and "why does this user have this tag" all call
`advance`; none of them knows how a profile works inside.
"""

from __future__ import annotations

from math import ceil, log2
from typing import NamedTuple

from schemas.events import Event
from schemas.outputs import Evidence
from schemas.reasons import Reason
from schemas.rules import Rules
from schemas.state import GroupState, Profile
from udfs.profile import cells, horizon
from udfs.profile.horizon import NEW, Seen
from udfs.tags import evidence_of


class Folded(NamedTuple):
    """The event changed the profile; `evidence` is what it was evidence for, one history row each."""

    evidence: tuple[Evidence, ...]


class Duplicate(NamedTuple):
    """The event had been folded before; nothing changed."""


class Refused(NamedTuple):
    """The event could not be used; nothing changed."""

    reason: Reason


Output = Folded | Duplicate | Refused

MAX_MAGNITUDE = 1e15
"""Largest value, either way, that counts as evidence."""

DUPLICATE = Duplicate()
_NOT_NEW: dict[Seen, Output] = {
    Seen.REPEAT: DUPLICATE,
    Seen.TOO_OLD: Refused(Reason.LATE_BEYOND_HORIZON),
    Seen.TOO_MANY: Refused(Reason.USER_FLOOD),
}
_IN_FUTURE = Refused(Reason.TIME_IN_FUTURE)
_NOT_FINITE = Refused(Reason.VALUE_NOT_FINITE)
_TOO_EARLY = Refused(Reason.TIME_BEFORE_MINIMUM)


def advance(profile: Profile, event: Event, rules: Rules, now_ms: int) -> tuple[Profile, Output, int]:
    """Fold one event into a profile.

    Parameters
    ----------
    profile
        The user's profile before; changed in place and returned.
    event
        A decoded event of this user.
    rules
        Half-lives and limits.
    now_ms
        The time, given by the caller; only decides what counts as future-dated.

    Returns
    -------
    profile, output, due_ms
        The profile after; what happened; and when, without further events, the profile will have decayed below the
        floor (milliseconds since the epoch, closed form).

    Guarantee
    ---------
    The profile depends on the set of distinct events, not on their order, up to float rounding (see `cells.add` for
    users beyond the cap, and `horizon` for events older than it). An exact repeat changes nothing.
    """
    event_time_ms = event.event_time_ms
    if event_time_ms > now_ms + rules.future_tolerance_ms:
        return profile, _IN_FUTURE, profile.due_ms
    if event_time_ms < rules.min_event_time_ms:
        return profile, _TOO_EARLY, profile.due_ms
    evidence = evidence_of(event)
    for _, _, value in evidence:
        # also false for NaN; a larger value would overflow sums and squares, for good
        if not -MAX_MAGNITUDE <= value <= MAX_MAGNITUDE:
            return profile, _NOT_FINITE, profile.due_ms
    seen = horizon.admit(profile, event.event_id, event_time_ms, rules)
    if seen is not NEW:
        return profile, _NOT_NEW[seen], profile.due_ms

    groups = profile.groups
    log2_floor = log2(rules.weight_floor)
    due_ms: float = profile.due_ms
    for name, tag, value in evidence:
        rule = rules.groups[name]
        half_life_ms = rule.half_life_ms
        group = groups.get(name)
        if group is None:
            group = groups[name] = GroupState(event_time_ms // half_life_ms, half_life_ms, {})
        elif group.half_life_ms != half_life_ms:
            cells.change_half_life(group, rule, profile.last_event_ms)
        scaled = cells.add(group, rule, tag, value, event_time_ms, rules.max_tags_per_group)[0]
        if group.other is not None and group.other[0] > scaled:
            scaled = group.other[0]  # a spill may have made "other" the last to fade
        if scaled > 0.0:
            expires_ms = half_life_ms * (group.landmark + log2(scaled) - log2_floor)  # decay.expires_at_ms, written out
            if expires_ms > due_ms:
                due_ms = expires_ms
    profile.due_ms = ceil(due_ms)
    if event_time_ms > profile.last_event_ms:
        profile.last_event_ms = event_time_ms
    if profile.n == 0 or event_time_ms < profile.first_event_ms:
        profile.first_event_ms = event_time_ms
    profile.n += 1
    return profile, Folded(evidence), profile.due_ms
