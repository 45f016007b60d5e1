"""The subscribers: everything about them that lasts, a row each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from city import destinies, friends, identifiers, tastes
from city.catalogue import CHANNELS, DEVICES, OCCUPATIONS, PLANS, PURPOSES, REGIONS
from city.clock import DAY_MS, START_MS
from city.destinies import HONEST, NO_DAY, NOBODY, Destinies
from city.friends import Circles
from city.geography import Geography
from city.identifiers import Identifiers
from city.rows import Bools, Floats, Ints
from city.tastes import Tastes

NO_CELL = -1
"""Workplace of who has none."""
_COMMUTE_CELLS = 4
_STUDENT_UNTIL, _RETIRED_FROM = 22, 60


@dataclass(frozen=True)
class People:
    """A population.

    Attributes
    ----------
    home, next_home, work
        Cells; the second is where movers go; NO_CELL for no work.
    favourite_mall
        District.
    night_active, ecommerce, commuter, mall_visitor, business_traveller, new_estate_resident
        Traits.
    sleeps_off
        Turns the phone off at night.
    activity
        How much more than others they do; about 1.
    latency_ms
        From an event to its arrival, when nothing is late.
    trip_days, trip_period, trip_offset
        Business trips: nights away, days from one to the next, local day of the first.
    activated_ms
        When the card was activated, often years ago.
    age, gender, region, occupation, device, plan, channel
        Indices into the catalogue, except age (years) and gender (1 female, 2 male).
    consents
        Granted at the start: the necessary list, then each of the optional purposes.
    withdraws, withdraws_ms
        Place in `consents` of what is withdrawn later (NOBODY for nothing), and when.
    """

    count: int
    days: int
    ids: Identifiers
    fates: Destinies
    tastes: Tastes
    circles: Circles
    home: Ints
    next_home: Ints
    work: Ints
    favourite_mall: Ints
    night_active: Bools
    ecommerce: Bools
    commuter: Bools
    mall_visitor: Bools
    business_traveller: Bools
    new_estate_resident: Bools
    sleeps_off: Bools
    activity: Floats
    latency_ms: Ints
    trip_days: Ints
    trip_period: Ints
    trip_offset: Ints
    activated_ms: Ints
    age: Ints
    gender: Ints
    region: Ints
    occupation: Ints
    device: Ints
    plan: Ints
    channel: Ints
    consents: Bools
    withdraws: Ints
    withdraws_ms: Ints

    def home_on(self, day: int) -> Ints:
        """Cell each goes home to in the evening of a local day."""
        return np.where(day >= self.fates.move_day, self.next_home, self.home)

    def consumption(self, day: int) -> Floats:
        """Factor on what each consumes on a local day: activity, falling by 7 % a day for those who churn."""
        falling_days = np.clip(day - self.fates.churn_day + 3, 0, 40)
        factor: Floats = self.activity * np.where(day >= self.fates.churn_day, 0.93**falling_days, 1.0)
        return factor


def settle(subscribers: int, days: int, seed: int, geography: Geography) -> People:
    """People of a seed.

    Raises
    ------
    ValueError
        For fewer than two subscribers or no day.
    """
    if subscribers < 2 or days < 1:
        msg = f"a city needs at least 2 subscribers and 1 day, got {subscribers} and {days}"
        raise ValueError(msg)
    rng = np.random.default_rng([seed, 3])
    n = subscribers
    fates = destinies.draw(n, days, rng)
    age = np.clip(rng.gamma(6, 6.2, n) + 4, 16, 90).astype(np.int64)
    ecommerce = rng.random(n) < 0.25
    in_new_estate = rng.random(n) < 0.08
    old, new = (rng.choice(geography.districts_of(kind), n) for kind in ("residential", "new_estate"))
    home = geography.random_cell(np.where(in_new_estate, new, old), rng)
    next_home = geography.random_cell(rng.choice(geography.districts_of("new_estate"), n), rng)
    has_work = (age >= _STUDENT_UNTIL) & (age < _RETIRED_FROM) & (rng.random(n) < 0.9)
    work = geography.random_cell(rng.choice(geography.districts_of("business"), n), rng)
    last_home = np.where(fates.move_day < NO_DAY, next_home, home)
    traveller = has_work & (rng.random(n) < 0.05) & (fates.fraud == HONEST) & (fates.move_day == NO_DAY)
    withdraws = np.where(rng.random(n) < 0.03, rng.integers(1, 1 + len(PURPOSES), n), NOBODY)
    consents = rng.random((n, 1 + len(PURPOSES))) < np.array([0.98, 0.93, 0.92, 0.88, 0.85, 0.87])
    consents[withdraws > 0, withdraws[withdraws > 0]] = True
    life_ms = START_MS + days * DAY_MS - fates.active_ms
    return People(
        count=n,
        days=days,
        ids=_shared_by_gangs(identifiers.issue(n, destinies.spare_numbers(n), seed), fates.gang),
        fates=fates,
        tastes=tastes.draw(n, days, ecommerce, rng),
        circles=friends.draw(n, rng),
        home=home,
        next_home=next_home,
        work=np.where(has_work, work, NO_CELL),
        favourite_mall=rng.choice(geography.districts_of("mall"), n),
        night_active=rng.random(n) < np.where(age < 30, 0.3, 0.06),
        ecommerce=ecommerce,
        commuter=has_work & (geography.steps(last_home, work) >= _COMMUTE_CELLS),
        mall_visitor=rng.random(n) < 0.15,
        business_traveller=traveller,
        new_estate_resident=in_new_estate | (fates.move_day < NO_DAY),
        sleeps_off=rng.random(n) < 0.12,
        activity=rng.lognormal(0, 0.25, n),
        latency_ms=rng.integers(200, 1_200, n),
        trip_days=rng.integers(1, 4, n),
        trip_period=rng.integers(6, 11, n),
        trip_offset=rng.integers(0, 6, n),
        activated_ms=np.where(fates.is_new, fates.born_ms, START_MS - rng.integers(30, 3_000, n) * DAY_MS),
        age=age,
        gender=rng.integers(1, 3, n),
        region=rng.choice(len(REGIONS), n, p=_shares(len(REGIONS), 0.15)),
        occupation=_occupation(age, has_work, rng),
        device=rng.integers(0, len(DEVICES), n),
        plan=rng.choice(len(PLANS), n, p=[0.35, 0.38, 0.19, 0.08]),
        channel=rng.integers(0, len(CHANNELS), n),
        consents=consents,
        withdraws=withdraws,
        withdraws_ms=fates.active_ms + (rng.uniform(0.3, 0.7, n) * life_ms).astype(np.int64),
    )


def _shared_by_gangs(ids: Identifiers, gang: Ints) -> Identifiers:
    """The cards of a gang are opened with one document."""
    first: dict[int, int] = {}
    for member in np.flatnonzero(gang != NOBODY).tolist():
        ids.registrants[member] = ids.registrants[first.setdefault(int(gang[member]), member)]
    return ids


def _occupation(age: Ints, has_work: Bools, rng: np.random.Generator) -> Ints:
    job = rng.integers(1, OCCUPATIONS.index("student"), len(age))
    other = np.where(age < _STUDENT_UNTIL, OCCUPATIONS.index("student"), OCCUPATIONS.index("retired"))
    return np.where(has_work, job, np.where((age < _STUDENT_UNTIL) | (age >= _RETIRED_FROM), other, 0))


def _shares(n: int, falling: float) -> Floats:
    weights = (1 - falling) ** np.arange(n)
    shares: Floats = weights / weights.sum()
    return shares
