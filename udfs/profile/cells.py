"""Folding evidence into the cells of a tag group: shift the landmark, add, cap."""

from __future__ import annotations

from schemas.rules import GroupRule
from schemas.state import GroupState
from udfs.profile.decay import landmark_of, scale_at, shift
from udfs.profile.weighted_welford import merge, observe, shift_cell


def add(group: GroupState, rule: GroupRule, tag: str, value: float, event_time_ms: int, max_tags: int) -> list[float]:
    """Fold one piece of evidence into the group and return the tag's cell, which may be the "other" cell.

    Guarantee: the total of the group, "other" included, is exact in any order of arrival. Tags kept apart are exact as
    long as the cap was never reached; after that each is too low by at most the weight of "other".
    """
    half_life_ms = rule.half_life_ms
    landmark = landmark_of(event_time_ms, half_life_ms)
    if landmark > group.landmark:
        shift_to(group, rule.numeric, landmark)
    scale = scale_at(event_time_ms, half_life_ms, group.landmark)
    cells = group.cells
    cell = cells.get(tag)
    if cell is None:
        cell = cells[tag] = [0.0, 0.0, 0.0, 0.0] if rule.numeric else [0.0, 0.0]
    if rule.numeric:
        observe(cell, value, scale)
    else:
        cell[0] += value * scale
    if event_time_ms > cell[-1]:
        cell[-1] = event_time_ms
    if len(cells) > max_tags:
        evicted = spill_lightest(group, rule.numeric)
        if evicted == tag and group.other is not None:
            return group.other
    return cell


def shift_to(group: GroupState, numeric: bool, landmark: int) -> None:
    """Move the group's landmark to a later one; exact, one pass over the cells."""
    half_lives = landmark - group.landmark
    group.landmark = landmark
    every = list(group.cells.values())
    if group.other is not None:
        every.append(group.other)
    if numeric:
        for cell in every:
            shift_cell(cell, half_lives)
    else:
        for cell in every:
            cell[0] = shift(cell[0], half_lives)


def spill_lightest(group: GroupState, numeric: bool) -> str:
    """Fold the lightest tag into "other" and return its name.

    All cells of a group share a landmark, so they compare without decaying them.
    """
    cells = group.cells
    lightest = min(cells, key=lambda tag: (cells[tag][0], tag))
    cell = cells.pop(lightest)
    if group.other is None:
        group.other = cell
    elif numeric:
        merge(group.other, cell)
    else:
        group.other[0] += cell[0]
        group.other[1] = max(group.other[1], cell[1])
    return lightest
