"""What drift means for a profile: alarms, and the rebuild they begin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.drift_memory import DriftMemory
from schemas.events import Rebuild
from schemas.fleet_memory import FleetMemory
from schemas.outputs import Alarm, AlarmKind, Evidence
from schemas.rules import Rules
from schemas.state import Profile
from udfs.profile import rebuild
from udfs.profile.drift import observe
from udfs.profile.share_drift import Noticed


def notice(
    profile: Profile,
    user: str,
    evidence: Sequence[Evidence],
    event_time_ms: int,
    rules: Rules,
    fleet: FleetMemory | None,
) -> tuple[Alarm, ...]:
    """Show the detectors what an event is about to be evidence for; begin the rebuild that an alarm calls for.

    Evidence without a positive value is not seen. Called before the event is folded, so a rebuild weighs what was there
    and not what is coming.
    """
    watched = rules.watched
    tags = [f"{name}:{tag}" for name, tag, value in evidence if name in watched and value > 0.0]
    if not tags:
        return ()
    memory = profile.drift
    if memory is None:
        memory = profile.drift = DriftMemory()
    noticed = observe(memory, tags, event_time_ms, rules, fleet)
    return tuple(_raise(profile, memory, user, kind, what, rules) for kind, what in noticed) if noticed else ()


def ask_rebuild(profile: Profile, event: Rebuild, rules: Rules) -> tuple[Alarm, ...]:
    """Begin the rebuild that somebody asks for: the person behaves as now since the time they say.

    A request that is not later than another one changes nothing.
    """
    if profile.drift is None:
        profile.drift = DriftMemory()
    if event.event_time_ms <= profile.drift.by_hand_ms:
        return ()
    profile.drift.by_hand_ms = event.event_time_ms
    alarm = Alarm(event.user, "by_hand", event.event_time_ms, event.since_ms, 0, profile.n, 1.0, 0.0)
    profile.drift.reason, profile.drift.changed_ms = "by hand", event.since_ms
    rebuild.begin(profile, alarm, rules)
    return (alarm,)


def forget_drift(profile: Profile, groups: Iterable[str], rules: Rules) -> None:
    """Forget what the detectors know when consent to a watched group goes, and let no rebuild bring groups back."""
    memory = profile.drift
    if memory is None:
        return
    if any(rules.groups[group].watched for group in groups):
        profile.drift = DriftMemory(by_hand_ms=memory.by_hand_ms)
    elif any(rules.groups[group].rebuilt for group in groups):
        memory.pending = None


def _raise(profile: Profile, memory: DriftMemory, user: str, kind: AlarmKind, noticed: Noticed, rules: Rules) -> Alarm:
    alarm = Alarm(
        user,
        kind,
        noticed.at_ms,
        noticed.since_ms,
        profile.generation,
        profile.n,
        noticed.evidence,
        noticed.distance_bits,
        noticed.rose,
        noticed.fell,
    )
    memory.reason, memory.changed_ms = reason_of(alarm), alarm.since_ms
    if kind == "shares":
        rebuild.begin(profile, alarm, rules)
    return alarm


def reason_of(alarm: Alarm) -> str:
    """An alarm in a few words: ``games 4% -> 38%, news 30% -> 6%``; of a volume alarm ``80 -> 5 events a day``."""
    changes = [*alarm.rose[:1], *alarm.fell[:1]]
    if alarm.kind == "volume":
        return ", ".join(f"{before:g} -> {since:g} events a day" for _, before, since in changes)
    return ", ".join(f"{tag.partition(':')[2] or tag} {before:.0%} -> {since:.0%}" for tag, before, since in changes)
