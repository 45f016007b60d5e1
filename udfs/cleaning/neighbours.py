"""Which cells a phone may hop between without moving."""

from __future__ import annotations

from schemas.dictionaries import Cell


def are_neighbours(cells: dict[str, Cell], one: str, other: str) -> bool:
    """Whether either cell names the other as its neighbour; a cell missing in the dictionary has none."""
    cell = cells.get(one)
    if cell is not None and other in cell.neighbours:
        return True
    cell = cells.get(other)
    return cell is not None and one in cell.neighbours
