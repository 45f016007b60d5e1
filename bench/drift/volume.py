"""How much a person does in a day: the detector of volume, on steady people and on changes of rate.

Events of a day: a gamma-mixed Poisson number around the person's rate, more or fewer on weekends, days resembling the
one before, now and then a day without any.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from bench.drift.history import FIRST_DAY, PARTS
from bench.drift.outcome import Outcome
from schemas.drift_memory import VolumeMemory
from schemas.drift_rules import DriftRules
from udfs.profile import volume_drift

CASES = {"steady": 1.0, "x 2": 2.0, "x 4": 4.0, "/ 2": 0.5, "/ 4": 0.25, "/ 20": 0.05}
WINDOW_DAYS = 30
NAME = "volume"
_BEFORE_DAYS, _AFTER_DAYS, _STEADY_DAYS = (100, 160), 60, 365


class VolumeOutcome(Struct):
    """People of a case; their buckets are days."""

    case: str
    people: list[Outcome]


def run_volume(case: str, seed: int, first: int, last: int) -> VolumeOutcome:
    """People number `first` to `last` - 1."""
    number = list(CASES).index(case)
    return VolumeOutcome(case, [_person(case, seed, np.random.default_rng([seed, 7, number, one]), one)
                                for one in range(first, last)])  # fmt: skip


def _person(case: str, seed: int, rng: np.random.Generator, number: int) -> Outcome:
    steady = case == "steady"
    change = int(rng.integers(*_BEFORE_DAYS))
    days = _STEADY_DAYS if steady else change + _AFTER_DAYS
    rate = np.exp(rng.uniform(np.log(8), np.log(200)))
    weekend = np.exp(0.4 * rng.standard_normal())
    memory, rules = VolumeMemory(FIRST_DAY), DriftRules()
    alarms: list[tuple[int, int, float | None]] = []
    mood = 1.0
    for day in range(days):
        mood = mood if rng.random() < 0.3 else float(rng.gamma(3.0, 1 / 3.0))
        mean = rate * mood * (weekend if (FIRST_DAY + day + 3) % 7 >= 5 else 1.0)
        if not steady and day >= change:
            mean *= CASES[case]
        events = 0 if rng.random() < 0.03 else int(rng.poisson(mean))
        noticed = volume_drift.count(memory, FIRST_DAY + day, events, rules, 0) if events else None
        if noticed is not None:
            # raised when this day began, by the day before
            alarms.append((day - 1, (FIRST_DAY + day - 1) * PARTS + PARTS - 1, None))
    return Outcome(
        seed=seed,
        number=number,
        label=case,
        years=days / 365.25,
        before_years=(days if steady else change) / 365.25,
        buckets=days,
        changes=[] if steady else [(change, (FIRST_DAY + change) * PARTS)],
        distance_bits=0.0,
        alarms={NAME: alarms},
    )
