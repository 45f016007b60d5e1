"""The decay arithmetic: exact shifts, the direct formula as oracle, closed-form expiry, no overflow ever."""

from __future__ import annotations

from math import exp, fsum, inf, isclose, log, ulp

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from udfs.profile.decay import decayed, expires_at_ms, landmark_of, scale_at, shift, weight_at

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
T0_MS = 1_767_225_600_000  # 2026-01-01 UTC
TEN_YEARS_MS = 3_653 * DAY_MS

half_lives_ms = st.integers(MINUTE_MS, 10_000 * DAY_MS)
times_ms = st.integers(T0_MS - TEN_YEARS_MS, T0_MS + TEN_YEARS_MS)
# normal doubles that stay normal through the shifts of these tests
scaled_sums = st.floats(2.0**-200, 2.0**200)
quick = settings(max_examples=200, deadline=None)


@quick
@given(scaled_sums, st.integers(0, 400), st.integers(0, 400))
def test_shift_by_a_then_b_is_bit_for_bit_shift_by_both(scaled: float, a: int, b: int) -> None:
    assert shift(shift(scaled, a), b).hex() == shift(scaled, a + b).hex()


@quick
@given(scaled_sums, times_ms, half_lives_ms, st.integers(0, 400), st.integers(0, 200))
def test_reading_after_a_shift_is_bit_for_bit_reading_before_it(
    scaled: float, time_ms: int, half_life_ms: int, half_lives: int, age: int
) -> None:
    landmark = landmark_of(time_ms, half_life_ms) - age
    before = weight_at(scaled, time_ms, half_life_ms, landmark)
    after = weight_at(shift(scaled, half_lives), time_ms, half_life_ms, landmark + half_lives)
    assert before.hex() == after.hex()


@quick
@given(
    st.lists(st.tuples(times_ms, st.floats(1e-9, 1e9)), min_size=1, max_size=30),
    half_lives_ms,
    st.integers(0, TEN_YEARS_MS),
)
def test_a_scaled_sum_reads_as_the_direct_formula(
    events: list[tuple[int, float]], half_life_ms: int, later_ms: int
) -> None:
    newest_ms = max(time_ms for time_ms, _ in events)
    landmark = landmark_of(newest_ms, half_life_ms)
    scaled = fsum(value * scale_at(time_ms, half_life_ms, landmark) for time_ms, value in events)
    now_ms = newest_ms + later_ms
    direct = fsum(value * 2.0 ** (-(now_ms - time_ms) / half_life_ms) for time_ms, value in events)
    assert isclose(weight_at(scaled, now_ms, half_life_ms, landmark), direct, rel_tol=1e-12, abs_tol=1e-290)


@pytest.mark.parametrize("half_life_ms", [MINUTE_MS, 7 * MINUTE_MS + 1, HOUR_MS, DAY_MS, 10_000 * DAY_MS])
def test_one_half_life_halves_and_two_quarter_exactly(half_life_ms: int) -> None:
    assert decayed(3.0, half_life_ms, half_life_ms) == 1.5
    assert decayed(3.0, 2 * half_life_ms, half_life_ms) == 0.75
    landmark = landmark_of(T0_MS, half_life_ms)
    scaled = 3.0 * scale_at(T0_MS, half_life_ms, landmark)
    assert isclose(weight_at(scaled, T0_MS, half_life_ms, landmark), 3.0, rel_tol=1e-15)
    assert isclose(weight_at(scaled, T0_MS + half_life_ms, half_life_ms, landmark), 1.5, rel_tol=1e-15)


@quick
@given(times_ms, half_lives_ms)
def test_evidence_at_its_own_landmark_is_scaled_between_one_and_two(time_ms: int, half_life_ms: int) -> None:
    landmark = landmark_of(time_ms, half_life_ms)
    assert landmark * half_life_ms <= time_ms < (landmark + 1) * half_life_ms
    assert 1.0 <= scale_at(time_ms, half_life_ms, landmark) <= 2.0
    assert scale_at(landmark * half_life_ms, half_life_ms, landmark) == 1.0


