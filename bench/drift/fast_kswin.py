"""river's KSWIN, with its Kolmogorov-Smirnov test made quick.

River calls `scipy.stats.ks_2samp` at each step, half a millisecond. Both its samples always have 30 values, so the
statistic is a multiple of 1/30 and the p-value depends on it alone: scipy is asked once for each. The alarms are the
same as river's; the time a step takes is measured with river's own.
"""

from __future__ import annotations

import itertools
import warnings
from collections import deque
from functools import cache

import numpy as np
from river import drift
from scipy import stats


@cache
def p_value(steps: int, size: int) -> float:
    """Of two samples of `size` values each, whose empirical distributions are `steps` / `size` apart at most."""
    one = np.arange(size, dtype=float)
    # the first `steps` of one sample lie below all of the other, the rest coincide
    other = np.concatenate([one[steps:], np.arange(size, size + steps, dtype=float)]) if steps else one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=RuntimeWarning)
        return float(stats.ks_2samp(one, other, method="auto").pvalue)


def distance_steps(one: list[float], other: list[float]) -> int:
    """Largest difference of the empirical distributions, times the size."""
    values = sorted([(value, 1) for value in one] + [(value, -1) for value in other])
    height = largest = 0
    last = len(values) - 1
    for number, (value, step) in enumerate(values):
        height += step
        if number == last or values[number + 1][0] != value:
            largest = max(largest, abs(height))
    return largest


class KSWIN(drift.KSWIN):
    """See the module."""

    def update(self, x: float) -> None:
        """Take a value."""
        if self.drift_detected:
            self._reset()
        self.n += 1
        self.window.append(x)
        self._drift_detected = False
        if len(self.window) < self.window_size:
            return
        older = [self.window[r] for r in self._rng.sample(range(self.window_size - self.stat_size), self.stat_size)]
        newest = list(itertools.islice(self.window, self.window_size - self.stat_size, self.window_size))
        steps = distance_steps(older, newest)
        self.p_value = p_value(steps, self.stat_size)
        if self.p_value <= self.alpha and steps / self.stat_size > 0.1:
            self._drift_detected = True
            self.window = deque(newest, maxlen=self.window_size)
