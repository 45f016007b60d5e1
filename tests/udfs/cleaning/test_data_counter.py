"""Usage from the cumulative counter: resets, late readings, glitches."""

from __future__ import annotations

from contextlib import suppress

import pytest
from cleaning_world import DAY, HOUR, NOON, RULES, reading
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.cleaning_memory import CleaningMemory
from schemas.reasons import Rejected
from udfs.cleaning import Correction, clean

RESET, GLITCH, LATE = Correction.COUNTER_RESET, Correction.COUNTER_GLITCH, Correction.COUNTER_LATE
OUTLIER = "outlier"
GB = 10**9
PETA = 10**15

READINGS: dict[str, list[tuple[int, int, int | str, list[str]]]] = {
    # hour, reading, used, corrections
    "differences": [(0, 100, 0, []), (1, 150, 50, []), (2, 150, 0, []), (3, 151, 1, [])],
    "a restart": [(0, 100, 0, []), (1, 20, 20, [RESET]), (2, 25, 5, [])],
    "a restart to zero": [(0, 100, 0, []), (1, 0, 0, [RESET]), (2, 25, 25, [])],
    "two restarts": [(0, 100, 0, []), (1, 20, 20, [RESET]), (2, 5, 5, [RESET]), (3, 9, 4, [])],
    "late adds nothing": [
        (0, 100, 0, []),
        (2, 300, 200, []),
        (1, 200, 0, [LATE]),
        (2, 310, 0, [LATE]),
        (3, 320, 20, []),
    ],
    "a glitch upwards": [(0, 100, 0, []), (1, PETA, OUTLIER, []), (2, 130, 30, [GLITCH]), (3, 140, 10, [])],
    "a glitch that stays for two": [
        (0, 100, 0, []),
        (1, PETA, OUTLIER, []),
        (2, PETA, 0, []),
        (3, 2 * PETA, OUTLIER, []),
        (4, 130, 30, [GLITCH]),
        (5, 140, 10, []),
    ],
    "an unbelievable usage that was real": [
        (0, 100, 0, []),
        (1, PETA, OUTLIER, []),
        (2, PETA + 7, 7, []),
        (3, PETA + 9, 2, []),
    ],
    "a restart after one that was real": [
        (0, 100, 0, []),
        (1, PETA, OUTLIER, []),
        (2, PETA + 7, 7, []),
        (3, 120, 120, [RESET]),
    ],
    "a restart below the old level after an outlier": [(0, 100, 0, []), (1, PETA, OUTLIER, []), (2, 50, 50, [RESET])],
    "a glitch downwards": [(0, 1_000, 0, []), (1, 3, 3, [RESET]), (2, 1_030, 27, [GLITCH]), (3, 1_040, 10, [])],
    "a restart and then much": [(0, 1_000, 0, []), (1, 3, 3, [RESET]), (2, 5_000, 4_997, [])],
    "late between outlier and glitch": [
        (0, 100, 0, []),
        (2, PETA, OUTLIER, []),
        (1, 110, 0, [LATE]),
        (3, 130, 30, [GLITCH]),
    ],
}


@pytest.mark.parametrize("readings", READINGS.values(), ids=READINGS.keys())
def test_readings(readings: list[tuple[int, int, int | str, list[str]]]) -> None:
    memory = CleaningMemory()
    for hour, total, used, corrections in readings:
        event = reading(total, NOON + hour * HOUR)
        found: list[str] = []
        try:
            clean(event, memory, RULES, found)
        except Rejected:
            assert used == OUTLIER
        else:
            assert event.bytes_used == used
            assert found == corrections


def test_the_doubt_is_over_after_an_ordinary_reading() -> None:
    memory = CleaningMemory()
    for hour, total in enumerate([100, 150, 20, 25]):
        clean(reading(total, NOON + hour * HOUR), memory, RULES, [])
    assert memory.counter is not None
    assert memory.counter.before is None


steps = st.lists(st.integers(0, GB), min_size=1, max_size=40)


@given(steps, st.data())
def test_a_clean_counter_sums_to_last_minus_first_in_any_chunking(increments: list[int], data: st.DataObject) -> None:
    totals = [sum(increments[:k]) for k in range(len(increments) + 1)]
    kept = data.draw(st.sets(st.integers(0, len(increments))))
    chosen = sorted(kept | {0, len(increments)})
    memory = CleaningMemory()
    used = 0
    for k in chosen:
        event = reading(totals[k], NOON + k * HOUR)
        clean(event, memory, RULES, [])
        used += event.bytes_used
    assert used == totals[-1] - totals[0]


@given(steps, st.randoms(use_true_random=False))
def test_shuffled_readings_never_give_negative_usage_nor_more_than_was_used(
    increments: list[int], random: object
) -> None:
    events = [reading(sum(increments[:k]), NOON + k * HOUR) for k in range(len(increments) + 1)]
    random.shuffle(events)  # type: ignore[attr-defined]
    memory = CleaningMemory()
    used = [clean(event, memory, RULES, []).bytes_used for event in events]  # type: ignore[attr-defined]
    assert min(used) >= 0
    newest = max(events, key=lambda event: event.event_time_ms)
    assert sum(used) == newest.bytes_total - events[0].bytes_total


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 5 * DAY)), max_size=40))
def test_whatever_is_read_usage_is_not_negative_and_the_reference_is_the_newest(
    readings: list[tuple[int, int]],
) -> None:
    memory = CleaningMemory()
    newest = -1
    for total, at_ms in readings:
        event = reading(total, at_ms)
        with suppress(Rejected):
            clean(event, memory, RULES, [])
        assert 0 <= event.bytes_used <= total
        newest = max(newest, at_ms)
        assert memory.counter is not None
        assert memory.counter.time_ms == newest
