"""Rebuilds that the history has answered: applied to the state if they still hold."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from schemas.outputs import Alarm, FleetAlarm, HistoryBatch, HotBatch, Rebuilt, ShardCounts
from schemas.rules import Rules
from udfs.profile.rebuild import refine
from udfs.stages.user_states import UserStates


def apply_rebuilds(
    answers: Sequence[Rebuilt],
    states: UserStates,
    counts: ShardCounts,
    rules: Rules,
    now_ms: int,
    history: HistoryBatch,
) -> HotBatch:
    """Refine the profiles the answers are for, and say so in the history; what is to be shown is returned.

    An answer for another generation than the profile's, or to an alarm that no longer waits, changes nothing: there was
    an erasure, a withdrawal of consent, or another alarm meanwhile.
    """
    hot = HotBatch()
    for alarm, rows in answers:
        if not states.holds(alarm.user):
            continue
        profile, _ = states.load(alarm.user, counts)
        pending = profile.drift.pending if profile.drift is not None else None
        if profile.drift is None or pending is None or _key(pending) != _key(alarm):
            continue
        if profile.generation != pending.generation:
            continue
        if rows is None:
            profile.drift.pending = None
            history.alarms.append(replace(pending, status="timed_out"))
        else:
            refine(profile, rows, rules)
            history.alarms.append(replace(pending, status="refined"))
        profile.last_write_ms = now_ms
        hot.changed.append((alarm.user, states.store(alarm.user, profile)))
    states.flush(counts)
    return hot


def tell_shifts(counts: ShardCounts, history: HistoryBatch) -> None:
    """Move the shifts of everybody that the shard's guard has noticed to the history."""
    raised = counts.fleet.raised
    history.fleet_alarms += [FleetAlarm(counts.shard, *each) for each in raised]
    raised.clear()


def _key(alarm: Alarm) -> tuple[str, str, int, int]:
    return alarm.user, alarm.kind, alarm.at_ms, alarm.generation
