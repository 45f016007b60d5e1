"""Exact confidence interval of a Poisson rate."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, lgamma, log

_STEPS = 200


def below(count: int, mean: float) -> float:
    """Probability that a Poisson number is at most `count`."""
    if mean <= 0.0:
        return 1.0
    return min(sum(exp(n * log(mean) - mean - lgamma(n + 1)) for n in range(count + 1)), 1.0)


def interval(count: int, exposure: float, confidence: float = 0.95) -> tuple[float, float]:
    """Limits of the rate per unit of `exposure`, after `count` events (Garwood, 1936).

    >>> [round(limit, 3) for limit in interval(10, 1.0)]
    [4.795, 18.39]

    With none seen the upper limit is 3.689 / `exposure`: both tails are kept at 2.5 %, though the lower is empty.
    """
    tail = (1.0 - confidence) / 2
    upper = _mean_where(lambda mean: below(count, mean) > tail, count)
    lower = 0.0 if count == 0 else _mean_where(lambda mean: 1.0 - below(count - 1, mean) < tail, count)
    return lower / exposure, upper / exposure


def _mean_where(holds_until: Callable[[float], bool], count: int) -> float:
    low, high = 0.0, 10.0 + 3.0 * count
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds_until(middle) else (low, middle)
    return high
