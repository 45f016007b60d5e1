"""Who the special people are: movers, churners, new customers, numbers that change hands, fraud."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from city.clock import DAY_MS, HOUR_MS, SECOND_MS, START_MS, local_midnight
from city.rows import Bools, Ints
from city.tastes import mid_period

NO_DAY = 1 << 30
"""A local day that never comes."""
NO_TIME = 1 << 60
"""An instant that never comes."""
NOBODY = -1
HONEST, IMPOSSIBLE_TRAVEL, GANG = 0, 1, 2
_MOVES_FROM_DAYS = 14
_SETTLE_MS = 60 * SECOND_MS  # from a person's links to the first other event


@dataclass(frozen=True)
class Destinies:
    """Per subscriber.

    Attributes
    ----------
    born_ms
        When the links come; registration and consents follow within seconds.
    active_ms
        Nothing else happens before.
    is_new
        Becomes a customer within the period.
    move_day, churn_day
        Local day of moving house, or from which consumption falls; NO_DAY for most.
    first_number, later_number, number_from_ms
        Index of the telephone number, before and from an instant (NO_TIME for most).
    takes_number_of
        Whose old number this new subscriber has; NOBODY for most.
    fraud
        HONEST, IMPOSSIBLE_TRAVEL or GANG.
    gang
        Number of the gang, or NOBODY.
    """

    born_ms: Ints
    active_ms: Ints
    is_new: Bools
    move_day: Ints
    churn_day: Ints
    first_number: Ints
    later_number: Ints
    number_from_ms: Ints
    takes_number_of: Ints
    fraud: Ints
    gang: Ints

    def number(self, who: Ints, time: Ints) -> Ints:
        """Index of the telephone number that subscribers have at a time."""
        return np.where(time < self.number_from_ms[who], self.first_number[who], self.later_number[who])


def spare_numbers(subscribers: int) -> int:
    """Numbers that change hands, in a population of that size."""
    return max(subscribers // 300, 1) if subscribers >= 20 else 0


def draw(subscribers: int, days: int, rng: np.random.Generator) -> Destinies:
    """Destinies of a population. Those about numbers, gangs and impossible travel exclude each other."""
    order = rng.permutation(subscribers)
    pairs = spare_numbers(subscribers)
    givers, takers, order = order[:pairs], order[pairs : 2 * pairs], order[2 * pairs :]
    sizes = _gang_sizes(subscribers, rng)
    members, order = order[: sum(sizes)], order[sum(sizes) :]
    travellers, order = np.split(order, [max(subscribers // 250, 1)])
    newcomers, order = np.split(order, [subscribers // 80])

    born = START_MS + rng.integers(0, 30 * SECOND_MS, subscribers)
    is_new = np.zeros(subscribers, np.bool_)
    span_ms = days * DAY_MS
    born[newcomers] = START_MS + (rng.uniform(0.05, 0.9, len(newcomers)) * span_ms).astype(np.int64)

    gang = np.full(subscribers, NOBODY)
    gang[members] = np.repeat(np.arange(len(sizes)), sizes)
    opened = START_MS + (rng.uniform(0.05, 0.4, len(sizes)) * span_ms).astype(np.int64)
    within = (rng.random(len(members)) * min(3 * DAY_MS, span_ms * 0.4)).astype(np.int64)
    born[members] = opened[gang[members]] + within

    number, later = np.arange(subscribers), np.arange(subscribers)
    number_from = np.full(subscribers, NO_TIME)
    takes = np.full(subscribers, NOBODY)
    handed_ms = local_midnight(0) + mid_period(days, pairs, rng) * DAY_MS + 10 * HOUR_MS
    later[givers] = subscribers + np.arange(pairs)
    number_from[givers] = handed_ms
    number[takers] = later[takers] = givers
    takes[takers] = givers
    born[takers] = handed_ms + HOUR_MS
    is_new[takers] = is_new[members] = is_new[newcomers] = True

    fraud = np.full(subscribers, HONEST)
    fraud[travellers] = IMPOSSIBLE_TRAVEL
    fraud[members] = GANG
    move, churn = np.full(subscribers, NO_DAY), np.full(subscribers, NO_DAY)
    if days >= _MOVES_FROM_DAYS:
        movers = order[: max(subscribers // 50, 1)]
        move[movers] = mid_period(days, len(movers), rng)
    churners = order[-max(subscribers // 33, 1) :]
    churn[churners] = np.maximum((rng.uniform(0.2, 0.5, len(churners)) * days).astype(np.int64), 1)
    return Destinies(born, born + _SETTLE_MS, is_new, move, churn, number, later, number_from, takes, fraud, gang)


def _gang_sizes(subscribers: int, rng: np.random.Generator) -> list[int]:
    """Sizes of the gangs, 3 to 12 cards each, together about one subscriber in 150; one small gang at least."""
    if subscribers < 20:
        return []
    sizes = [int(rng.integers(3, 6))]
    while sum(sizes) + 6 < subscribers // 150:
        sizes.append(int(rng.integers(3, 13)))
    return sizes
