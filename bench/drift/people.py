"""Who the simulated people are: what they turn to, and how that differs by weekday and time of day.

Nothing here comes from, or assumes, the detector. A population has a few archetypes, each a Zipf law over its own order
of the tags; a person's preferences are a Dirichlet draw around a mixture of archetypes, cut to a few tags; each context
multiplies them by lognormal factors of the person's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Shares = NDArray[np.float64]

TAGS = tuple(f"app:tag-{number:02d}" for number in range(40))
_ARCHETYPES = 6
_ARCHETYPE_CONCENTRATION = 0.5
_PERSONAL_CONCENTRATION = 20.0
_KEPT_TAGS = (8, 25)


@dataclass(frozen=True)
class Population:
    """Preferences of the archetypes, a row each."""

    archetypes: Shares


def population(seed: int) -> Population:
    """The population of a seed."""
    rng = np.random.default_rng([seed, 1])
    rows = []
    for _ in range(_ARCHETYPES):
        weights = np.arange(1, len(TAGS) + 1, dtype=float) ** -rng.uniform(0.8, 1.3)
        rows.append(rng.permutation(weights / weights.sum()))
    return Population(np.array(rows))


def preferences(rng: Generator, people: Population) -> Shares:
    """What a newly drawn person turns to, over `TAGS`, before the context is looked at."""
    mixture = rng.dirichlet(np.full(_ARCHETYPES, _ARCHETYPE_CONCENTRATION))
    drawn = rng.gamma(_PERSONAL_CONCENTRATION * (mixture @ people.archetypes))
    kept = np.argsort(drawn)[-int(rng.integers(*_KEPT_TAGS)) :]
    shares = np.zeros(len(TAGS))
    shares[kept] = drawn[kept]
    return shares / shares.sum()


def by_context(base: Shares, multipliers: Shares) -> Shares:
    """Shares in each context, a row each."""
    rows = base * multipliers
    return rows / rows.sum(axis=1, keepdims=True)


def js_bits(one: Shares, other: Shares) -> float:
    """Jensen-Shannon divergence in bits."""
    middle = (one + other) / 2
    total = 0.0
    for shares in (one, other):
        some = shares > 0
        total += float(np.sum(shares[some] * np.log2(shares[some] / middle[some])))
    return max(total / 2, 0.0)
