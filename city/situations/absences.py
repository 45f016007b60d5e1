"""Something, and then not something else in time."""

from __future__ import annotations

import numpy as np

from city.rows import Bools, Ints, Rows
from city.situations.turns import turns

_NOT = -1


class Absences:
    """What has not followed yet, of everybody: a first event starts the clock, the other stops it.

    Parameters
    ----------
    count
        Persons.
    within_ms
        How soon it should follow.
    """

    def __init__(self, count: int, within_ms: int) -> None:
        self._within_ms = within_ms
        self._since_ms = np.full(count, _NOT)
        self._missed: list[tuple[Ints, Ints]] = []

    def day_of(self, starts: Rows, stops: Rows, until_ms: int) -> tuple[Ints, Ints]:
        """Who has waited in vain up to an instant, and when the time was over, given the events up to then."""
        who = np.concatenate([starts["who"], stops["who"]])
        time = np.concatenate([starts["time"], stops["time"]])
        is_start = np.arange(len(who)) < len(starts)
        for turn in turns(who, time):
            self._step(who[turn], time[turn], is_start[turn])
        everybody = np.arange(len(self._since_ms))
        self._pass(everybody, np.full(len(everybody), until_ms))
        found, at_ms = (np.concatenate(column) for column in zip(*self._missed, strict=True))
        self._missed.clear()
        return found, at_ms

    def _step(self, who: Ints, time: Ints, is_start: Bools) -> None:
        self._pass(who, time)
        waits = self._since_ms[who] != _NOT
        self._since_ms[who[~is_start]] = _NOT
        begins = is_start & ~waits
        self._since_ms[who[begins]] = time[begins]

    def _pass(self, who: Ints, time: Ints) -> None:
        since = self._since_ms[who]
        over = who[(since != _NOT) & (since + self._within_ms <= time)]
        self._missed.append((over, self._since_ms[over] + self._within_ms))
        self._since_ms[over] = _NOT
