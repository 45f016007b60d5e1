"""Something so many times within a time."""

from __future__ import annotations

import numpy as np

from city.rows import Ints, Rows
from city.situations.turns import turns

_LONG_AGO = -(1 << 60)


class Repeats:
    """What everybody did lately. When the number is reached it is counted anew.

    Parameters
    ----------
    count
        Persons.
    times, within_ms
        How often, at least 2, and within which time.
    """

    def __init__(self, count: int, times: int, within_ms: int) -> None:
        self._within_ms = within_ms
        self._before_ms = np.full((count, times - 1), _LONG_AGO)
        self._reached_ms = np.full(count, _LONG_AGO)

    def day_of(self, rows: Rows) -> tuple[Ints, Ints]:
        """Who has reached the number, and when, of rows taken in the order in which they are looked at.

        One that is looked at late counts for its time, unless the number has been reached after it.
        """
        reached = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
        for turn in turns(rows["who"], rows["looked"]):
            turn = turn[rows["time"][turn] > self._reached_ms[rows["who"][turn]]]
            who, time = rows["who"][turn], rows["time"][turn]
            times = np.sort(np.concatenate([self._before_ms[who], time[:, None]], axis=1), axis=1)
            newest = times[:, -1]
            enough = times[:, 0] >= newest - self._within_ms
            reached.append((who[enough], newest[enough]))
            self._before_ms[who] = times[:, 1:]
            self._before_ms[who[enough]] = _LONG_AGO
            self._reached_ms[who[enough]] = newest[enough]
        found, at_ms = (np.concatenate(column) for column in zip(*reached, strict=True))
        return found, at_ms
