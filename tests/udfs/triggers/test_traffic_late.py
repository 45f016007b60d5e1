"""Balances and readings that come late: what is known already must not be forgotten, nor be mixed with the past."""

from __future__ import annotations

import pytest

from tests.udfs.triggers.rule_story import DAY_MS, HOUR_MS, T0_MS, Life, balance, metered, rule

LEFT = rule("pulse", "traffic", when="remaining_mb >= 0.0")


def left(life: Life) -> float:
    return float(life.fired[-1].values["remaining_mb"])


def test_a_late_balance_does_not_forget_what_was_used_after_it() -> None:
    life = Life(LEFT)
    life.see(balance(T0_MS, 5_000), metered(T0_MS + HOUR_MS, 1_000))
    life.see(metered(T0_MS + 3 * HOUR_MS, 2_000), metered(T0_MS + 6 * HOUR_MS, 1_500))
    life.see(balance(T0_MS + 2 * HOUR_MS, 4_000))  # a day late, and right for its time
    assert left(life) == pytest.approx(500)


def test_a_balance_that_is_newer_than_all_readings_counts() -> None:
    life = Life(LEFT)
    life.see(balance(T0_MS, 5_000), metered(T0_MS + HOUR_MS, 1_000), balance(T0_MS + 2 * HOUR_MS, 3_900))
    assert left(life) == pytest.approx(3_900)


def test_a_late_balance_is_better_than_none_or_that_of_last_month() -> None:
    life = Life(LEFT)
    life.see(metered(T0_MS + 3 * HOUR_MS, 2_000), balance(T0_MS + 2 * HOUR_MS, 4_000))
    assert left(life) == pytest.approx(4_000)
    begins_ms = T0_MS + 27 * DAY_MS  # 1 February
    life.see(metered(begins_ms + 3 * HOUR_MS, 100), balance(begins_ms + HOUR_MS, 10_000))
    assert left(life) == pytest.approx(10_000)


def test_a_late_reading_says_nothing_of_the_pace_then() -> None:
    """Steady use that reaches to the end: whenever a reading comes, no day falls short."""
    short = rule("pulse", "traffic", when="daily_mb > 0.0 && remaining_mb > 0.0 && days_left < days_to_month_end - 1.0")
    life = Life(short)
    for day in range(12):
        life.see(metered(T0_MS + day * DAY_MS, 200.0))
    life.see(balance(T0_MS + 11 * DAY_MS + HOUR_MS, 3_600))
    life.see(metered(T0_MS + 13 * DAY_MS, 400.0))
    assert life.fired == []
    life.see(metered(T0_MS + 12 * DAY_MS, 0.0))
    assert life.fired == []