@pytest.mark.parametrize("half_life_ms", [HOUR_MS, DAY_MS])
@pytest.mark.parametrize("weight", [5e-324, 1.0, 1e300])
def test_ten_idle_years_end_in_a_clean_zero(half_life_ms: int, weight: float) -> None:
    landmark = landmark_of(T0_MS, half_life_ms)
    half_lives = TEN_YEARS_MS // half_life_ms
    assert half_lives > 2_200
    assert shift(weight, half_lives) == 0.0
    assert weight_at(weight, T0_MS + TEN_YEARS_MS, half_life_ms, landmark) == 0.0
    assert decayed(weight, TEN_YEARS_MS, half_life_ms) == 0.0
    assert scale_at(T0_MS, half_life_ms, landmark + half_lives) == 0.0


@quick
@given(st.floats(1e-6, 1e6), times_ms, half_lives_ms, st.floats(1e-9, 1e3))
@example(1.0, T0_MS, MINUTE_MS, 1e-6)
@example(1.0, T0_MS, 10_000 * DAY_MS, 1e-6)
def test_weight_at_the_closed_form_expiry_is_the_floor(
    scaled: float, time_ms: int, half_life_ms: int, floor: float
) -> None:
    landmark = landmark_of(time_ms, half_life_ms)
    expiry_ms = expires_at_ms(scaled, half_life_ms, landmark, floor)
    whole_ms = round(expiry_ms)
    at_expiry = weight_at(scaled, whole_ms, half_life_ms, landmark) * 2.0 ** ((whole_ms - expiry_ms) / half_life_ms)
    # a double of milliseconds resolves 0.25 us, which for a half-life of a minute is 4e-9 half-lives
    resolution = ulp(expiry_ms) / half_life_ms + ulp(expiry_ms / half_life_ms)
    assert isclose(at_expiry, floor, rel_tol=1e-9 + resolution)
    assert weight_at(scaled, whole_ms - half_life_ms, half_life_ms, landmark) > floor
    assert weight_at(scaled, whole_ms + half_life_ms, half_life_ms, landmark) < floor


@pytest.mark.parametrize("scaled", [0.0, -0.0, -1.0, -5e-324])
def test_what_never_was_above_the_floor_expired_for_ever(scaled: float) -> None:
    assert expires_at_ms(scaled, DAY_MS, 20_000, 1e-6) == -inf


@pytest.mark.parametrize(("scaled", "floor"), [(1e303, 1e-6), (5e-324, 4.0)])
def test_expiry_is_finite_for_every_positive_sum_and_floor(scaled: float, floor: float) -> None:
    expected = DAY_MS * (20_000 + log(scaled, 2) - log(floor, 2))
    assert isclose(expires_at_ms(scaled, DAY_MS, 20_000, floor), expected, rel_tol=1e-12)


@pytest.mark.parametrize("days", [2_136, 2_500, 10_000])
def test_bug_kumulant_45_a_half_life_beyond_2135_days_neither_hangs_nor_overflows(days: int) -> None:
    half_life_ms = days * DAY_MS
    landmark = landmark_of(T0_MS, half_life_ms)
    scaled = scale_at(T0_MS, half_life_ms, landmark)
    fifty_half_lives_on = weight_at(scaled, T0_MS + 50 * half_life_ms, half_life_ms, landmark)
    assert isclose(fifty_half_lives_on, 2.0**-50, rel_tol=1e-12)
    assert decayed(1.0, 50 * half_life_ms, half_life_ms) == 2.0**-50


@pytest.mark.parametrize("half_life_ms", [13 * MINUTE_MS + 30_000, HOUR_MS, 7 * DAY_MS])
def test_bug_muninndb_766_sixty_one_minute_passes_equal_one_sixty_minute_pass(half_life_ms: int) -> None:
    weight = 10.0
    for _ in range(60):
        weight = decayed(weight, MINUTE_MS, half_life_ms)
    assert isclose(weight, decayed(10.0, HOUR_MS, half_life_ms), rel_tol=1e-13)
    assert isclose(weight, 10.0 * 2.0 ** (-HOUR_MS / half_life_ms), rel_tol=1e-13)


def test_gotcha_clickhouse_exponential_time_decayed_takes_an_e_folding_time_not_a_half_life() -> None:
    def exponential_time_decayed(parameter: float, age: float) -> float:
        return exp(-age / parameter)  # what ClickHouse computes

    assert isclose(exponential_time_decayed(10, 10), 0.36787944117144233, rel_tol=1e-15)
    assert decayed(1.0, 10, 10) == 0.5
    for age in (0, 1, 10, 37, 400):
        assert isclose(exponential_time_decayed(10 / log(2), age), decayed(1.0, age, 10), rel_tol=1e-13)
