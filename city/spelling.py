"""Names as people and probes write them: mostly the one spelling, sometimes a variant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from city.rows import Bools, Ints


class Spellings:
    """All spellings of a list of names.

    Parameters
    ----------
    names
        For each name its spellings, the one proper first.
    """

    def __init__(self, names: Sequence[Sequence[str]]) -> None:
        self.table: list[str] = ["", *(spelling for spellings in names for spelling in spellings)]
        """Every spelling; index 0 is the empty one."""
        counts = np.array([len(spellings) for spellings in names])
        self._proper = np.cumsum(counts) - counts + 1
        self._variants = counts - 1

    def write(self, names: Ints, share: float, rng: np.random.Generator) -> tuple[Ints, Bools]:
        """Index in the table for each name, and which are variants; `share` of them are."""
        luck = rng.random(len(names))
        varied = luck < share
        written = self._proper[names]
        written[varied] += 1 + (luck[varied] / share * self._variants[names[varied]]).astype(np.int64)
        return written.astype(np.int32), varied
