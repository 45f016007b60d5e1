"""One comparison of observed with expected shares: a fair bet, sums that are kept, little lost in packing."""

from __future__ import annotations

from math import isclose, log2, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.random import Generator
from numpy.typing import NDArray

from schemas.drift_rules import DriftRules
from udfs.profile.shares import (
    REBUILT_MASS,
    Numbers,
    compare,
    distance_bits,
    learn,
    observed_and_expected,
)

Vector = NDArray[np.float64]
CLASSES, CONTEXTS = 6, 4
POPULATION = [1.0 / CLASSES] * CLASSES
RULES = DriftRules()
NO_ENVELOPE = replace(RULES, envelope_error=0.0, envelope_relative=0.0, envelope_population=0.0)
ROWS = ("observed", "expected", "previous")

quick = settings(max_examples=100, deadline=None)


def known(rng: Generator, expected: Vector, context: int) -> Numbers:
    """Somebody whose expected shares in a context are known but for 1e-6, whatever lately happened to them."""
    numbers = Numbers(b"", CONTEXTS, CLASSES)
    for number in range(CONTEXTS):
        share = expected if number == context else rng.dirichlet(np.ones(CLASSES))
        numbers.baseline[number] = list(1e7 * share)
        numbers.mass[number] = 1e7
    numbers.observed = list(rng.dirichlet(np.full(CLASSES, 0.3)) * rng.uniform(0.1, 11))
    numbers.expected = list(rng.dirichlet(np.full(CLASSES, 0.3)) * rng.uniform(0.1, 11))
    if rng.random() < 0.8:
        numbers.previous = list(rng.dirichlet(np.full(CLASSES, 0.2)))
        numbers.energy = rng.uniform(0, 30)
        numbers.lag = rng.uniform(-0.2, 1.0) * numbers.energy
    return numbers


def lasting(numbers: Numbers, rules: DriftRules) -> float:
    """How much of a bucket is expected to be like the one before."""
    found = (10.0 * rules.persistence + numbers.lag) / (10.0 + numbers.energy)
    return float(np.clip(found, 0.05, 0.8)) if any(numbers.previous) else 0.0


def e_of_each_class(numbers: Numbers, context: int, rules: DriftRules) -> Vector:
    """E-value of a bucket all of one class; E is linear in the shares."""
    return np.array([compare(numbers, context, list(f), POPULATION, rules).e_value for f in np.eye(CLASSES)])


@pytest.mark.parametrize("seed", range(40))
def test_the_bet_is_fair_to_the_last_without_an_envelope_and_loses_with_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    expected, context = rng.dirichlet(np.ones(CLASSES)), int(rng.integers(CONTEXTS))
    numbers = known(rng, expected, context)
    beta = lasting(numbers, RULES)
    mean = (1 - beta) * expected + beta * np.array(numbers.previous)
    assert isclose(e_of_each_class(numbers, context, NO_ENVELOPE) @ mean, 1.0, rel_tol=1e-4)
    with_envelope = e_of_each_class(numbers, context, RULES) @ mean
    assert 0.9 < with_envelope < 0.995


@pytest.mark.parametrize("seed", range(8))
def test_simulated_e_values_have_a_mean_of_at_most_one_whatever_the_shares_are_drawn_from(seed: int) -> None:
    """Of bursty and of even people, and of such as do one thing a bucket; the mean is all that is known of them."""
    rng = np.random.default_rng(100 + seed)
    expected = rng.dirichlet(np.full(CLASSES, 0.5))
    numbers = known(rng, expected, 1)
    beta = lasting(numbers, RULES)
    mean = (1 - beta) * expected + beta * np.array(numbers.previous)
    draws = 100_000
    drawn = {
        "bursty": rng.dirichlet(0.3 * mean + 1e-12, draws),
        "even": rng.dirichlet(100 * mean + 1e-12, draws),
        "one thing": np.eye(CLASSES)[rng.choice(CLASSES, draws, p=mean)],
        "counted": rng.multinomial(7, mean, draws) / 7,
    }
    for rules, at_most in ((NO_ENVELOPE, 1.0), (RULES, 1.0)):
        each = e_of_each_class(numbers, 1, rules)
        for shares in drawn.values():
            values = shares @ each
            assert values.mean() <= at_most + 3 * values.std() / sqrt(draws)
            for f, value in zip(shares[:20], values):
                assert isclose(compare(numbers, 1, list(f), POPULATION, rules).e_value, value, rel_tol=1e-9)


