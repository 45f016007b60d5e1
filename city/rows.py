"""Records as columns: one numpy array a field, one row a record. What every part of the city hands to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[Any]
"""Integers of any width, one for each row unless said otherwise."""
Floats = NDArray[Any]
"""Floats of either width."""
Bools = NDArray[np.bool_]
Octets = NDArray[np.uint8]
Column = NDArray[Any]
"""Any of these."""


class Rows:
    """Columns of equal length.

    Every feed has ``who`` (index of the subscriber), ``time`` (event time, milliseconds) and ``marks`` (what is odd
    about the record, bits of `city.marks`); the rest is the feed's own.

    Parameters
    ----------
    columns
        Name -> values, all of the same length.
    """

    def __init__(self, **columns: Column) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns["time"])

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def __setitem__(self, name: str, values: Column) -> None:
        self.columns[name] = values

    def copy(self) -> Rows:
        """All rows again."""
        return Rows(**{name: values.copy() for name, values in self.columns.items()})

    def take(self, chosen: Column) -> Rows:
        """The chosen rows (indices or a mask) as a copy."""
        return Rows(**{name: values[chosen] for name, values in self.columns.items()})


def joined(parts: Sequence[Rows]) -> Rows:
    """All rows of the parts, in order. At least one part; all have the same columns."""
    if len(parts) == 1:
        return parts[0]
    return Rows(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0].columns})


def count_up(counts: Ints) -> Ints:
    """For counts 2, 0, 3 the row ``0 1 0 1 2``: the place of each repetition `np.repeat` makes."""
    ends = np.cumsum(counts)
    places: Ints = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - counts, counts)
    return places
