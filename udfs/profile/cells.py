"""Folding evidence into the cells of a tag group: shift the landmark, add, cap."""

from __future__ import annotations

from math import exp2

from schemas.rules import GroupRule
from schemas.state import GroupState
from udfs.profile.decay import landmark_of, scale_at, shift, weight_at
from udfs.profile.weighted_welford import merge, observe, shift_cell


def add(group: GroupState, rule: GroupRule, tag: str, value: float, event_time_ms: int, max_tags: int) -> list[float]:
    """Fold one piece of evidence into the group and return the tag's cell, which may be the "other" cell.

    Guarantee: the total of the group, "other" included, is exact in any order of arrival. Tags kept apart are exact as
    long as the cap was never reached; after that each is too low by at most the weight of "other".
    """
    # decay.scale_at and decay.landmark_of, written out: this runs several times per event
    whole, rest_ms = divmod(event_time_ms, rule.half_life_ms)
    if whole > group.landmark:
        shift_to(group, rule.numeric, whole)
    scale = exp2(whole - group.landmark + rest_ms / rule.half_life_ms)
    cells = group.cells
    cell = cells.get(tag)
    if cell is None:
        cell = cells[tag] = [0.0, 0.0, 0.0, 0.0] if rule.numeric else [0.0, 0.0]
        if rule.numeric:
            observe(cell, value, scale)
        else:
            cell[0] = value * scale
        cell[-1] = float(event_time_ms)  # as decoding gives it, so that encoding is the same
        if len(cells) > max_tags and spill_lightest(group, rule.numeric) == tag and group.other is not None:
            return group.other
        return cell
    if rule.numeric:
        observe(cell, value, scale)
    else:
        cell[0] += value * scale
    if event_time_ms > cell[-1]:
        cell[-1] = float(event_time_ms)
    return cell


def replace(group: GroupState, tag: str, value: float, event_time_ms: int) -> float:
    """Fold one piece of evidence into a group of facts, which keeps the newest alone; returns the scaled weight.

    Newest by event time, of several at the same instant the later name, then the larger value: whatever the order of
    arrival, the same one stays.
    """
    landmark, rest_ms = divmod(event_time_ms, group.half_life_ms)
    scaled = value * exp2(rest_ms / group.half_life_ms)
    for known, cell in group.cells.items():
        if (cell[-1], known, cell[0]) >= (event_time_ms, tag, scaled):
            return cell[0]
    group.landmark = landmark
    group.cells = {tag: [scaled, float(event_time_ms)]}
    return scaled


def shift_to(group: GroupState, numeric: bool, landmark: int) -> None:
    """Move the group's landmark to a later one; exact, one pass over the cells."""
    halve(group, numeric, landmark - group.landmark)
    group.landmark = landmark


def halve(group: GroupState, numeric: bool, times: int) -> None:
    """Multiply everything the group holds by ``2**-times``; exact, one pass over the cells."""
    for cell in every(group):
        if numeric:
            shift_cell(cell, times)
        else:
            cell[0] = shift(cell[0], times)


def every(group: GroupState) -> list[list[float]]:
    """All cells of the group, "other" included."""
    cells = list(group.cells.values())
    if group.other is not None:
        cells.append(group.other)
    return cells


def change_half_life(group: GroupState, rule: GroupRule, at_ms: int) -> None:
    """Convert the group to another half-life: weights stay what they are at `at_ms` and decay anew from then on.

    A decayed sum does not hold the times of its terms, so the past can't be re-weighted; history can (rebuild).
    """
    landmark = landmark_of(at_ms, rule.half_life_ms)
    factor = weight_at(1.0, at_ms, group.half_life_ms, group.landmark) * scale_at(at_ms, rule.half_life_ms, landmark)
    for cell in every(group):
        cell[0] *= factor
        if rule.numeric:
            cell[2] *= factor
    group.landmark = landmark
    group.half_life_ms = rule.half_life_ms


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