def test_the_bet_grows_with_what_was_seen_more_than_expected() -> None:
    rng = np.random.default_rng(1)
    numbers = known(rng, np.full(CLASSES, 1 / CLASSES), 0)
    numbers.previous = [0.0] * CLASSES
    numbers.observed, numbers.expected = [5.0, 1.0, 1.0, 1.0, 1.0, 0.0], [1.5] * CLASSES
    each = e_of_each_class(numbers, 0, RULES)
    assert each[0] > 2.0
    assert (each[1:5] < 1.0).all()
    assert each[5] < each[1]
    numbers.expected = list(numbers.observed)
    assert np.allclose(e_of_each_class(numbers, 0, RULES), e_of_each_class(numbers, 0, RULES)[0])


def test_whom_nothing_is_known_of_is_expected_to_be_as_the_population() -> None:
    step = compare(Numbers(b"", CONTEXTS, CLASSES), 0, [1.0, *[0.0] * 5], [0.5, *[0.1] * 5], RULES)
    assert np.allclose(step.expected, [0.5, *[0.1] * 5])
    assert (step.lag, step.energy) == (0.0, 0.0)


def test_a_context_is_expected_to_be_as_itself_and_an_unknown_one_as_the_others() -> None:
    numbers = Numbers(b"", CONTEXTS, CLASSES)
    one, other = [0.9, 0.1, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.1, 0.9]
    for _ in range(200):
        for context, shares in ((0, one), (1, other)):
            learn(numbers, context, shares, compare(numbers, context, shares, POPULATION, RULES), RULES)
    assert np.allclose(compare(numbers, 0, one, POPULATION, RULES).expected, one, atol=0.05)
    assert np.allclose(compare(numbers, 1, one, POPULATION, RULES).expected, other, atol=0.05)
    unseen = compare(numbers, 2, one, POPULATION, RULES).expected
    assert np.allclose(unseen, (np.array(one) + other) / 2, atol=0.02)
    assert isclose(sum(unseen), 1.0, rel_tol=1e-9)


def test_memories_halve_in_their_half_lives_of_any_context() -> None:
    rules = replace(RULES, short_half_life_buckets=4.0, long_half_life_buckets=16.0)
    numbers = Numbers(b"", CONTEXTS, CLASSES)
    first, later = [1.0, *[0.0] * 5], [0.0, 1.0, *[0.0] * 4]
    learn(numbers, 3, first, compare(numbers, 3, first, POPULATION, rules), rules)
    expected_at_first = numbers.expected[:]
    for step in range(16):
        held = compare(numbers, 0, later, POPULATION, rules)
        numbers.lag, numbers.energy = 0.0, 8.0 * (step == 0)
        learn(numbers, 0, later, held._replace(lag=0.0, energy=0.0), rules)
        if step == 3:
            assert isclose(numbers.observed[0], 0.5)
            assert numbers.expected[2] > 0.5 * expected_at_first[2]
            assert isclose(numbers.energy, 0.0)
    assert isclose(numbers.observed[0], 1 / 16)
    assert isclose(numbers.baseline[3][0], 0.5)
    assert isclose(numbers.mass[3], 0.5)
    assert isclose(sum(numbers.baseline[0]), numbers.mass[0])
    assert isclose(numbers.mass[0], sum(2 ** (-age / 16) for age in range(16)))
    assert numbers.previous == later


