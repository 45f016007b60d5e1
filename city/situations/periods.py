"""The first time in a local day, week or month."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from city.clock import DAY_MS, LOCAL_AHEAD_MS, local_midnight
from city.rows import Ints

_MONDAY = 3  # local day 0 was a Thursday
_NEVER = -1


def day(time: Ints) -> Ints:
    """Local day, 0 the city's first."""
    found: Ints = (time - local_midnight(0)) // DAY_MS
    return found


def week(time: Ints) -> Ints:
    """Number of the local week, which begins on Monday."""
    return (day(time) + _MONDAY) // 7


def month(time: Ints) -> Ints:
    """Number of the local month, counted from January 1970."""
    return (time + LOCAL_AHEAD_MS).astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)


def month_end_ms(time: Ints) -> Ints:
    """When the local month ends."""
    ends: Ints = (month(time) + 1).astype("datetime64[M]").astype("datetime64[ms]").astype(np.int64) - LOCAL_AHEAD_MS
    return ends


class Firsts:
    """The period in which something was last true of everybody.

    Parameters
    ----------
    count
        Persons.
    period
        Instants -> numbers of the periods.
    """

    def __init__(self, count: int, period: Callable[[Ints], Ints]) -> None:
        self._period = period
        self._last = np.full(count, _NEVER)

    def of(self, who: Ints, time: Ints) -> tuple[Ints, Ints]:
        """The first of each person and period, of instants no earlier than those of the call before."""
        order = np.lexsort((time, who))
        who, time = who[order], time[order]
        period = self._period(time)
        _, first = np.unique(np.stack([who, period]), axis=1, return_index=True)
        first = first[period[first] > self._last[who[first]]]
        np.maximum.at(self._last, who[first], period[first])
        return who[first], time[first]
