"""Running 3 sigma, robust: centre and spread of a user's own values on a log scale.

Usage, durations and bills have heavy tails to the right; their logarithms are roughly normal. Per value
``x = log1p(value / unit)``, with weight ``a = 1 / min(n, 32)``::

    mean += a * (x - mean)        variance = (1 - a) * (variance + a * (x - mean) ** 2)

The first 32 values give the plain mean and variance, later ones forget exponentially. Values beyond 3 sigma are pulled
in to 3 sigma before they are observed (winsorised), so one outlier does not widen the spread the next is judged by.

An outlier is more than 3 sigma above the mean and more than 20 times the typical value. 3 sigma alone would reject
about one good record in 700 of every user, and far more of a user with a narrow spread (a flat bill). Only above: a
small value spoils no sum. The third outlier in a row is none: it is a new way of life, and the spread starts anew.

Values know no time here, so a late one is observed like any other. A value of 0 (an idle interval, an unanswered call)
says nothing about the size of the others: not judged, not observed.

Source of the update: West, "Updating mean and variance estimates", CACM 22(9), 1979.
"""

from __future__ import annotations

from math import inf, log, log1p, sqrt

from schemas.cleaning_memory import Spread

MIN_VALUES = 8
"""Values before a spread is believed."""

MEMORY_VALUES = 32
"""Values until older ones are forgotten: enough for a spread that is right to about 12 %."""

SIGMAS = 3.0

MIN_FACTOR = 20.0
"""Times the typical value that an outlier must exceed, however narrow the spread."""

MAX_IN_A_ROW = 2
"""Outliers rejected in a row at most."""

_MIN_RISE = log(MIN_FACTOR)
_MIN_PULL = 0.5  # a constant value has no spread: let it move all the same
_LARGEST = 1e300


def observe(
    spread: Spread, value: float, unit: float, plausible: float, max_factor: float = inf, usual: float = 0.0
) -> bool:
    """Judge a value and observe it; returns whether it is an outlier.

    Parameters
    ----------
    spread
        The spread so far; changed in place.
    value
        Zero or more; anything else is passed over.
    unit
        What the value is counted in, so that the logarithm is near zero for values of no account.
    plausible
        A value up to this is never an outlier: anybody may have one.
    max_factor
        More than this many times the typical value is an outlier whatever the spread, from the first value on.
    usual
        What is typical of anybody, until there is a value of one's own.
    """
    if not 0.0 < value < _LARGEST:
        return False
    x = log1p(value / unit)
    n = spread.n
    rise = x - (spread.mean if n else log1p(usual / unit))
    reach = SIGMAS * sqrt(spread.variance)
    outlier = value > plausible and ((n >= MIN_VALUES and rise > reach and rise > _MIN_RISE) or rise > log(max_factor))
    if outlier and spread.outliers >= MAX_IN_A_ROW:
        n = 0
        outlier = False
    spread.outliers = spread.outliers + 1 if outlier else 0
    if n == 0:
        if not outlier:
            spread.n, spread.mean, spread.variance = 1, x, 0.0
        return outlier
    if outlier or n >= MIN_VALUES:
        reach = max(reach, _MIN_PULL)
        rise = max(-reach, min(reach, rise))
    if spread.n < MEMORY_VALUES:
        spread.n += 1
    weight = 1.0 / spread.n
    spread.mean += weight * rise
    spread.variance = (1.0 - weight) * (spread.variance + weight * rise * rise)
    return outlier