@pytest.mark.parametrize("sticky", [0.0, 0.3, 0.6])
def test_how_much_of_a_bucket_lasts_is_learnt(sticky: float) -> None:
    rng = np.random.default_rng(5)
    numbers = Numbers(b"", CONTEXTS, CLASSES)
    habit = np.array([0.4, 0.2, 0.2, 0.1, 0.05, 0.05])
    shares = rng.dirichlet(4 * habit)
    for _ in range(1_500):
        shares = shares if rng.random() < sticky else rng.dirichlet(4 * habit)
        learn(numbers, 0, list(shares), compare(numbers, 0, list(shares), POPULATION, RULES), RULES)
    assert abs(numbers.lag / numbers.energy - sticky) < 0.1
    assert abs(lasting(numbers, RULES) - max(sticky, 0.05)) < 0.1


def test_more_of_the_same_surprises_less_of_whoever_repeats_themselves() -> None:
    rng = np.random.default_rng(6)
    numbers = known(rng, np.full(CLASSES, 1 / CLASSES), 0)
    numbers.previous = [1.0, *[0.0] * 5]
    numbers.observed, numbers.expected = [6.0, *[1.0] * 5], [1.8] * CLASSES
    surprises = []
    for lasts in (0.05, 0.2, 0.5, 0.8):
        numbers.lag, numbers.energy = 1e9 * lasts, 1e9
        surprises.append(e_of_each_class(numbers, 0, RULES)[0])
    assert surprises == sorted(surprises, reverse=True)
    assert surprises[0] > 1.5
    assert surprises[-1] < 1.1


values = st.floats(0, 1e6, allow_subnormal=False).filter(lambda x: x == 0 or x > 1e-20)


@quick
@given(st.lists(values, min_size=7 * CLASSES + 6, max_size=7 * CLASSES + 6), st.floats(-100, 100, width=16))
def test_packing_takes_three_bytes_a_number_and_loses_sixteen_bits(drawn: list[float], lag: float) -> None:
    numbers = Numbers(b"", CONTEXTS, CLASSES)
    rows = [drawn[i * CLASSES : (i + 1) * CLASSES] for i in range(7)]
    numbers.baseline, (numbers.observed, numbers.expected, numbers.previous) = rows[:4], rows[4:]
    numbers.mass, numbers.energy, numbers.lag = drawn[-6:-2], drawn[-1], lag
    packed = numbers.packed()
    assert len(packed) == 3 * len(drawn)
    back = Numbers(packed, CONTEXTS, CLASSES)
    held = [v for row in (*back.baseline, back.observed, back.expected, back.previous, back.mass) for v in row]
    held += [back.energy, back.lag]
    given = [*drawn[:-2], drawn[-1], lag]
    for got, was in zip(held, given, strict=True):
        assert isclose(got, was, rel_tol=2**-15)
        assert abs(got) <= abs(was) * (1 + 2**-23)
    assert back.packed() == packed


def test_nothing_known_packs_and_unpacks() -> None:
    empty = Numbers(b"", CONTEXTS, CLASSES)
    back = Numbers(empty.packed(), CONTEXTS, CLASSES)
    assert [getattr(back, name) for name in Numbers.__slots__] == [getattr(empty, name) for name in Numbers.__slots__]


def lived(rng: Generator, classes: int = CLASSES, buckets: int = 40) -> Numbers:
    numbers = Numbers(b"", CONTEXTS, classes)
    population = [1.0 / classes] * classes
    for _ in range(buckets):
        shares, context = list(rng.dirichlet(np.ones(classes))), int(rng.integers(CONTEXTS))
        learn(numbers, context, shares, compare(numbers, context, shares, population, RULES), RULES)
    return numbers


@pytest.mark.parametrize("index", range(CLASSES + 1))
def test_a_new_class_takes_nothing_from_the_others(index: int) -> None:
    numbers, before = (lived(np.random.default_rng(index)) for _ in range(2))
    numbers.add_class(0.05, index)
    pairs = [(getattr(numbers, row), getattr(before, row)) for row in ROWS]
    for now, was in [*zip(numbers.baseline, before.baseline), *pairs]:
        assert now[:index] + now[index + 1 :] == was
    assert [row[index] for row in numbers.baseline] == [0.0] * CONTEXTS
    assert (numbers.observed[index], numbers.previous[index]) == (0.0, 0.0)
    assert isclose(numbers.expected[index], 0.05 * sum(before.expected))
    assert numbers.mass == before.mass


