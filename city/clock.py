"""Time in the city: instants are milliseconds since the epoch in UTC, habits follow local time (UTC+8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np

from city.rows import Floats, Ints

SECOND_MS = 1_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
START_MS = 1_767_225_600_000
"""The city begins: 2026-01-01 00:00 UTC, which is 08:00 there."""
NEVER_MS = 1 << 61
"""Later than anything."""
LOCAL_AHEAD_MS = 8 * HOUR_MS
_FIRST_WEEKDAY = 3  # 2026-01-01 was a Thursday
_QUANTILES = 4_096


def local_midnight(day: int) -> int:
    """Instant at which local day `day` begins; day 0 is 2026-01-01 there, 8 hours before the city begins."""
    return START_MS - LOCAL_AHEAD_MS + day * DAY_MS


def is_workday(day: int) -> bool:
    """Whether local day `day` is Monday to Friday."""
    return (_FIRST_WEEKDAY + day) % 7 < 5


def day_of_month(day: int) -> int:
    """1 to 31, of local day `day`."""
    return datetime.fromtimestamp((local_midnight(day) + LOCAL_AHEAD_MS) / 1000, tz=UTC).day


class Rhythm:
    """A way to spread events over a local day.

    Parameters
    ----------
    weights
        Hour -> how busy it is, relative; hours not named are idle.
    """

    def __init__(self, weights: Mapping[int, float]) -> None:
        by_hour = np.array([weights.get(hour, 0.0) for hour in range(24)])
        share = np.concatenate([[0.0], np.cumsum(by_hour / by_hour.sum())])
        edges = np.interp(np.linspace(0, 1, _QUANTILES + 1), share, np.arange(25) * HOUR_MS).astype(np.int64)
        self._from, self._width = edges[:-1], np.diff(edges)

    def draw(self, rng: np.random.Generator, n: int) -> Ints:
        """`n` moments, milliseconds since local midnight."""
        place = rng.random(n) * _QUANTILES
        step = place.astype(np.int64)
        moments: Ints = self._from[step] + ((place - step) * self._width[step]).astype(np.int64)
        return moments


_AWAKE: Floats = np.array([1, 0.5, 0.3, 0.2, 0.2, 0.4, 1.5, 3, 4, 4, 4, 5, 6, 5, 4, 4, 4, 5, 6, 7, 8, 8, 6, 3])

WORKDAY = Rhythm(dict(enumerate(_AWAKE)))
WEEKEND = Rhythm(dict(enumerate(np.roll(_AWAKE, 1) + 1.5 * (_AWAKE > 3.5))))
NIGHT = Rhythm({23: 3.0, 0: 4.0, 1: 3.5, 2: 2.5})
"""Of people who are active from 23 to 3 o'clock."""
DAYTIME = Rhythm(dict.fromkeys(range(9, 21), 1.0))
"""When people are called and offices work."""
