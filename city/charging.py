"""What is left of each plan: charged whenever a meter is read, renewed at local midnight on the first of a month.

The network knows no more than its meters have said, so a balance is exactly the plan's traffic less the readings of the
month; both feeds tell one story.
"""

from __future__ import annotations

import numpy as np

from city import marks
from city.catalogue import PLANS
from city.clock import day_of_month, local_midnight
from city.metering import Meters
from city.paying import BALANCE
from city.population import People
from city.rows import Floats, Rows, joined


class Charging:
    """The accounts, carried from day to day."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._included: Floats = np.array([megabytes for _, _, megabytes in PLANS])[people.plan]
        self._used: Floats = np.zeros(people.count)
        self._after_midnight: Floats = np.zeros(people.count)  # read by the last reading of the day before

    def day_of(self, day: int, billing: Rows, meters: Meters) -> Rows:
        """The billing records of a local day with their balances filled in, and those of the renewal.

        `meters` are those of the same day.
        """
        renewed = day_of_month(day) == 1
        if renewed:
            self._used[:] = 0.0
        self._used += self._after_midnight
        told = np.flatnonzero(billing["kind"] == BALANCE)
        who, time = billing["who"][told], billing["time"][told]
        read_today = np.where(meters.read_ms[who] < time[:, None], meters.read_mb[who], 0.0).sum(axis=1)
        left = self._included[who] - self._used[who] - read_today
        billing["included"][told] = self._included[who]
        billing["remaining"][told] = np.round(np.clip(left, 0, None), 1)
        self._used += meters.read_mb[:, :-1].sum(axis=1)
        self._after_midnight = meters.read_mb[:, -1]
        return joined([billing, self._renewals(day, meters)]) if renewed else billing

    def _renewals(self, day: int, meters: Meters) -> Rows:
        """Everybody's full balance, between midnight and the first reading after it."""
        n = self._people.count
        since_midnight = meters.read_ms[:, -1] - local_midnight(day + 1)
        return Rows(
            who=np.arange(n, dtype=np.int32),
            time=local_midnight(day) + since_midnight // 2,
            # Out of order it would make the month that is over look like the new one.
            marks=np.full(n, marks.STEADY, np.uint32),
            kind=np.full(n, BALANCE, np.uint8),
            amount=np.zeros(n),
            plan=self._people.plan.astype(np.int32),
            remaining=self._included.copy(),
            included=self._included.copy(),
        )
