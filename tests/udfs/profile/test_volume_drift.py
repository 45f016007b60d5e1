"""The detector of volume: falls, silences, weekends and the edges of its classes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from habits import DAY_MS, FIRST_DAY, RULES
from numpy.random import Generator

from schemas.drift_memory import VolumeMemory
from udfs.local_time import is_workday
from udfs.profile import volume_drift
from udfs.profile.share_drift import Noticed
from udfs.profile.volume_drift import count


def noticed_in(days: int, events_on: Callable[[int], int], memory: VolumeMemory | None = None) -> list[Noticed]:
    """A call for each day that has events, as when buckets are closed."""
    memory = memory or VolumeMemory(FIRST_DAY)
    first = max(memory.day, FIRST_DAY)
    found = [count(memory, day, n, RULES, 0) for day in range(first, first + days) if (n := events_on(day - FIRST_DAY))]
    return [each for each in found if each is not None]


def around(rng: Generator, mean: float, spread: float = 0.35) -> int:
    return int(rng.poisson(mean * np.exp(rng.normal(0.0, spread))))


@pytest.mark.parametrize(("known_days", "within_days"), [(120, 14), (50, 21)])
def test_a_fall_from_a_hundred_to_five_is_noticed_within_weeks(known_days: int, within_days: int) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        days = known_days + 40
        [alarm] = noticed_in(days, lambda day, rng=rng: around(rng, 100 if day < known_days else 5))
        assert 2 <= alarm.at_ms / DAY_MS - FIRST_DAY - known_days <= within_days
        assert -14 <= alarm.since_ms / DAY_MS - FIRST_DAY - known_days <= 3
        assert alarm.rose == []
        [(name, before, since)] = alarm.fell
        assert name == ""
        assert 60 < before < 180
        assert since < 0.6 * before


def test_a_rise_is_told_as_one() -> None:
    rng = np.random.default_rng(1)
    [alarm] = noticed_in(70, lambda day: around(rng, 4 if day < 50 else 90))
    assert alarm.fell == []
    [(_, before, since)] = alarm.rose
    assert before < 0.6 * since


def test_silence_is_noticed_by_what_comes_after_it() -> None:
    rng = np.random.default_rng(2)
    memory = VolumeMemory(FIRST_DAY)
    assert noticed_in(50, lambda _: around(rng, 60), memory) == []
    alarm = count(memory, FIRST_DAY + 80, 1, RULES, 0)
    assert alarm is not None
    assert FIRST_DAY + 50 <= alarm.at_ms // DAY_MS <= FIRST_DAY + 75
    assert abs(alarm.since_ms // DAY_MS - FIRST_DAY - 50) <= 9
    assert memory.alarm_ms == alarm.at_ms
    assert (memory.day, memory.count) == (FIRST_DAY + 80, 1)


def test_silent_days_taken_lazily_are_as_good_as_taken_one_by_one() -> None:
    rng = np.random.default_rng(3)
    volumes = [around(rng, 3) if rng.random() < 0.5 else 0 for _ in range(120)]
    lazily, daily = VolumeMemory(FIRST_DAY), VolumeMemory(FIRST_DAY)
    for day, events in enumerate([*volumes, 1], FIRST_DAY):
        count(daily, day, events, RULES, 0)
        if events:
            count(lazily, day, events, RULES, 0)
    assert lazily == daily
    assert lazily.days > 100


def test_several_buckets_of_a_day_add_up_to_one() -> None:
    parts, wholes = VolumeMemory(FIRST_DAY), VolumeMemory(FIRST_DAY)
    for day in range(FIRST_DAY, FIRST_DAY + 40):
        for events in (5, 9, 2):
            count(parts, day, events, RULES, 0)
        count(wholes, day, 16, RULES, 0)
    assert parts == wholes


@pytest.mark.parametrize("gap", [61, 200, 100_000])
def test_a_long_silence_takes_bounded_work(monkeypatch: pytest.MonkeyPatch, gap: int) -> None:
    rng = np.random.default_rng(4)
    memory = VolumeMemory(FIRST_DAY)
    noticed_in(60, lambda _: around(rng, 60), memory)
    steps: list[tuple[int, int]] = []
    real = volume_drift.compare

    def compared(numbers: object, context: int, shares: list[float], *rest: object) -> object:
        steps.append((context, int(np.argmax(shares))))
        return real(numbers, context, shares, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(volume_drift, "compare", compared)
    day = FIRST_DAY + 59 + gap
    assert count(memory, day, 7, RULES, 0) is not None
    assert len(steps) == 61
    assert steps[0][1] > 0
    assert {volume for _, volume in steps[1:]} == {0}
    assert [context for context, _ in steps[1:]] == [int(is_workday(each)) for each in range(day - 60, day)]
    assert (memory.day, memory.count) == (day, 7)


QUIET: dict[str, Callable[[Generator, int], int]] = {
    "weekends are other than workdays": lambda rng, day: around(rng, 120 if is_workday(FIRST_DAY + day) else 15),
    "around the edge of a class": lambda rng, day: int(rng.choice([62, 63, 64, 65])),
    "doubling and halving": lambda rng, day: int(rng.choice([40, 80])),
    "often silent": lambda rng, day: around(rng, 4) if rng.random() < 0.4 else 0,
    "always the same": lambda rng, day: 64,
    "very much": lambda rng, day: around(rng, 50_000),
}


@pytest.mark.parametrize("name", QUIET)
def test_people_who_stay_as_they_are_raise_nothing_in_ten_years_each(name: str) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        assert noticed_in(365, lambda day, rng=rng: QUIET[name](rng, day)) == []


def test_nothing_is_tested_in_the_first_three_weeks() -> None:
    memory = VolumeMemory(FIRST_DAY)
    noticed_in(22, lambda day: 100, memory)
    assert (memory.days, memory.evidence) == (21, b"")
    count(memory, FIRST_DAY + 22, 100, RULES, 0)
    assert memory.evidence


def test_after_an_alarm_the_new_volume_is_the_usual_one() -> None:
    rng = np.random.default_rng(6)
    memory = VolumeMemory(FIRST_DAY)
    assert len(noticed_in(250, lambda day: around(rng, 100 if day < 50 else 5), memory)) == 1


def test_a_restart_changes_nothing() -> None:
    rng = np.random.default_rng(7)
    volumes = [around(rng, 100 if day < 50 else 5) for day in range(90)]
    encode, decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(VolumeMemory).decode
    kept, restarted = VolumeMemory(FIRST_DAY), VolumeMemory(FIRST_DAY)
    for day, events in enumerate(volumes, FIRST_DAY):
        assert count(kept, day, events, RULES, 0) == count(restarted, day, events, RULES, 0)
        restarted = decode(encode(restarted))
    assert kept == restarted


def test_times_are_those_of_local_days() -> None:
    offset_ms = 8 * 3_600_000
    memory = VolumeMemory(FIRST_DAY)
    rng = np.random.default_rng(8)
    alarms = [
        count(memory, FIRST_DAY + day, 1 + around(rng, 100 if day < 50 else 2), RULES, offset_ms) for day in range(80)
    ]
    [alarm] = [each for each in alarms if each is not None]
    assert (alarm.at_ms + offset_ms) % DAY_MS == (alarm.since_ms + offset_ms) % DAY_MS == 0
