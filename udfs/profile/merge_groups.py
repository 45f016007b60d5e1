"""Merging two partial groups of tags: decayed sums add."""

from __future__ import annotations

from schemas.rules import GroupRule
from schemas.state import GroupState
from udfs.profile import cells, weighted_welford


def merge_group(mine: GroupState, more: GroupState, rule: GroupRule, max_tags: int) -> None:
    """Fold `more`, of other evidence and scaled with the same half-life, into `mine`.

    `more` is left scaled to the common landmark. Beyond `max_tags` the lightest go into "other", as when folding.
    """
    landmark = max(mine.landmark, more.landmark)
    cells.shift_to(mine, rule.numeric, landmark)
    cells.shift_to(more, rule.numeric, landmark)
    if rule.fact:
        tag, cell = max([*mine.cells.items(), *more.cells.items()], key=lambda item: (item[1][-1], item[0], item[1][0]))
        mine.cells = {tag: cell}
        return
    for tag, cell in more.cells.items():
        mine.cells[tag] = _merged(mine.cells.get(tag), cell, rule.numeric)
    if more.other is not None:
        mine.other = _merged(mine.other, more.other, rule.numeric)
    while len(mine.cells) > max_tags:
        cells.spill_lightest(mine, rule.numeric)


def _merged(mine: list[float] | None, cell: list[float], numeric: bool) -> list[float]:
    if mine is None:
        return list(cell)
    if numeric:
        weighted_welford.merge(mine, cell)
    else:
        mine[0] += cell[0]
        mine[1] = max(mine[1], cell[1])
    return mine
