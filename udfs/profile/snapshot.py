"""The hot view of a profile: every tag's weight at the user's newest event."""

from __future__ import annotations

from schemas.outputs import HotProfile
from schemas.rules import Rules
from schemas.state import Profile
from udfs.profile.decay import weight_at
from udfs.profile.weighted_welford import deviation


def version_of(generation: int, n: int) -> str:
    """Version as fixed-width text, so that stores can compare it without numbers (Lua's are doubles)."""
    return f"{generation:010d}-{n:019d}"


def snapshot(user: str, profile: Profile, rules: Rules) -> HotProfile:
    """Full snapshot of the tags above the floor, as of the newest event.

    The value depends on the set of events only, so a replay writes the same snapshot. The expiry is the closed form
    of the last tag's decay, but never earlier than `hot_retention_ms` after `Profile.last_write_ms`.
    """
    as_of_ms = profile.last_event_ms
    floor = rules.weight_floor
    weights: dict[str, float] = {}
    other: dict[str, float] = {}
    last: dict[str, int] = {}
    for name, group in profile.groups.items():
        rule = rules.groups[name]
        if not rule.hot:
            continue
        numeric = rule.numeric
        factor = weight_at(1.0, as_of_ms, group.half_life_ms, group.landmark)
        for tag, cell in group.cells.items():
            weight = cell[0] * factor
            if abs(weight) < floor:
                continue
            field = f"{name}:{tag}"
            weights[field] = weight
            last[field] = int(cell[-1])
            if numeric:
                weights[field + ".mean"] = cell[1]
                weights[field + ".std"] = deviation(cell)
        if group.other is not None:
            other[name] = group.other[0] * factor
    drift = profile.drift
    expires_at_ms = max(profile.due_ms, profile.last_write_ms + rules.hot_retention_ms)
    return HotProfile(
        user,
        version_of(profile.generation, profile.n),
        as_of_ms,
        expires_at_ms,
        weights,
        other,
        last,
        profile.erased_ms,
        drift.reason if drift is not None else "",
        drift.changed_ms if drift is not None else 0,
    )
