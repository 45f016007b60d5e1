"""Positions that are not where the phone was: bounces, indoor drift, and the second phone of a cloned card.

Ping-pong. A phone at rest at A is handed to and fro between A and a neighbour B: records at A, B, A, B ... A, a few
seconds apart (at most 8), ending where it began. Kept are the record at A and the first at B, which nobody can tell
from a movement when it comes; marked, to be removed, are all that follow: the phone never moved.

Drift. A phone at rest at A is seen once at a cell at least 13 km away, 15 to 40 s after a record at A, and again at A
15 to 50 s later. The record far away is marked.

Impossible travel. Within minutes of a record at home or work the card is seen in another province, six to ten times
during 25 to 60 minutes, and nowhere else meanwhile. Nothing is marked: somebody else is there. These people have
neither bounces nor drift.
"""

from __future__ import annotations

import numpy as np

from city import marks
from city.clock import HOUR_MS, MINUTE_MS, SECOND_MS
from city.destinies import IMPOSSIBLE_TRAVEL
from city.geography import Geography
from city.population import People
from city.rows import Bools, Rows, count_up, joined

_HANDOVER, _LOCATION_UPDATE = 2, 3
_PING_PONG = 0.004
_DRIFT = 0.004
_FAR_CELLS = 10
_CLONED = 0.35  # of the days; the first full one always, so that short periods show it
_NEVER = 48 * HOUR_MS


def stories(
    people: People, geography: Geography, updates: Rows, at_rest: Bools, rng: np.random.Generator
) -> list[Rows]:
    """Further records of bounces and of drift, told around some of the updates at rest; those are made steady."""
    luck = rng.random(len(updates), dtype=np.float32)
    honest = people.fates.fraud[updates["who"]] != IMPOSSIBLE_TRAVEL
    bounces = np.flatnonzero(at_rest & honest & (luck < _PING_PONG))
    drifts = np.flatnonzero(at_rest & honest & (luck > 1 - _DRIFT))
    updates["marks"][bounces] |= marks.STEADY
    updates["marks"][drifts] |= marks.STEADY
    return [
        _bounces(geography, updates.take(bounces), rng),
        _drift(geography, updates.take(drifts), rng),
    ]


def _bounces(geography: Geography, at: Rows, rng: np.random.Generator) -> Rows:
    """B, A, B, A ... A after each record at A."""
    more = rng.choice([4, 6], len(at), p=[0.7, 0.3])
    beside = np.repeat(geography.random_neighbour(at["cell"], rng), more).astype(np.int32)
    step = count_up(more)
    gap = rng.integers(3 * SECOND_MS, 8 * SECOND_MS, len(step))
    burst = at.take(np.repeat(np.arange(len(at)), more))
    total = np.cumsum(gap)
    begins = np.repeat(np.cumsum(more) - more, more)
    burst["time"] += total - total[begins] + gap[begins]
    burst["cell"] = np.where(step % 2 == 0, beside, burst["cell"])
    burst["kind"][:] = _HANDOVER
    burst["marks"][step > 0] |= marks.PING_PONG
    return burst


def _drift(geography: Geography, at: Rows, rng: np.random.Generator) -> Rows:
    """One record far away and one back."""
    own_town = geography.town[at["cell"]]
    cell = rng.integers(0, len(geography.cell_ids), len(at))
    near = (geography.town[cell] == own_town) & (geography.steps(at["cell"], cell) < _FAR_CELLS)
    in_next_town = np.array([np.flatnonzero(geography.town != town)[0] for town in range(len(geography.provinces))])
    away = at.copy()
    away["cell"] = np.where(near, in_next_town[own_town], cell).astype(np.int32)
    away["time"] += rng.integers(15 * SECOND_MS, 40 * SECOND_MS, len(at))
    away["marks"] |= marks.DRIFT
    back = at.copy()
    back["time"] = away["time"] + rng.integers(15 * SECOND_MS, 50 * SECOND_MS, len(at))
    return joined([away, back])


def cloned(people: People, geography: Geography, day: int, rows: Rows, rng: np.random.Generator) -> Rows:
    """The rows, with the hours in which a cloned card is used in another province."""
    cloned_today = (people.fates.fraud == IMPOSSIBLE_TRAVEL) & (rng.random(people.count) < (1 if day == 1 else _CLONED))
    moment, who = rows["time"], rows["who"]
    by_day = (moment > 9 * HOUR_MS) & (moment < 21 * HOUR_MS)
    seen_here = rng.permutation(np.flatnonzero(cloned_today[who] & by_day & (rows["kind"] == _LOCATION_UPDATE)))
    victims, first = np.unique(who[seen_here], return_index=True)
    if not len(victims):
        return rows
    begins, ends = np.full(people.count, _NEVER), np.full(people.count, _NEVER)
    lasts = rng.integers(25 * MINUTE_MS, 60 * MINUTE_MS, len(victims))
    begins[victims] = moment[seen_here[first]] + rng.integers(2 * MINUTE_MS, 8 * MINUTE_MS, len(victims))
    ends[victims] = begins[victims] + lasts
    rows = rows.take((moment < begins[who]) | (moment > ends[who] + MINUTE_MS))

    seen = rng.integers(6, 11, len(victims))
    whose = np.repeat(np.arange(len(victims)), seen)
    share = count_up(seen) / (seen[whose] - 1)
    town = 1 + victims % 2
    cells = np.array([geography.district_cells[geography.districts_of("business", t)[0]] for t in (1, 2)])
    before = victims[whose]
    far = Rows(
        who=before.astype(np.int32),
        time=begins[before] + (lasts[whose] * share).astype(np.int64),
        marks=np.full(len(whose), marks.STEADY, np.uint32),
        kind=np.full(len(whose), _LOCATION_UPDATE, np.uint8),
        cell=cells[town[whose] - 1, day % 9].astype(np.int32),
    )
    return joined([rows, far])
