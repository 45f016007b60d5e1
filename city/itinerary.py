"""Where everybody is during a local day: four stops and the three ways between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from city.clock import HOUR_MS, MINUTE_MS, is_workday
from city.geography import SPACING_KM, Geography
from city.population import NO_CELL, People
from city.rows import Bools, Ints

STOPS = 4
"""Stops of a day; two in a row may be the same place."""
_RIDE_MS_PER_CELL = SPACING_KM / 35 * HOUR_MS  # 35 km/h
_STAY_MS = 20 * MINUTE_MS  # at least, at a stop
_QUIET_MS = 4 * MINUTE_MS
_LAST_LEAVE_MS = 22 * HOUR_MS + 15 * MINUTE_MS
# Hours of leaving the first three stops: mean and spread.
_WORKDAY_LEAVE = ((8.1, 0.5), (18.3, 0.8), (20.6, 0.6))
_FREE_LEAVE = ((10.5, 1.2), (15.0, 1.3), (19.0, 1.2))
_TRIP_LEAVE = ((7.5, 0.4), (9.6, 0.4), (17.5, 0.8))


@dataclass(frozen=True)
class Itinerary:
    """A day of all people.

    Attributes
    ----------
    stops
        (people, 4) cells.
    leave, ride
        (people, 3) milliseconds since local midnight at which a stop is left, and how long the way to the next takes.
    flies
        (people, 3) whether the way is a flight.
    """

    stops: Ints
    leave: Ints
    ride: Ints
    flies: Bools

    def locate(self, geography: Geography, who: Ints, moment: Ints) -> tuple[Ints, Bools]:
        """Cell of each person at a moment, NO_CELL in the air; and who is at rest: no way ended or begins just then."""
        leave = self.leave[who]
        stage = (moment[:, None] >= leave).sum(axis=1)
        way = np.maximum(stage - 1, 0)
        since = moment - self.leave[who, way]
        moving = (stage > 0) & (since < self.ride[who, way])
        cell = self.stops[who, stage]
        left = np.where(stage < STOPS - 1, self.leave[who, np.minimum(stage, STOPS - 2)], 24 * HOUR_MS) - moment
        rests = (left > _QUIET_MS) & ((stage == 0) | (since > self.ride[who, way] + _QUIET_MS))
        on_way = np.flatnonzero(moving)
        if len(on_way):
            one, leg = who[on_way], way[on_way]
            start, end = self.stops[one, leg], self.stops[one, leg + 1]
            in_air = self.flies[one, leg]
            steps = np.where(in_air, 1, np.maximum(geography.steps(start, end), 1))
            passed = since[on_way] * steps // self.ride[one, leg]
            cell[on_way] = np.where(
                in_air, NO_CELL, geography.on_path(start, np.where(in_air, start, end), passed, steps)
            )
        return cell, rests


def plan(people: People, geography: Geography, day: int, rng: np.random.Generator) -> Itinerary:
    """The itinerary of a local day."""
    n = people.count
    stops = np.stack([people.home_on(day - 1)] * 3 + [people.home_on(day)], axis=1)
    works = is_workday(day) & (people.work != NO_CELL)
    outing = _outing(people, geography, rng)
    goes_out = rng.random(n) < np.where(people.mall_visitor, 0.65, 0.25)
    home_first = rng.random(n) < np.where(works, 0.0, 0.35)
    stops[:, 1] = np.where(works, people.work, np.where(goes_out & ~home_first, outing, stops[:, 0]))
    evening_out = rng.random(n) < np.where(people.mall_visitor, 0.5, 0.08)
    stops[:, 2] = np.where(np.where(works, evening_out, goes_out & home_first), outing, stops[:, 3])
    hours = np.where(works[:, None, None], np.array(_WORKDAY_LEAVE), np.array(_FREE_LEAVE))
    away = _trips(people, geography, day, stops)
    hours[away] = _TRIP_LEAVE
    return _timed(geography, stops, hours, rng)


def _outing(people: People, geography: Geography, rng: np.random.Generator) -> Ints:
    """A cell to visit: often a mall, mostly the favourite one."""
    kinds = np.concatenate([geography.districts_of(kind) for kind in ("leisure", "school", "station", "mall")])
    other = rng.choice(kinds, people.count)
    mall = rng.random(people.count) < np.where(people.mall_visitor, 0.9, 0.35)
    return geography.random_cell(np.where(mall, people.favourite_mall, other), rng)


def _trips(people: People, geography: Geography, day: int, stops: Ints) -> Ints:
    """Rewrite the stops of who is on a business trip; returns who that is.

    First day: home, airport, airport of the other province, hotel. Days between: hotel, business, hotel. Last day:
    hotel, airport there, airport here, home.
    """
    who = np.flatnonzero(people.business_traveller & (day >= people.trip_offset))
    number, phase = np.divmod(day - people.trip_offset[who], people.trip_period[who])
    length = people.trip_days[who]
    gone = phase <= length
    who, number, phase, length = who[gone], number[gone], phase[gone], length[gone]
    town = 1 + (number + who) % 2
    place = who % 9
    there = {
        kind: np.array([geography.districts_of(kind, t)[0] for t in (1, 2)])[town - 1]
        for kind in ("residential", "business", "airport")
    }
    hotel, office, airport = (
        geography.district_cells[there[kind], place] for kind in ("residential", "business", "airport")
    )
    own_airport = geography.district_cells[geography.districts_of("airport")[0], place]
    first, last = phase == 0, phase == length
    home = stops[who, 0]
    stops[who, 0] = np.where(first, home, hotel)
    stops[who, 1] = np.where(first, own_airport, np.where(last, airport, office))
    stops[who, 2] = np.where(first, airport, np.where(last, own_airport, hotel))
    stops[who, 3] = np.where(last, home, hotel)
    return who


def _timed(geography: Geography, stops: Ints, hours: Ints, rng: np.random.Generator) -> Itinerary:
    """Hours of leaving (mean and spread) become moments, in order and with time for the ways."""
    n = len(stops)
    wish = ((hours[..., 0] + hours[..., 1] * rng.standard_normal((n, STOPS - 1))) * HOUR_MS).astype(np.int64)
    start, end = stops[:, :-1], stops[:, 1:]
    town_from, town_to = geography.town[start], geography.town[end]
    flies = town_from != town_to
    steps = np.where(flies, 0, geography.steps(start, end))
    pace = rng.uniform(0.8, 1.3, steps.shape) * _RIDE_MS_PER_CELL
    ride = np.where(flies, geography.flight_ms[town_from, town_to], (steps * pace).astype(np.int64))
    leave = wish
    leave[:, 0] = np.clip(wish[:, 0], 5 * HOUR_MS, 14 * HOUR_MS)
    for way in (1, 2):
        arrives = leave[:, way - 1] + ride[:, way - 1]
        leave[:, way] = np.maximum(np.minimum(wish[:, way], _LAST_LEAVE_MS), arrives + _STAY_MS)
    return Itinerary(stops, leave, ride, flies)
