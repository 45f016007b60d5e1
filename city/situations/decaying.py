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

    def newest_ms(self, who: Ints) -> Ints:
        """When the newest values of persons were added for."""
        newest: Ints = self._as_of_ms[who]
        return newest

    def add(self, who: Ints, time: Ints, value: Floats | float) -> Floats:
        """Add a value for each of some persons, each named once; returns the weights as of then.

        A value older than the newest counts with what is left of it; the weight is that of the newest then.
        """
        newest = np.maximum(self._as_of_ms[who], time)
        weight: Floats = self.at(who, newest) + value * np.exp2(-(newest - time) / self.half_life_ms)
        self._weight[who], self._as_of_ms[who] = weight, newest
        return weight