def test_merging_classes_keeps_every_sum() -> None:
    numbers, before = (lived(np.random.default_rng(1)) for _ in range(2))
    numbers.merge_class(1, 4)
    pairs = [(getattr(numbers, row), getattr(before, row)) for row in ROWS]
    for now, was in [*zip(numbers.baseline, before.baseline), *pairs]:
        assert isclose(sum(now), sum(was))
        assert now[1] == 0.0
        assert now[4] == was[1] + was[4]
        assert [now[k] for k in (0, 2, 3, 5)] == [was[k] for k in (0, 2, 3, 5)]


@pytest.mark.parametrize(("mass", "kept"), [(REBUILT_MASS, 0.0), (0.0, 0.125), (4.0, 0.5)])
def test_beginning_anew_makes_what_was_observed_the_baseline(mass: float, kept: float) -> None:
    numbers, before = (lived(np.random.default_rng(2)) for _ in range(2))
    numbers.begin_anew(mass, kept)
    observed = np.array(observed_and_expected(before)[0])
    for now, was in zip(numbers.baseline, before.baseline):
        assert np.allclose(now, kept * np.array(was) + mass / CONTEXTS * observed)
    assert np.allclose(numbers.mass, kept * np.array(before.mass) + mass / CONTEXTS)
    assert numbers.observed == numbers.expected == [0.0] * CLASSES
    assert numbers.previous == before.previous
    assert isclose(numbers.energy / sum(numbers.mass), before.energy / sum(before.mass))
    assert isclose(numbers.lag / numbers.energy, before.lag / before.energy)
    if mass and not kept:
        assert np.allclose(
            compare(numbers, 0, numbers.previous, POPULATION, RULES).expected, observed, atol=0.5 * 8 / (8 + mass)
        )


def test_beginning_anew_with_nothing_observed_keeps_the_part_of_the_old() -> None:
    numbers = Numbers(b"", CONTEXTS, CLASSES)
    numbers.begin_anew(REBUILT_MASS, 0.0)
    assert numbers.mass == [0.0] * CONTEXTS


shares = (
    st.lists(st.floats(0, 1, allow_subnormal=False), min_size=4, max_size=4)
    .filter(lambda v: sum(v) > 0.01)
    .map(np.array)
)


def entropy(p: Vector) -> float:
    return -sum(x * log2(x) for x in p if x > 0)


@quick
@given(shares, shares)
def test_the_distance_is_that_of_jensen_and_shannon(one: Vector, other: Vector) -> None:
    p, q = one / one.sum(), other / other.sum()
    distance = distance_bits(p.tolist(), q.tolist())
    assert isclose(distance, entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2, rel_tol=1e-9, abs_tol=1e-12)
    assert isclose(distance, distance_bits(q.tolist(), p.tolist()), rel_tol=1e-9, abs_tol=1e-15)
    assert 0.0 <= distance <= 1.0 + 1e-12
    assert distance_bits(p.tolist(), p.tolist()) == 0.0


def test_the_distance_of_the_disjoint_is_one_bit_and_known_ones_are_as_worked_out() -> None:
    assert distance_bits([1.0, 0.0, 0.0], [0.0, 0.3, 0.7]) == 1.0
    assert isclose(distance_bits([1.0, 0.0], [0.5, 0.5]), 0.311278124459, rel_tol=1e-9)


def test_shares_of_nothing_are_zeros() -> None:
    assert observed_and_expected(Numbers(b"", CONTEXTS, CLASSES)) == ([0.0] * CLASSES, [0.0] * CLASSES)
    observed, expected = observed_and_expected(lived(np.random.default_rng(9)))
    assert isclose(sum(observed), 1.0)
    assert isclose(sum(expected), 1.0)
