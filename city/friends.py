"""The circle of friends: an undirected graph with a power-law of degrees, mostly within communities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from city.rows import Floats, Ints

_COMMUNITY = 60
_FRIENDS_WITHIN = 0.7


@dataclass(frozen=True)
class Circles:
    """Friends of subscriber i: ``friends[start[i]:start[i + 1]]``, the closest first; one spare entry at the end.

    Attributes
    ----------
    influence
        0 to 1 by the number of friends, on a log scale.
    """

    start: Ints
    friends: Ints
    influence: Floats

    @property
    def degree(self) -> Ints:
        """How many friends each has."""
        return np.diff(self.start)

    def pick(self, who: Ints, rng: np.random.Generator) -> Ints:
        """A friend of each, the closest most often; who has none gets themself."""
        degree = self.degree[who]
        place = (rng.random(len(who)) ** 2.5 * degree).astype(np.int64)
        return np.where(degree > 0, self.friends[self.start[who] + place], who)


def draw(subscribers: int, rng: np.random.Generator) -> Circles:
    """Circles of a population of at least two."""
    wishes = np.clip(rng.pareto(1.6, subscribers) * 2 + 1, 1, min(60, subscribers - 1)).astype(np.int64)
    one = np.repeat(np.arange(subscribers), wishes)
    base = one // _COMMUNITY * _COMMUNITY
    size = np.minimum(_COMMUNITY, subscribers - base)
    near = base + (rng.random(len(one)) * size).astype(np.int64)
    far = one[rng.integers(0, len(one), len(one))]  # the popular are found more often
    other = np.where(rng.random(len(one)) < _FRIENDS_WITHIN, near, far)
    pairs = np.unique(np.minimum(one, other) * subscribers + np.maximum(one, other))
    low, high = np.divmod(pairs, subscribers)
    low, high = low[low != high], high[low != high]
    owner, friend = np.concatenate([low, high]), np.concatenate([high, low])
    order = np.lexsort((rng.random(len(owner)), owner))
    degree = np.bincount(owner, minlength=subscribers)
    influence = np.log1p(degree) / np.log1p(max(int(degree.max()), 1))
    return Circles(np.concatenate([[0], np.cumsum(degree)]), np.append(friend[order], 0), influence)
