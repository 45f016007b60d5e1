"""Feed `cdr`, data: a counter a subscriber that grows by what was browsed, read every three hours."""

from __future__ import annotations

import numpy as np

from city import marks
from city.calling import DATA
from city.clock import HOUR_MS, MINUTE_MS, day_of_month, local_midnight
from city.population import People
from city.rows import Floats, Ints, Rows

_READINGS_A_DAY = 8
_STEP_MS = 24 * HOUR_MS // _READINGS_A_DAY
_RESTARTS = 0.002  # of subscribers a day
_LEAPS = 0.0004  # of readings
_LEAP_BYTES = (110 * 10**9, 400 * 10**9)


class Meters:
    """The counters, carried from day to day. They restart on the first of a month, and sometimes by themselves.

    Attributes
    ----------
    read_ms, read_mb
        (people, 8) of the newest day: when the meters were read, and how many megabytes (10**6 bytes) had truly been
        used since the reading before; 0 before a person's time. The last reading is just after midnight.
    """

    def __init__(self, people: People, seed: int) -> None:
        self._people = people
        self._seed = seed
        rng = np.random.default_rng([seed, 7])
        self._total = rng.integers(0, 2 * 10**9, people.count)
        self._reading_ms = rng.integers(0, 20 * MINUTE_MS, people.count)
        self._ever_read = np.zeros(people.count, np.bool_)
        self.read_ms: Ints = np.zeros((people.count, _READINGS_A_DAY), np.int64)
        self.read_mb: Floats = np.zeros((people.count, _READINGS_A_DAY))

    def day_of(self, day: int, flows: Rows) -> Rows:
        """Readings of a local day after its flows. Columns as in `city.calling.day_of`."""
        people, n = self._people, self._people.count
        rng = np.random.default_rng([self._seed, 7, day + 1])
        slot = (flows["time"] - local_midnight(day)) // _STEP_MS
        used = np.bincount(
            flows["who"] * _READINGS_A_DAY + slot, weights=flows["up"] + flows["down"], minlength=n * _READINGS_A_DAY
        )
        grows = used.astype(np.int64).reshape(n, _READINGS_A_DAY)
        leaps = rng.random(grows.shape) < _LEAPS
        grows[leaps] += rng.integers(*_LEAP_BYTES, int(leaps.sum()))
        restart = np.where(rng.random(n) < _RESTARTS, rng.integers(1, _READINGS_A_DAY, n), _READINGS_A_DAY)
        if day_of_month(day) == 1:
            restart[:] = 0
        after = np.arange(_READINGS_A_DAY) >= restart[:, None]
        reading = np.cumsum(np.concatenate([self._total[:, None], grows], axis=1), axis=1)
        # What had been counted when the meter restarted no longer counts.
        reading[:, 1:] -= np.where(after, np.take_along_axis(reading, restart[:, None], axis=1), 0)
        self._total = reading[:, -1]

        odd = np.where(leaps, marks.OUTLIER_DATA, 0)
        restarted = np.flatnonzero(restart < _READINGS_A_DAY)
        odd[restarted, restart[restarted]] |= marks.COUNTER_RESET
        time = local_midnight(day) + (np.arange(_READINGS_A_DAY) + 1) * _STEP_MS + self._reading_ms[:, None]
        # A first reading has nothing to leap from or to fall below.
        live = time >= people.fates.active_ms[:, None]
        self.read_ms, self.read_mb = time, np.where(live, used.reshape(n, _READINGS_A_DAY) / 1e6, 0.0)
        first = live & (np.cumsum(live, axis=1) == 1) & ~self._ever_read[:, None]
        odd[first] = 0
        self._ever_read |= live.any(axis=1)
        return self._as_rows(time.ravel(), odd.ravel(), reading[:, 1:].ravel())

    def _as_rows(self, time: Ints, odd: Ints, total: Ints) -> Rows:
        who = np.repeat(np.arange(self._people.count, dtype=np.int32), _READINGS_A_DAY)
        nothing = np.zeros(len(who), np.uint8)
        return Rows(
            who=who,
            time=time,
            marks=odd.astype(np.uint32),
            kind=np.full(len(who), DATA, np.uint8),
            direction=nothing,
            peer=np.full(len(who), self._people.ids.nobody, np.int32),
            duration=nothing.astype(np.float64),
            parties=nothing,
            total=total,
            number=self._people.fates.number(who, time).astype(np.int32),
        )
