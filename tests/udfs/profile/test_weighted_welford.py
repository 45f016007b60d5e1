"""Decayed mean and variance against the definition, summed exactly with fsum."""

from __future__ import annotations

from math import fsum, isclose, ldexp, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from udfs.profile.weighted_welford import deviation, merge, observe, shift_cell

quick = settings(max_examples=100, deadline=None)
values = st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-9)
weights = st.floats(1e-9, 2.0)
observations = st.lists(st.tuples(values, weights), min_size=1, max_size=40)


def folded(seen: list[tuple[float, float]]) -> list[float]:
    cell = [0.0, 0.0, 0.0, 0.0]
    for value, weight in seen:
        observe(cell, value, weight)
    return cell


def assert_same(cell: list[float], other: list[float], largest: float) -> None:
    """W to 1e-12 relative; mean and S to 1e-12 of their scale, the largest value and W times its square."""
    assert isclose(cell[0], other[0], rel_tol=1e-12)
    assert abs(cell[1] - other[1]) <= 1e-12 * largest
    assert abs(cell[2] - other[2]) <= 1e-12 * cell[0] * largest**2


@quick
@given(observations)
def test_a_cell_holds_weight_mean_and_squared_deviations_as_defined(seen: list[tuple[float, float]]) -> None:
    weight = fsum(w for _, w in seen)
    mean = fsum(w * x for x, w in seen) / weight
    squares = fsum(w * (x - mean) ** 2 for x, w in seen)
    largest = max(abs(x) for x, _ in seen)
    assert_same(folded(seen), [weight, mean, squares, 0.0], largest)


@quick
@given(observations, st.randoms(use_true_random=False))
def test_any_order_gives_the_same_cell(seen: list[tuple[float, float]], random: object) -> None:
    shuffled = list(seen)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert_same(folded(seen), folded(shuffled), max(abs(x) for x, _ in seen))


@quick
@given(observations, observations)
def test_merging_two_cells_equals_observing_everything_in_one(
    some: list[tuple[float, float]], more: list[tuple[float, float]]
) -> None:
    cell = folded(some)
    merge(cell, folded(more))
    assert_same(cell, folded(some + more), max(abs(x) for x, _ in some + more))


def test_merging_into_an_empty_cell_copies_and_merging_an_empty_cell_changes_nothing() -> None:
    cell = [3.0, 7.0, 2.0, 50.0]
    empty = [0.0, 0.0, 0.0, 0.0]
    merge(cell, [0.0, 99.0, 0.0, 0.0])
    assert cell == [3.0, 7.0, 2.0, 50.0]
    merge(empty, cell)
    assert empty == cell


def test_merging_keeps_the_newer_evidence_time() -> None:
    older, newer = [1.0, 1.0, 0.0, 10.0], [1.0, 1.0, 0.0, 20.0]
    merge(older, newer)
    assert older[3] == 20.0
    merge(newer, [1.0, 1.0, 0.0, 5.0])
    assert newer[3] == 20.0


@quick
@given(observations, st.integers(0, 300))
def test_a_landmark_shift_scales_weight_and_squares_exactly_and_leaves_the_mean(
    seen: list[tuple[float, float]], half_lives: int
) -> None:
    before = folded(seen)
    after = list(before)
    shift_cell(after, half_lives)
    assert [x.hex() for x in after] == [
        ldexp(before[0], -half_lives).hex(),
        before[1].hex(),
        ldexp(before[2], -half_lives).hex(),
        before[3].hex(),
    ]


def test_bug_sigmap_657_decay_takes_weight_to_zero_and_leaves_the_mean_where_it_was() -> None:
    cell = folded([(4.0, 1.0), (6.0, 1.0)])
    shift_cell(cell, 3_653)
    assert cell[0] == 0.0
    assert cell[1] == 5.0
    assert deviation(cell) == 0.0
    observe(cell, 8.0, 1.0)
    assert cell[:3] == [1.0, 8.0, 0.0]


def test_bug_kumulant_45_an_observation_of_zero_weight_changes_nothing() -> None:
    cell = folded([(4.0, 1.0), (6.0, 1.0)])
    before = list(cell)
    for value in (0.0, 1e300, -7.0):
        observe(cell, value, 0.0)
    assert cell == before
    fresh = [0.0, 0.0, 0.0, 0.0]
    observe(fresh, 1e300, 0.0)
    assert fresh == [0.0, 0.0, 0.0, 0.0]


def test_a_mean_of_exactly_zero_is_not_taken_for_not_started() -> None:
    cell = folded([(-2.0, 1.0), (2.0, 1.0)])
    assert cell[:3] == [2.0, 0.0, 8.0]
    observe(cell, 3.0, 1.0)
    assert cell[0] == 3.0
    assert isclose(cell[1], 1.0, rel_tol=1e-15)
    assert isclose(cell[2], 14.0, rel_tol=1e-14)


def test_a_large_common_offset_does_not_cancel() -> None:
    cell = folded([(1e9 + x, 1.0) for x in (4.0, 7.0, 13.0, 16.0)])
    assert isclose(deviation(cell), sqrt(22.5), rel_tol=1e-12)


def test_equal_values_have_no_deviation_at_all() -> None:
    assert deviation(folded([(0.1, w) for w in (1.0, 0.3, 1.9, 0.7)])) == 0.0


@pytest.mark.parametrize("squares", [-1e-18, 0.0])
def test_a_rounded_below_zero_sum_of_squares_reads_as_no_deviation(squares: float) -> None:
    assert deviation([1.0, 5.0, squares, 0.0]) == 0.0
