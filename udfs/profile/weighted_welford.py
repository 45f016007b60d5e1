"""Decayed mean and variance of a numeric tag: Welford's algorithm with weights.

A cell is ``[W, mean, S, last evidence ms]``: W the sum of scaled weights, S the scaled sum of squared deviations.
Variance is S / W. A landmark shift scales W and S and leaves the mean. Sums of squares would cancel; this does not.

Source: West, "Updating mean and variance estimates", CACM 22(9), 1979 (weights); Chan, Golub, LeVeque, "Updating
formulae and a pairwise algorithm", 1979 (merge).
"""

from __future__ import annotations

from math import sqrt

from udfs.profile.decay import shift


def observe(cell: list[float], value: float, weight: float) -> None:
    """Fold one value of scaled weight `weight` (>= 0) into the cell. A weight of zero changes nothing."""
    if weight == 0.0:
        return
    total = cell[0] + weight
    delta = value - cell[1]
    mean = cell[1] + weight / total * delta
    cell[2] += weight * delta * (value - mean)
    cell[1] = mean
    cell[0] = total


def merge(cell: list[float], more: list[float]) -> None:
    """Fold another cell of the same landmark in, as if its values had been observed here."""
    cell[3] = max(cell[3], more[3])
    if more[0] == 0.0:
        return
    total = cell[0] + more[0]
    delta = more[1] - cell[1]
    cell[2] += more[2] + delta * delta * cell[0] / total * more[0]
    cell[1] += delta * (more[0] / total)
    cell[0] = total


def shift_cell(cell: list[float], half_lives: int) -> None:
    """Move the cell's landmark: W and S scale, the mean stays."""
    cell[0] = shift(cell[0], half_lives)
    cell[2] = shift(cell[2], half_lives)


def deviation(cell: list[float]) -> float:
    """Standard deviation of the decayed values (population form), 0 while there is no weight."""
    return sqrt(max(cell[2], 0.0) / cell[0]) if cell[0] > 0.0 else 0.0
