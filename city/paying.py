"""Feed `billing`: the bill of the month, recharges by each person's rhythm, the balance once a week."""

from __future__ import annotations

import numpy as np

from city import marks
from city.catalogue import PLANS
from city.clock import DAYTIME, HOUR_MS, day_of_month, local_midnight
from city.population import People
from city.rows import Floats, Ints, Rows, joined

BILL, RECHARGE, BALANCE = 1, 2, 3
_BILL_DAYS = (2, 7)  # of a month, from and before
_RECHARGE_EVERY_DAYS = np.array([5, 7, 10, 14, 30])
_RECHARGES: Floats = np.array([20.0, 30.0, 50.0, 100.0, 200.0])
_ABSURD_BILLS = 0.006
_DAYS_OF_MONTH = 31


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
    included = np.array([megabytes for _, _, megabytes in PLANS])[people.plan]

    billed = everybody[bill_day == month_day]
    factor = 0.9 + 0.25 * people.consumption(day)[billed] * rng.random(len(billed))
    absurd = rng.random(len(billed)) < _ABSURD_BILLS
    factor[absurd] *= rng.uniform(70, 120, int(absurd.sum()))
    bills = _rows(day, billed, BILL, price[billed] * factor, people, rng)
    bills["marks"][absurd] |= marks.OUTLIER_BILL

    paying = everybody[(day + offset) % every == 0]
    recharges = _rows(day, paying, RECHARGE, usual[paying], people, rng)

    told = everybody[(day + offset) % 7 == 0]
    balances = _rows(day, told, BALANCE, np.zeros(len(told)), people, rng)
    gone = (
        month_day / _DAYS_OF_MONTH * np.clip(people.consumption(day)[told], 0.2, 2.0) * rng.uniform(0.6, 1.1, len(told))
    )
    balances["included"] = included[told]
    balances["remaining"] = np.round(np.clip(1 - gone, 0, 1) * included[told], 1)
    return joined([bills, recharges, balances])


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
