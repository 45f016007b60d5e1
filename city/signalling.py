"""Feed `signalling`: periodic location updates, handovers on the way, attach and detach."""

from __future__ import annotations

import numpy as np

from city import itinerary, marks, misplaced
from city.clock import DAY_MS, HOUR_MS, MINUTE_MS, local_midnight
from city.geography import Geography
from city.itinerary import Itinerary
from city.population import NO_CELL, People
from city.rows import Bools, Ints, Rows, count_up, joined

ATTACH, HANDOVER, LOCATION_UPDATE, DETACH = 1, 2, 3, 4
_UPDATES_A_DAY = 30
_OFF_FROM_MS = 23 * HOUR_MS + 55 * MINUTE_MS
_ON_FROM_MS = 6 * HOUR_MS
_OTHER_CELL = 0.15
_NO_PROVINCE = 0.01


def day_of(people: People, geography: Geography, day: int, seed: int) -> Rows:
    """Records of a local day, in no order. Columns: kind, cell, province."""
    rng = np.random.default_rng([seed, 4, day])
    plan = itinerary.plan(people, geography, day, rng)
    updates, at_rest = _updates(people, geography, plan, rng)
    stories = misplaced.stories(people, geography, updates, at_rest, rng)  # marks the updates they start from
    rows = joined([updates, *_on_the_way(geography, plan), _switched(people, plan, rng), *stories])
    rows = misplaced.cloned(people, geography, day, rows, rng)
    rows["province"] = geography.town[rows["cell"]] + 1
    silent = rng.random(len(rows), dtype=np.float32) < _NO_PROVINCE
    rows["province"][silent] = 0
    rows["marks"][silent] |= marks.MISSING_PROVINCE
    rows["time"] += local_midnight(day)
    return rows


def _rows(who: Ints, moment: Ints, kind: Ints | int, cell: Ints) -> Rows:
    return Rows(
        who=who.astype(np.int32),
        time=moment,
        marks=np.zeros(len(who), np.uint32),
        kind=np.broadcast_to(np.asarray(kind, np.uint8), len(who)).copy(),
        cell=cell.astype(np.int32),
    )


def _updates(people: People, geography: Geography, plan: Itinerary, rng: np.random.Generator) -> tuple[Rows, Bools]:
    """Location updates, at least ten minutes apart, and which are at rest."""
    who = np.repeat(np.arange(people.count), _UPDATES_A_DAY)
    slot = np.tile(np.arange(_UPDATES_A_DAY), people.count)
    period = DAY_MS // _UPDATES_A_DAY
    moment = slot * period + (rng.uniform(0.05, 0.8, len(who)) * period).astype(np.int64)
    cell, at_rest = plan.locate(geography, who, moment)
    off = people.sleeps_off[who] & ((moment < _ON_FROM_MS) | (moment >= _OFF_FROM_MS))
    seen = (cell != NO_CELL) & ~off
    who, moment, cell, at_rest = who[seen], moment[seen], cell[seen], at_rest[seen]
    # A phone at rest is now and then served by the cell next door.
    other = at_rest & (rng.random(len(who)) < _OTHER_CELL)
    cell[other] = geography.neighbours[cell[other], 0]
    return _rows(who, moment, LOCATION_UPDATE, cell), at_rest


def _on_the_way(geography: Geography, plan: Itinerary) -> list[Rows]:
    """A handover at each cell of a ride; a detach and an attach for each flight."""
    start, end = plan.stops[:, :-1], plan.stops[:, 1:]
    steps = np.where(plan.flies, 0, geography.steps(start, end))
    who, way = np.nonzero(steps)
    times = steps[who, way]
    step = count_up(times) + 1
    who, way, times = np.repeat(who, times), np.repeat(way, times), np.repeat(times, times)
    cell = geography.on_path(start[who, way], end[who, way], step, times)
    handovers = _rows(who, plan.leave[who, way] + plan.ride[who, way] * step // times, HANDOVER, cell)
    who, way = np.nonzero(plan.flies)
    departs, lands = plan.leave[who, way], plan.leave[who, way] + plan.ride[who, way]
    return [
        handovers,
        _rows(who, departs, DETACH, start[who, way]),
        _rows(who, lands, ATTACH, end[who, way]),
    ]


def _switched(people: People, plan: Itinerary, rng: np.random.Generator) -> Rows:
    """Phones turned on in the morning and off at night."""
    who = np.flatnonzero(people.sleeps_off)
    on = _ON_FROM_MS - rng.integers(0, 30 * MINUTE_MS, len(who))
    off = _OFF_FROM_MS + rng.integers(0, 4 * MINUTE_MS, len(who))
    return joined([_rows(who, on, ATTACH, plan.stops[who, 0]), _rows(who, off, DETACH, plan.stops[who, -1])])
