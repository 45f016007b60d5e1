"""The door: what every event passes before it counts: its time, the erasure, duplicates, cleaning."""

from __future__ import annotations

from schemas.cleaning_memory import CleaningMemory
from schemas.events import Event, Link
from schemas.reasons import Reason, Rejected
from schemas.rules import Rules
from schemas.state import Profile
from udfs.cleaning import clean
from udfs.cleaning.align import aligned_ms
from udfs.profile import horizon
from udfs.profile.horizon import NEW, Seen
from udfs.profile.output import DUPLICATE, Duplicate, Refused

_NOT_NEW: dict[Seen, Duplicate | Refused] = {
    Seen.REPEAT: DUPLICATE,
    Seen.TOO_OLD: Refused(Reason.LATE_BEYOND_HORIZON),
    Seen.TOO_MANY: Refused(Reason.USER_FLOOD),
}
_IN_FUTURE = Refused(Reason.TIME_IN_FUTURE)
_TOO_EARLY = Refused(Reason.TIME_BEFORE_MINIMUM)
_ERASED = Refused(Reason.ERASED)

LEAVES_NOTHING = frozenset(
    {
        Reason.TIME_IN_FUTURE,
        Reason.TIME_BEFORE_MINIMUM,
        Reason.ERASED,
        Reason.LATE_BEYOND_HORIZON,
        Reason.USER_FLOOD,
    }
)
"""Reasons for which an event is refused before anything of it is remembered."""


def enter(
    profile: Profile, event: Event, rules: Rules, now_ms: int, corrections: list[str]
) -> Event | Duplicate | Refused:
    """Admit one event of an identifier, cleaned; or say why not.

    Parameters
    ----------
    profile
        State of the identifier: the ids seen and the cleaning steps' memory are kept there, changed in place.
    event
        A decoded event; cleaning changes it in place.
    now_ms
        The time, given by the caller; only decides what counts as future-dated.
    corrections
        Gets the code of everything cleaning changed.

    Guarantee
    ---------
    An exact repeat is a duplicate, whatever became of the first. Only an admitted or a cleaned-away event changes the
    profile.
    """
    event_time_ms = event.event_time_ms = aligned_ms(event.event_time_ms, corrections)
    if event_time_ms > now_ms + rules.future_tolerance_ms:
        return _IN_FUTURE
    if event_time_ms < rules.min_event_time_ms:
        return _TOO_EARLY
    # Of a linked identifier the person's profile decides: a number has had other owners, who were not erased. Whose it
    # is must be known even of before an erasure, or nobody could tell whom to keep erased.
    if event_time_ms <= profile.erased_ms and not profile.links and event.__class__ is not Link:
        return _ERASED
    seen = horizon.admit(profile, event.event_id, event_time_ms, rules)
    if seen is not NEW:
        return _NOT_NEW[seen]
    if event.__class__ is Link:
        return event
    if profile.cleaning is None:
        profile.cleaning = CleaningMemory()
    try:
        return clean(event, profile.cleaning, rules, corrections)
    except Rejected as rejected:
        return Refused(rejected.reason)
