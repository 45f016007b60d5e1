"""The e-detector: its bound on alarms under e-values that keep their promise, its cap, its estimate of the change."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import exp, isclose, sqrt
from struct import unpack

import numpy as np
import pytest
from numpy.random import Generator

from udfs.profile.e_detector import KAPPAS, Instant, accumulate, estimated_change

STEPS_A_YEAR = 4 * 365.25
ALPHA = 40.0  # so that a few years have enough alarms to count
PI = ALPHA / STEPS_A_YEAR
PATHS, STEPS = 80, 700

NextValue = Callable[[Generator, float, float], float]
"""(random numbers, e-value before, evidence so far) -> an e-value of mean 1 whatever those are"""


def fair_coin(rng: Generator, before: float, evidence: float) -> float:
    return 1.0 + 0.4 * rng.choice((-1.0, 1.0))


def all_or_nothing(rng: Generator, before: float, evidence: float) -> float:
    return 4.0 * (rng.random() < 0.25)


def lognormal(rng: Generator, before: float, evidence: float) -> float:
    return exp(rng.normal(-0.32, 0.8))


def bursts_of_variance(rng: Generator, before: float, evidence: float) -> float:
    deviation = 1.2 if before > 1.3 or before < 0.6 else 0.2
    return exp(rng.normal(-(deviation**2) / 2, deviation))


def bold_when_close(rng: Generator, before: float, evidence: float) -> float:
    """Stakes what is just enough to alarm."""
    wanted = max((1.05 / max(evidence, PI)) ** 1.3, 1.01)
    return wanted * (rng.random() < 1.0 / wanted)


def sticky_sign(rng: Generator, before: float, evidence: float) -> float:
    stake = 0.9 if before >= 1.0 else 0.1
    return 1.0 + stake * rng.choice((-1.0, 1.0))


FAMILIES = [fair_coin, all_or_nothing, lognormal, bursts_of_variance, bold_when_close, sticky_sign]


def alarms_of(family: NextValue, rng: Generator) -> int:
    packed, value, evidence, alarms = b"", 1.0, 0.0, 0
    for time in range(STEPS):
        value = family(rng, value, evidence)
        packed, evidence = accumulate(packed, value, PI, Instant(float(time)))
        if evidence >= 1.0:
            packed, evidence, alarms = b"", 0.0, alarms + 1
    return alarms


@pytest.mark.parametrize("family", FAMILIES)
def test_alarms_a_year_are_at_most_alpha_whatever_the_e_values(family: NextValue) -> None:
    rng = np.random.default_rng(FAMILIES.index(family))
    alarms = np.array([alarms_of(family, rng) for _ in range(PATHS)])
    years = STEPS / STEPS_A_YEAR
    assert alarms.mean() <= ALPHA * years + 3 * alarms.std(ddof=1) / sqrt(PATHS)
    assert alarms.mean() > 0.1 * ALPHA * years, "a bound that nothing comes near proves little"


def test_e_values_of_one_spend_the_budget_to_the_last() -> None:
    packed, alarms = b"", []
    for time in range(4_000):
        packed, evidence = accumulate(packed, 1.0, PI, Instant(float(time)))
        if evidence >= 1.0:
            packed = b""
            alarms.append(time)
    gaps = {after - before for before, after in pairwise(alarms)}
    assert gaps == {int(1.0 / PI) + 1}


def test_the_beginning_is_no_evidence_but_the_first_steps() -> None:
    packed, evidence = accumulate(b"", 3.0, 0.01, Instant(5.0, 6.0, 7.0))
    each = [0.01 * (1.0 - kappa + kappa * 3.0) for kappa in KAPPAS]
    assert isclose(evidence, sum(each) / 3, rel_tol=1e-6)
    assert np.allclose(unpack("<3f", packed[:12]), each, rtol=1e-6)
    assert estimated_change(packed) == Instant(5.0, 6.0, 7.0)


def test_a_step_is_that_of_each_component() -> None:
    rng = np.random.default_rng(3)
    components, packed = np.zeros(3), b""
    for time in range(50):
        value, pi = rng.lognormal(0.0, 0.5), rng.random() * 0.01
        components = (components + pi) * (1.0 - np.array(KAPPAS) + np.array(KAPPAS) * value)
        packed, evidence = accumulate(packed, value, pi, Instant(float(time)))
        assert isclose(evidence, components.mean(), rel_tol=1e-5)


def test_no_time_and_no_evidence_is_no_evidence() -> None:
    packed, evidence = accumulate(b"", 1e9, 0.0, Instant(1.0))
    assert evidence == 0.0
    assert accumulate(packed, 1e9, 0.0, Instant(2.0))[1] == 0.0


def test_a_zero_takes_all_that_was_staked_and_the_next_change_is_still_found() -> None:
    packed, _ = accumulate(b"", 5.0, 0.01, Instant(1.0))
    before = unpack("<3f", packed[:12])
    packed, evidence = accumulate(packed, 0.0, 0.0, Instant(2.0))
    assert isclose(evidence, sum((1.0 - kappa) * r for kappa, r in zip(KAPPAS, before)) / 3, rel_tol=1e-6)
    for time in range(3, 9):
        packed, evidence = accumulate(packed, 4.0, 0.01, Instant(float(time)))
    assert evidence > 1.0
    assert 2.0 <= estimated_change(packed).time <= 4.0


def test_evidence_is_capped_and_quickly_lost_again() -> None:
    packed, evidence = b"", 0.0
    for time in range(200):
        packed, evidence = accumulate(packed, 1e6, 0.01, Instant(float(time)))
    assert evidence == 100.0
    assert np.isfinite(unpack("<7f", packed)).all()
    assert estimated_change(packed).time <= 2.0
    for time in range(200, 240):
        packed, evidence = accumulate(packed, 0.5, 0.0, Instant(float(time)))
    assert evidence < 0.2


@pytest.mark.parametrize("after", [1.3, 1.8, 3.0])
def test_the_estimated_change_is_close_to_the_true_one(after: float) -> None:
    """Rather early than late: within two and a half days in nine of ten, four buckets being a day."""
    errors = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        change = 80_000 + int(rng.integers(40, 300))
        packed, evidence, time = b"", 0.0, 80_000
        while evidence < 1.0:
            mean = after if time >= change else 0.97
            packed, evidence = accumulate(
                packed, mean * exp(rng.normal(-0.045, 0.3)), 0.02 / STEPS_A_YEAR, Instant(float(time))
            )
            time += 1
        errors.append(estimated_change(packed).time - change)
    assert -8.0 <= np.median(errors) <= 4.0
    assert np.mean(np.abs(errors) <= 14.0) >= 0.9


def test_it_is_kept_as_seven_floats() -> None:
    packed, _ = accumulate(b"", 2.0, 0.01, Instant(1.0))
    assert len(packed) == 28
    assert accumulate(packed, 2.0, 0.01, Instant(2.0)) == accumulate(bytes(packed), 2.0, 0.01, Instant(2.0))
