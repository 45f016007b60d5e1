"""Scenes about apps, sites and searches, told from the flows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from city.browsing import APP_SPELLINGS, KEYWORDS
from city.catalogue import APPS, INTENTS
from city.clock import DAY_MS, HOUR_MS
from city.offering import SUBSCRIBE
from city.rows import Bools, Ints, Rows
from city.situations.absences import Absences
from city.situations.decaying import Decaying
from city.situations.episodes import Episodes
from city.situations.found import Found, certain
from city.situations.habits import Habits
from city.situations.periods import Firsts, day, week
from city.situations.repeats import Repeats
from city.situations.turns import turns

_SURGE, _SURGE_MB = 8.0, 200.0
_VISIT, _LOOKING, _NOT_LOOKING, _INTENT_HALF_LIFE_DAYS = 0.2, 1.0, 0.3, 5.0

_app_of = {spelling: app for app in APPS for spelling in (app.name, *app.variants)}


def _apps(chosen: Callable[[str, str], bool]) -> Bools:
    """By spelling: whether it stands for an app chosen by name and category."""
    known = [_app_of.get(spelling) for spelling in APP_SPELLINGS.table]
    return np.array([app is not None and chosen(app.name, app.category) for app in known])


def _searches(*words: str) -> Bools:
    """By keyword: whether it holds one of the words."""
    return np.array([any(word in keyword for word in words) for keyword in KEYWORDS])


_STREAMING = _apps(lambda _, category: category in ("video", "music"))
_GAMES = _apps(lambda _, category: category == "games")
_PROPERTY = _apps(lambda _, category: category == "property")
_CAR_BRANDS = _apps(lambda name, _: name.endswith("官网"))
_RENOVATION = _searches("全屋定制", "装修", "橱柜", "木地板", "瓷砖")
_PACKS = _searches("流量套餐", "5g套餐", "宽带办理")
_FOR_AN_INTENT = _searches(*(word for intent in INTENTS for word in intent.words))


class Use:
    """What everybody does in apps, carried from day to day."""

    def __init__(self, count: int) -> None:
        self._habits = Habits(count)
        self._surges, self._streams = Firsts(count, day), Firsts(count, day)
        self._property, self._renovation = Firsts(count, week), Firsts(count, day)
        self._games, self._binges = Repeats(count, 4, 2 * HOUR_MS), Firsts(count, day)
        self._brands, self._shoppers = Repeats(count, 3, 3 * DAY_MS), Firsts(count, week)
        self._visits, self._seekers = Decaying(count, _INTENT_HALF_LIFE_DAYS), Episodes(count)
        self._packs = Absences(count, 6 * HOUR_MS)

    def day_of(self, flows: Rows, counted: Rows, orders: Rows, until_ms: int) -> Iterator[Found]:
        """Situations of a local day; `counted` are the flows of what is counted or added up, all when they come."""
        who, time, app, keyword = flows["who"], flows["time"], flows["app"], flows["keyword"]
        window_mb, surge = self._habits.day_of(who, time, (flows["up"] + flows["down"]) / 1e6)
        surges = (surge >= _SURGE) & (window_mb >= _SURGE_MB)
        yield certain("traffic-surge", *self._surges.of(who[surges], time[surges]))
        for scene, chosen, firsts in (
            ("video-music-opened", _STREAMING[app], self._streams),
            ("property-site-opened", _PROPERTY[app], self._property),
            ("renovation-search", _RENOVATION[keyword], self._renovation),
        ):
            yield certain(scene, *firsts.of(who[chosen], time[chosen]))
        app, searched = counted["app"], counted["keyword"]
        yield certain("games-binge", *self._binges.of(*self._games.day_of(counted.take(_GAMES[app]))))
        yield certain("car-brand-visits", *self._shoppers.of(*self._brands.day_of(counted.take(_CAR_BRANDS[app]))))
        # A search says what for, so it is no mere visit.
        yield certain("home-seeker", *self._looks_for_a_home(counted.take(_PROPERTY[app] & ~_FOR_AN_INTENT[searched])))
        ordered = orders.take(orders["action"] == SUBSCRIBE)
        yield certain("packs-not-ordered", *self._packs.day_of(flows.take(_PACKS[keyword]), ordered, until_ms))

    def _looks_for_a_home(self, visits: Rows) -> tuple[Ints, Ints]:
        for turn in turns(visits["who"], visits["looked"]):
            who = visits["who"][turn]
            time = np.maximum(visits["time"][turn], self._visits.newest_ms(who))
            nobody = np.zeros(len(who), np.bool_)
            self._seekers.step(who, time, nobody, self._visits.at(who, time) < _NOT_LOOKING)
            looks = self._visits.add(who, visits["time"][turn], _VISIT) >= _LOOKING
            self._seekers.step(who, time, looks, nobody)
        return self._seekers.began()
