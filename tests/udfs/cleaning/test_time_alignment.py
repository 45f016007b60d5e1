"""Seconds and minutes become milliseconds; nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.cleaning.align import aligned_ms

Y2000_S, Y2200_S = 946_684_800, 7_258_118_400
NOON_MS = 1_767_268_800_000  # 2026-01-01 12:00 UTC


@pytest.mark.parametrize(
    ("written", "meant", "aligned"),
    [
        (NOON_MS, NOON_MS, False),
        (NOON_MS // 1_000, NOON_MS, True),
        (NOON_MS // 60_000, NOON_MS, True),
        (Y2000_S, Y2000_S * 1_000, True),
        (Y2000_S * 1_000, Y2000_S * 1_000, False),
        (0, 0, False),
        (-5, -5, False),
        (500_000_000, 500_000_000, False),  # neither minutes nor seconds of any plausible year
    ],
)
def test_by_hand(written: int, meant: int, aligned: bool) -> None:
    corrections: list[str] = []
    assert aligned_ms(written, corrections) == meant
    assert corrections == ["time_aligned"] * aligned


@given(st.integers(Y2000_S, Y2200_S - 1))
def test_a_second_is_the_same_instant_in_all_three_units(second: int) -> None:
    assert aligned_ms(second * 1_000, []) == aligned_ms(second, []) == second * 1_000
    assert aligned_ms(second // 60, []) == second // 60 * 60_000


@given(st.integers(-(2**63), 2**63 - 1))
def test_aligning_twice_is_aligning_once(written: int) -> None:
    once = aligned_ms(written, [])
    assert aligned_ms(once, []) == once
