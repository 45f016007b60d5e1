"""When a profile will have faded: the closed form over all its cells."""

from __future__ import annotations

from math import ceil

from schemas.rules import Rules
from schemas.state import Profile
from udfs.profile import cells
from udfs.profile.decay import expires_at_ms


def due_ms_of(profile: Profile, rules: Rules) -> int:
    """Milliseconds since the epoch at which the last cell, "other" included, reaches the floor; 0 without any.

    `advance` keeps `Profile.due_ms` up to date by the cells it touches; this is for whoever changes cells otherwise.
    """
    due_ms = 0.0
    for group in profile.groups.values():
        for cell in cells.every(group):
            due_ms = max(due_ms, expires_at_ms(cell[0], group.half_life_ms, group.landmark, rules.weight_floor))
    return ceil(due_ms)
