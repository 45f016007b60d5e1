"""Folding one admitted event into a profile: consent, tags, decayed update."""

from __future__ import annotations

from math import ceil, log2

from schemas.events import Consent, Event, Rebuild, RightsRequest
from schemas.fleet_memory import FleetMemory
from schemas.outputs import Alarm, Evidence
from schemas.person_memory import PersonMemory
from schemas.reasons import Reason
from schemas.rules import Rules
from schemas.state import GroupState, Profile
from udfs.privacy.consent import allowed, decide
from udfs.profile import cells
from udfs.profile.notice import ask_rebuild, forget_drift, notice
from udfs.profile.output import ERASED, Folded, Output, Refused
from udfs.tags import evidence_of, families_of, forget

MAX_MAGNITUDE = 1e15
"""Largest value, either way, that counts as evidence."""

_NOT_FINITE = Refused(Reason.VALUE_NOT_FINITE)
_NO_CONSENT = Refused(Reason.NO_CONSENT)
_NO_PROFILE = Refused(Reason.NO_PROFILE)
_BEFORE_ERASURE = Refused(Reason.ERASED)


def fold(profile: Profile, event: Event, rules: Rules, fleet: FleetMemory | None = None) -> Output:
    """Fold an event that has passed the door into its person's profile, which is changed in place.

    Only evidence for purposes the person has consented to is folded, and families without any such purpose do not even
    see the event. An event of which nothing may be used is refused. When the event reveals that the person's behaviour
    has changed, the profile is rebuilt before the event is folded; `fleet` is what is known of everybody else.

    Guarantee
    ---------
    The profile depends on the set of events and of decisions before each, not on the order among events, up to float
    rounding, as far as the tags' declarations say so (``order_free``). A rebuild weighs what came before it, so an
    event that is late across one weighs more than it would have in time.
    """
    event_time_ms = event.event_time_ms
    if event_time_ms <= profile.erased_ms:
        return _BEFORE_ERASURE
    kind = event.__class__
    if kind is RightsRequest:
        return _asked(profile, event)  # type: ignore[arg-type]
    if kind is Rebuild:
        if not profile.n:
            return _NO_PROFILE
        return Folded((), (), ask_rebuild(profile, event, rules))  # type: ignore[arg-type]
    evidence: tuple[Evidence, ...] = ()
    forgotten: tuple[str, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    if kind is Consent:
        forgotten = _decided(profile, event, rules)  # type: ignore[arg-type]
    else:
        consents = profile.consents
        families = families_of(event)
        permitted = [family for family in families if allowed(consents, family.purpose, rules)]
        if families and not permitted:
            return _NO_CONSENT
        memory = profile.memory
        if memory is None:
            memory = profile.memory = PersonMemory()
        evidence = evidence_of(event, permitted, memory, rules)
        for _, _, value in evidence:
            # also false for NaN; a larger value would overflow sums and squares, for good
            if not -MAX_MAGNITUDE <= value <= MAX_MAGNITUDE:
                return _NOT_FINITE
        if rules.watched:
            alarms = notice(profile, event.user, evidence, event_time_ms, rules, fleet)
        _add(profile, evidence, event_time_ms, rules)
    if event_time_ms > profile.last_event_ms:
        profile.last_event_ms = event_time_ms
    if profile.n == 0 or event_time_ms < profile.first_event_ms:
        profile.first_event_ms = event_time_ms
    profile.n += 1
    return Folded(evidence, forgotten, alarms)


def _asked(profile: Profile, event: RightsRequest) -> Output:
    if event.action == "erase":
        erase(profile, event.event_time_ms)
        return ERASED
    return Folded(())


def _decided(profile: Profile, event: Consent, rules: Rules) -> tuple[str, ...]:
    forgotten = decide(profile, event, rules)
    if profile.memory is not None:
        forget(profile.memory, lambda purpose: allowed(profile.consents, purpose, rules))
    forget_drift(profile, forgotten, rules)
    return forgotten


def erase(profile: Profile, erased_ms: int) -> None:
    """Empty the profile; whose it is, which records have been seen, and the time of erasure stay.

    Without the ids a repeat of a record from after the erasure would count again.
    """
    empty = Profile(
        generation=profile.generation + 1,
        links=profile.links,
        seen=profile.seen,
        dedup_floor=profile.dedup_floor,
        erased_ms=erased_ms,
    )
    for name in Profile.__struct_fields__:
        setattr(profile, name, getattr(empty, name))


def _add(profile: Profile, evidence: tuple[Evidence, ...], event_time_ms: int, rules: Rules) -> None:
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
        if rule.fact:
            scaled = cells.replace(group, tag, value, event_time_ms)
        else:
            scaled = cells.add(group, rule, tag, value, event_time_ms, rules.max_tags_per_group)[0]
        if group.other is not None and group.other[0] > scaled:
            scaled = group.other[0]  # a spill may have made "other" the last to fade
        if scaled > 0.0:
            expires_ms = half_life_ms * (group.landmark + log2(scaled) - log2_floor)  # decay.expires_at_ms, written out
            if expires_ms > due_ms:
                due_ms = expires_ms
    profile.due_ms = ceil(due_ms)
