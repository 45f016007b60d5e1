"""What of a day's events an observer sees in time: nobody knows of a record before it comes.

An observer who has to act when a situation arises, and not a day later, waits `PATIENCE_MS` for late records. What is
read, visited, opened or missed (stays, quotas, firsts, absences) is then decided without those that come later still;
what is only counted or added up goes on counting them when they come.
"""

from __future__ import annotations

import numpy as np

from city.clock import MINUTE_MS
from city.rows import Bools, Floats, Rows, joined
from city.situations.turns import turns

PATIENCE_MS = 16 * MINUTE_MS
"""Records out of order come within it, late ones do not (`city.feed_file`)."""


class Waiting:
    """Rows kept until their day has come, by a column that says when."""

    def __init__(self, by: str) -> None:
        self._by = by
        self._later: dict[str, Rows] = {}

    def up_to(self, until_ms: int, name: str, rows: Rows) -> Rows:
        """The rows of a feed before an instant, in the column ``looked`` when they are looked at."""
        if name in self._later:
            rows = joined([self._later[name], rows])
        today = rows[self._by] < until_ms
        self._later[name] = rows.take(~today)
        taken = rows.take(today)
        taken["looked"] = taken[self._by]
        return taken


def in_time(rows: Rows) -> Bools:
    """Which rows come soon enough."""
    soon: Bools = rows["arrival"] - rows["time"] <= PATIENCE_MS
    return soon


class MadeUp:
    """Readings of meters, of which the next makes up for one that is late.

    Parameters
    ----------
    count
        Persons.
    """

    def __init__(self, count: int) -> None:
        self._owed: Floats = np.zeros(count)

    def day_of(self, readings: Rows) -> Rows:
        """The readings of a day that come in time, with the megabytes of the late ones before them."""
        readings, soon = readings.copy(), in_time(readings)
        for turn in turns(readings["who"], readings["time"]):
            late, told = turn[~soon[turn]], turn[soon[turn]]
            self._owed[readings["who"][late]] += readings["megabytes"][late]
            readings["megabytes"][told] += self._owed[readings["who"][told]]
            self._owed[readings["who"][told]] = 0.0
        return readings.take(soon)
