"""Rebuilding a profile whose person's behaviour has changed.

At once, in the state: all evidence so far of the groups that follow behaviour is multiplied by a power of two,
exactly, and a new generation begins. That also takes what is from after the change, so it is provisional. Then, from
the history: what was folded before the alarm and happened since the change is read again and given back what it lost,

    provisional + (1 - factor) * recent = factor * (old + recent) + (1 - factor) * recent = factor * old + recent,

added to whatever arrived meanwhile. Which evidence was there at the alarm is told by the number of its event, never by
its time: a late event that arrives afterwards is in the state in full already. Old evidence stays at a small factor, so
a false alarm costs little and who returns to old habits is soon known again.
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas.outputs import Alarm, PastPiece
from schemas.rules import Rules
from schemas.state import GroupState, Profile
from udfs.profile import cells
from udfs.profile.decay import landmark_of
from udfs.profile.expiry import due_ms_of
from udfs.profile.merge_groups import merge_group


def begin(profile: Profile, alarm: Alarm, rules: Rules) -> None:
    """Down-weight everything the profile holds of the groups that are rebuilt; the alarm says by how much from now on.

    The alarm's rebuild takes the place of one that still waits: that one stays provisional.
    """
    profile.generation += 1
    alarm.generation = profile.generation
    alarm.status = "provisional"
    alarm.factor = 2.0**-rules.drift.rebuild_halvings
    for name, group in profile.groups.items():
        rule = rules.groups[name]
        if rule.rebuilt:
            cells.halve(group, rule.numeric, rules.drift.rebuild_halvings)
    profile.due_ms = due_ms_of(profile, rules)
    if profile.drift is not None:
        profile.drift.pending = alarm


def refine(profile: Profile, rows: Iterable[PastPiece], rules: Rules) -> None:
    """Give back their full weight to pieces of evidence: those folded before the newest alarm, from after the change.

    Parameters
    ----------
    profile
        Its `drift.pending` is the alarm; afterwards there is none.
    rows
        All such evidence of groups that are rebuilt, in any order.
    """
    memory = profile.drift
    if memory is None or memory.pending is None:
        msg = "no rebuild of this profile waits for the history"
        raise ValueError(msg)
    lost = 1.0 - memory.pending.factor
    memory.pending = None
    for (name, kept), recent in _groups_of(rows, rules).items():
        rule = rules.groups[name]
        for cell in cells.every(recent):
            cell[0] *= kept * lost
            if rule.numeric:
                cell[2] *= kept * lost
        mine = profile.groups.get(name)
        if mine is None:
            profile.groups[name] = recent
            continue
        if mine.half_life_ms != rule.half_life_ms:
            cells.change_half_life(mine, rule, profile.last_event_ms)
        merge_group(mine, recent, rule, rules.max_tags_per_group)
    profile.due_ms = due_ms_of(profile, rules)


def _groups_of(rows: Iterable[PastPiece], rules: Rules) -> dict[tuple[str, float], GroupState]:
    """The evidence folded, apart by group and by what earlier rebuilds have left of it."""
    groups: dict[tuple[str, float], GroupState] = {}
    for name, tag, event_time_ms, value, kept in rows:
        rule = rules.groups[name]
        group = groups.get((name, kept))
        if group is None:
            landmark = landmark_of(event_time_ms, rule.half_life_ms)
            group = groups[name, kept] = GroupState(landmark, rule.half_life_ms, {})
        cells.add(group, rule, tag, value, event_time_ms, rules.max_tags_per_group)
    return groups
