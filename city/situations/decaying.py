"""Numbers that halve with time: a weight for everybody."""

from __future__ import annotations

import numpy as np

from city.clock import DAY_MS
from city.rows import Floats, Ints


class Decaying:
    """Decayed sums: ``sum(value * 2 ** -(age / half-life))``.

    Parameters
    ----------
    count
        Persons.
    half_life_days
        Of every value.
    """

    def __init__(self, count: int, half_life_days: float) -> None:
        self.half_life_ms = half_life_days * DAY_MS
        self._weight: Floats = np.zeros(count)
        self._as_of_ms: Ints = np.zeros(count, np.int64)

    def at(self, who: Ints, time: Ints) -> Floats:
        """Weights of persons at instants, not before those of their newest values."""
        weight: Floats = self._weight[who] * np.exp2(-(time - self._as_of_ms[who]) / self.half_life_ms)
        return weight

    def add(self, who: Ints, time: Ints, value: Floats | float) -> Floats:
        """Add a value for each of some persons, each named once; returns the weights after it."""
        weight = self.at(who, time) + value
        self._weight[who], self._as_of_ms[who] = weight, time
        return weight
