"""Scenes about the plan's traffic: the newest balance less what the meters have read since, and the pace of use."""

from __future__ import annotations

from collections.abc import Iterator
from math import log

import numpy as np

from city.clock import DAY_MS
from city.destinies import NOBODY
from city.paying import BALANCE
from city.population import People
from city.rows import Floats, Ints, Rows
from city.situations.decaying import Decaying
from city.situations.episodes import Episodes
from city.situations.found import Found
from city.situations.periods import Firsts, month, month_end_ms
from city.situations.turns import turns

_HALF_LIFE_DAYS = 7.0
_KNOWN_MS = 3 * DAY_MS
_UNSETTLED_MS = 8 * DAY_MS  # a balance comes at least every week
_NO_DAYS_LEFT = 1_000.0


class Quotas:
    """What everybody has left, carried from day to day."""

    def __init__(self, people: People) -> None:
        n = people.count
        self._born_ms = people.fates.born_ms
        self._left: Floats = np.zeros(n)
        self._included: Floats = np.zeros(n)  # 0: no balance yet
        self._used = Decaying(n, _HALF_LIFE_DAYS)
        self._was_read = np.zeros(n, np.bool_)
        self._most, self._all = Episodes(n), Episodes(n)
        self._runs_out = Firsts(n, month)
        fates = people.fates
        self._changed_ms = fates.number_from_ms.copy()
        takers = fates.takes_number_of != NOBODY
        self._changed_ms[takers] = fates.born_ms[takers]

    def day_of(self, billing: Rows, readings: Rows) -> Iterator[Found]:
        """Situations of a local day, of the billing records and the readings (who, time, megabytes) of that day."""
        told = billing.take(billing["kind"] == BALANCE)
        who = np.concatenate([readings["who"], told["who"]]).astype(np.int64)
        time = np.concatenate([readings["time"], told["time"]])
        megabytes = np.concatenate([readings["megabytes"], np.zeros(len(told))])
        left = np.concatenate([np.zeros(len(readings)), told["remaining"]])
        included = np.concatenate([np.zeros(len(readings)), told["included"]])
        short = np.zeros(len(who), np.bool_)
        for turn in turns(who, time):
            whose, now = who[turn], time[turn]
            is_balance = included[turn] > 0.0
            self._read(whose[~is_balance], now[~is_balance], megabytes[turn[~is_balance]])
            self._left[whose[is_balance]] = left[turn[is_balance]]
            self._included[whose[is_balance]] = included[turn[is_balance]]
            known = self._included[whose] > 0.0
            share = np.divide(self._left[whose], self._included[whose], out=np.ones(len(whose)), where=known)
            self._most.step(whose, now, known & (share <= 0.2), share > 0.3)
            self._all.step(whose, now, known & (share <= 0.0), share > 0.1)
            short[turn] = known & (share > 0.0) & self._falls_short(whose, now)
        yield self._found("traffic-80-used", *self._most.began())
        yield self._found("traffic-all-used", *self._all.began())
        yield self._found("traffic-runs-out", *self._runs_out.of(who[short], time[short]))

    def _read(self, who: Ints, time: Ints, megabytes: Floats) -> None:
        self._left[who] = np.maximum(self._left[who] - megabytes, 0.0)
        # Of a first reading nobody knows since when it counts.
        self._used.add(who, time, np.where(self._was_read[who], megabytes, 0.0))
        self._was_read[who] = True

    def _falls_short(self, who: Ints, time: Ints) -> Ints:
        age_ms = time - self._born_ms[who]
        filled = 1.0 - np.exp2(-age_ms / self._used.half_life_ms)
        daily = self._used.at(who, time) * log(2.0) / _HALF_LIFE_DAYS / np.maximum(filled, 1e-9)
        days_left = np.divide(self._left[who], daily, out=np.full(len(who), _NO_DAYS_LEFT), where=daily > 0.0)
        days_to_end = (month_end_ms(time) - time) / DAY_MS
        short: Ints = (age_ms >= _KNOWN_MS) & (days_left < days_to_end - 1.0)
        return short

    def _found(self, scene: str, who: Ints, at_ms: Ints) -> Found:
        since_ms = at_ms - self._changed_ms[who]
        return Found(scene, who, at_ms, (since_ms >= 0) & (since_ms < _UNSETTLED_MS))
