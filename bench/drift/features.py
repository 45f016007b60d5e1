"""What the rivals look at, computed for whole histories at once.

The same memories as the detector is built on, written independently with numpy: a long one per context (weekday or
weekend, day or night), and short ones of what was observed and of what the long one expected. So no rival is worse off
for not knowing of the season. `naive_*` compare a short with a long memory without contexts, as is usual.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from bench.drift.history import PARTS, History
from bench.drift.people import Shares

SHORT, LONG = 2.0 ** (-1 / 8), 2.0 ** (-1 / 256)
_PRIOR = 8.0
_REBUILT = 8.0
_FLOOR = 1e-4

FEATURES = ("surprise", "js", "naive_js", "naive_psi", "miss", "hit")


@dataclass
class Features:
    """A value per bucket from `start` on.

    Attributes
    ----------
    values
        By name: `surprise` -sum f log2 p; `js` between observed and expected; `naive_js`, `naive_psi` between short and
        long; `miss` whether the bucket's top tag is none of the person's three, `hit` the contrary.
    """

    start: int
    values: dict[str, NDArray[np.float64]]
    history: History

    @property
    def shares(self) -> Shares:
        """Of each tag in each bucket from `start` on."""
        return shares_of(self.history, self.start)

    def observed_until(self, index: int) -> Shares:
        """The short memory after bucket number `index`."""
        shares = shares_of(self.history, self.start)[: index - self.start + 1]
        weights: Shares = SHORT ** np.arange(len(shares) - 1, -1, -1)
        return weights @ shares


def shares_of(history: History, start: int) -> Shares:
    """Shares of each bucket from number `start` on."""
    counts = history.counts[start:]
    shares: Shares = counts / counts.sum(axis=1, keepdims=True)
    return shares


def features(history: History, start: int = 0, observed: Shares | None = None) -> Features:
    """The features from bucket number `start` on; what was `observed` before is then all that is remembered."""
    shares = shares_of(history, start)
    length, classes = shares.shape
    buckets = history.buckets[start:]
    part = buckets % PARTS
    context = ((buckets // PARTS + 3) % 7 >= 5) * 2 + ((part == 1) | (part == 2))
    one_hot = np.zeros((length, 4))
    one_hot[np.arange(length), context] = 1.0

    baseline, mass = np.zeros((4, classes)), np.zeros(4)
    if observed is not None:
        baseline[:] = observed / observed.sum() * _REBUILT / 4
        mass[:] = _REBUILT / 4
    population = np.full(classes, 1.0 / classes)
    masses = _before(one_hot, LONG, mass)
    total_mass = masses.sum(axis=1, keepdims=True)
    pooled = _before(shares, LONG, baseline.sum(axis=0))
    own = np.zeros_like(shares)
    for number in range(4):
        chosen = context == number
        own[chosen] = _before(shares * one_hot[:, number : number + 1], LONG, baseline[number])[chosen]
    own_mass = masses[np.arange(length), context][:, None]
    base = (pooled + _PRIOR * population) / (total_mass + _PRIOR)
    expected = (own + _PRIOR * base) / (own_mass + _PRIOR)

    short = _after(shares, SHORT)
    short_shares = short / short.sum(axis=1, keepdims=True)
    short_expected = _after(expected, SHORT)
    short_expected /= short_expected.sum(axis=1, keepdims=True)
    top_three = np.sort(base, axis=1)[:, -3]
    miss = base[np.arange(length), shares.argmax(axis=1)] < top_three
    s, b = np.maximum(short_shares, _FLOOR), np.maximum(base, _FLOOR)
    values = {
        "surprise": -(shares * np.log2(expected)).sum(axis=1),
        "js": _js(short_shares, short_expected),
        "naive_js": _js(short_shares, base),
        "naive_psi": ((s - b) * np.log(s / b)).sum(axis=1),
        "miss": miss.astype(float),
        "hit": 1.0 - miss,
    }
    return Features(start, values, history)


def _after(values: Shares, keep: float) -> Shares:
    """Decayed sums with each bucket in."""
    return np.asarray(lfilter([1.0], [1.0, -keep], values, axis=0))


def _before(values: Shares, keep: float, initial: Shares) -> Shares:
    """Decayed sums before each bucket, from `initial`."""
    sums, _ = lfilter([1.0], [1.0, -keep], values, axis=0, zi=keep * initial[None, :])
    return np.vstack([initial, sums[:-1]])


def _js(one: Shares, other: Shares) -> NDArray[np.float64]:
    middle = (one + other) / 2
    total = np.zeros(len(one))
    for shares in (one, other):
        with np.errstate(divide="ignore", invalid="ignore"):
            total += np.where(shares > 0, shares * np.log2(shares / middle), 0.0).sum(axis=1)
    return np.maximum(total / 2, 0.0)
