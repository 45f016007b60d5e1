"""Feed `billing`: the bill of the month, recharges by each person's rhythm, the balance once a week.

What is left of the plan is entered by `city.charging`, which knows what was used.
"""

from __future__ import annotations

import numpy as np

from city import marks
from city.catalogue import PLANS
from city.clock import DAY_MS, DAYTIME, HOUR_MS, day_of_month, local_midnight
from city.population import People
from city.rows import Bools, Floats, Ints, Rows, joined

BILL, RECHARGE, BALANCE = 1, 2, 3
_BILL_DAYS = (2, 7)  # of a month, from and before
_RECHARGE_EVERY_DAYS = np.array([5, 7, 10, 14, 30])
_RECHARGES: Floats = np.array([20.0, 30.0, 50.0, 100.0, 200.0])
_ABSURD_BILLS = 0.006
_DAYS_OF_MONTH = 31
_HIGH_BILLS = 0.15  # of those that are not the first
_HIGH_FACTOR = (2.6, 3.2)  # of the plan's price; a usual bill is 0.9 to 1.4


def day_of(people: People, day: int, seed: int) -> Rows:
    """Records of a local day, in no order. Columns: kind, amount, plan, remaining, included."""
    rng = np.random.default_rng([seed, 8, day])
    everybody = np.arange(people.count)
    # A person's own days and ways: from fixed numbers, so that they are the same every day.
    own = np.random.default_rng([seed, 8])
    bill_day = own.integers(*_BILL_DAYS, people.count)
    every = own.choice(_RECHARGE_EVERY_DAYS, people.count)
    offset = own.integers(0, 30, people.count)
    usual = own.choice(_RECHARGES, people.count)
    month_day = day_of_month(day)
    price = np.array([yuan for _, yuan, _ in PLANS])[people.plan]

    billed = everybody[bill_day == month_day]
    factor = 0.9 + 0.25 * people.consumption(day)[billed] * rng.random(len(billed))
    absurd = rng.random(len(billed)) < _ABSURD_BILLS
    factor[absurd] *= rng.uniform(70, 120, int(absurd.sum()))
    high = _high_bills(people, day, billed, seed) & ~absurd
    factor[high] = np.random.default_rng([seed, 14, day]).uniform(*_HIGH_FACTOR, int(high.sum()))
    bills = _rows(day, billed, BILL, price[billed] * factor, people, rng)
    bills["marks"][absurd] |= marks.OUTLIER_BILL

    paying = everybody[(day + offset) % every == 0]
    recharges = _rows(day, paying, RECHARGE, usual[paying], people, rng)

    told = everybody[(day + offset) % 7 == 0]
    balances = _rows(day, told, BALANCE, np.zeros(len(told)), people, rng)
    return joined([bills, recharges, balances])


def _high_bills(people: People, day: int, billed: Ints, seed: int) -> Bools:
    """Which of the bills are much higher than usual. From a stream of its own, so that it changes nothing else.

    The most expensive plan has none: what nobody would believe is dirt, and `_ABSURD_BILLS` are that.
    """
    luck = np.random.default_rng([seed, 13, day]).random(people.count)[billed]
    has_had_bills = local_midnight(day) - people.fates.active_ms[billed] > _DAYS_OF_MONTH * DAY_MS
    return (luck < _HIGH_BILLS) & has_had_bills & (people.plan[billed] < len(PLANS) - 1)


def _rows(day: int, who: Ints, kind: int, amount: Floats, people: People, rng: np.random.Generator) -> Rows:
    n = len(who)
    by_night = local_midnight(day) + 3 * HOUR_MS + rng.integers(0, HOUR_MS, n)
    return Rows(
        who=who.astype(np.int32),
        time=local_midnight(day) + DAYTIME.draw(rng, n) if kind == RECHARGE else by_night,
        marks=np.zeros(n, np.uint32),
        kind=np.full(n, kind, np.uint8),
        amount=np.round(amount, 2),
        plan=people.plan[who].astype(np.int32),
        remaining=np.zeros(n),
        included=np.zeros(n),
    )
