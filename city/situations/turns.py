"""A person's events one after the other, everybody's at once: state is then one array with an entry a person."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from city.rows import Ints, count_up


def turns(who: Ints, time: Ints) -> Iterator[Ints]:
    """Indices of everybody's first row in time, then of everybody's second, and so on; each names a person once."""
    if not len(who):
        return
    order = np.lexsort((time, who))
    _, counts = np.unique(who, return_counts=True)
    rank = count_up(counts)
    by_rank = order[np.argsort(rank, kind="stable")]
    yield from np.split(by_rank, np.cumsum(np.bincount(rank))[:-1])
