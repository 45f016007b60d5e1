"""Scenes about places: who really went where, and what a bounce between cells makes it look like."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from city import marks
from city.clock import HOUR_MS, MINUTE_MS
from city.geography import Geography
from city.offering import ROAMING_PASS, SUBSCRIBE
from city.rows import Bools, Ints, Rows
from city.signalling import ATTACH, HANDOVER
from city.situations.absences import Absences
from city.situations.episodes import Episodes
from city.situations.found import Found, certain
from city.situations.periods import Firsts, day
from city.situations.turns import turns

_WHO_SHIFT = 42  # an instant is below 2**41


class _Visits:
    """Stays in districts of a kind, as they are and as they look."""

    def __init__(self, count: int, scene: str, kind: str, hold_ms: int, hold_exit_ms: int) -> None:
        self.scene, self.kind = scene, kind
        self._real, self._apparent = (Episodes(count, hold_ms, hold_exit_ms) for _ in range(2))
        self._daily = (Firsts(count, day), Firsts(count, day))

    def day_of(self, moves: Rows, is_real: Bools, inside: Bools, until_ms: int, leaving: bool, daily: bool) -> Found:
        """Stays of a local day that have come into force, or have ended."""
        found = []
        for episodes, seen, firsts in (
            (self._real, np.flatnonzero(is_real), self._daily[0]),
            (self._apparent, np.arange(len(moves)), self._daily[1]),
        ):
            who, time, within = moves["who"][seen], moves["time"][seen], inside[seen]
            for turn in turns(who, time):
                episodes.step(who[turn], time[turn], within[turn], ~within[turn])
            episodes.settle(until_ms)
            began, ended = episodes.began(), episodes.ended()
            chosen = ended if leaving else began
            found.append(firsts.of(*chosen) if daily else chosen)
        (who, at_ms), apparent = found
        keys, apparent_keys = _keys(who, at_ms), _keys(*apparent)
        only_apparent = ~np.isin(apparent_keys, keys)
        return Found(
            self.scene,
            np.concatenate([who, apparent[0][only_apparent]]),
            np.concatenate([at_ms, apparent[1][only_apparent]]),
            np.concatenate([~np.isin(keys, apparent_keys), np.ones(int(only_apparent.sum()), np.bool_)]),
        )


class Places:
    """Where everybody is, carried from day to day."""

    def __init__(self, count: int, geography: Geography) -> None:
        self._geography = geography
        self._kind_of_cell = np.array(geography.district_kinds)[geography.district]
        self._airports = _Visits(count, "airport-left", "airport", 30 * MINUTE_MS, 10 * MINUTE_MS)
        self._stations = _Visits(count, "station-entered", "station", 15 * MINUTE_MS, 10 * MINUTE_MS)
        self._schools = _Visits(count, "school-stay", "school", 45 * MINUTE_MS, 15 * MINUTE_MS)
        self._malls = _Visits(count, "mall-stay", "mall", 30 * MINUTE_MS, 15 * MINUTE_MS)
        self._away, self._elsewhere = Episodes(count), Episodes(count)
        self._without_pass = Absences(count, 3 * HOUR_MS)

    def day_of(self, seen: Rows, orders: Rows, until_ms: int) -> Iterator[Found]:
        """Situations of a local day.

        Of the records only those of a movement count: handovers on the way, and phones turned on. Whoever flies is at
        an airport until they leave one on the ground.
        """
        turned_on = seen["kind"] == ATTACH
        handed_over = (seen["kind"] == HANDOVER) & ((seen["marks"] & marks.PING_PONG) == 0)
        moves = seen.take(turned_on | handed_over)
        is_real = (moves["marks"] & marks.STEADY) == 0  # the first hop of a bounce is part of a story
        kind = self._kind_of_cell[moves["cell"]]
        for visits in (self._airports, self._stations, self._schools, self._malls):
            yield visits.day_of(
                moves,
                is_real,
                kind == visits.kind,
                until_ms,
                leaving=visits is self._airports,
                daily=visits is self._malls,
            )
        landed = seen.take(turned_on)
        abroad = self._geography.town[landed["cell"]] != 0
        for turn in turns(landed["who"], landed["time"]):
            self._away.step(landed["who"][turn], landed["time"][turn], abroad[turn], ~abroad[turn])
        yield certain("roaming-out", *self._away.began())
        yield certain("roaming-back", *self._come_back(seen))
        passes = orders.take((orders["action"] == SUBSCRIBE) & (orders["product"] == ROAMING_PASS))
        yield certain("roaming-without-pass", *self._without_pass.day_of(landed.take(abroad), passes, until_ms))

    def _come_back(self, seen: Rows) -> tuple[Ints, Ints]:
        """Who is seen at home after another province: the landing, or what is seen first after it."""
        own = seen.take((seen["marks"] & (marks.STEADY | marks.PING_PONG | marks.DRIFT)) == 0)
        away = self._geography.town[own["cell"]] != 0
        for turn in turns(own["who"], own["time"]):
            self._elsewhere.step(own["who"][turn], own["time"][turn], away[turn], ~away[turn])
        return self._elsewhere.ended()


def _keys(who: Ints, at_ms: Ints) -> Ints:
    keys: Ints = (who.astype(np.int64) << _WHO_SHIFT) + at_ms
    return keys
