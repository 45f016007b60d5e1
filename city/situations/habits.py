"""How much three minutes hold, against what they usually do."""

from __future__ import annotations

import numpy as np

from city.clock import MINUTE_MS
from city.rows import Floats, Ints
from city.situations.decaying import Decaying
from city.situations.turns import turns

_WINDOW_MS = 3 * MINUTE_MS
_HALF_LIFE_DAYS = 14.0
_LEAST_WINDOWS = 20.0
_NEVER = -(1 << 60)
_WHO_SHIFT = 42  # an instant is below 2**41


class Habits:
    """Windows of everybody: one begins with the first flow after the one before has ended, and lasts three minutes.

    The habit is the mean of the windows that have ended, those of two weeks ago counting half.
    """

    def __init__(self, count: int) -> None:
        self._begin_ms = np.full(count, _NEVER)
        self._in_window: Floats = np.zeros(count)
        self._windows, self._megabytes = Decaying(count, _HALF_LIFE_DAYS), Decaying(count, _HALF_LIFE_DAYS)
        self._known = np.zeros(count)
        self._usual: Floats = np.zeros(count)
        self._recent: tuple[Ints, Ints, Floats] = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))

    def day_of(self, who: Ints, time: Ints, megabytes: Floats) -> tuple[Floats, Floats]:
        """Of each flow of a day: megabytes of the three minutes up to it, and how many times the usual that is.

        The second is 0 while fewer than 20 windows are known.
        """
        times_usual: Floats = np.zeros(len(who))
        window_mb = self._sliding(who, time, megabytes)
        for turn in turns(who, time):
            whose, now = who[turn], time[turn]
            ended = now >= self._begin_ms[whose] + _WINDOW_MS
            self._close(whose[ended & (self._begin_ms[whose] != _NEVER)])
            self._begin_ms[whose[ended]] = now[ended]
            self._in_window[whose] += megabytes[turn]
            known = self._known[whose] >= _LEAST_WINDOWS
            times_usual[turn[known]] = window_mb[turn[known]] / self._usual[whose[known]]
        return window_mb, times_usual

    def _close(self, who: Ints) -> None:
        begin_ms = self._begin_ms[who]
        self._known[who] = self._windows.add(who, begin_ms, 1.0)
        self._usual[who] = self._megabytes.add(who, begin_ms, self._in_window[who]) / self._known[who]
        self._in_window[who] = 0.0

    def _sliding(self, who: Ints, time: Ints, megabytes: Floats) -> Floats:
        before = len(self._recent[0])
        everyone, times, sizes = (
            np.concatenate([old, new]) for old, new in zip(self._recent, (who, time, megabytes), strict=True)
        )
        key = (everyone.astype(np.int64) << _WHO_SHIFT) + times
        order = np.argsort(key, kind="stable")
        total = np.concatenate([[0.0], np.cumsum(sizes[order])])
        begins = np.searchsorted(key[order], key[order] - _WINDOW_MS, side="right")
        window_mb: Floats = np.empty(len(key))
        window_mb[order] = total[1:] - total[begins]
        if len(times):
            late = times > times.max() - _WINDOW_MS
            self._recent = everyone[late], times[late], sizes[late]
        return window_mb[before:]
