"""Opening and closing buckets: what order, lateness and silence change, and what they don't."""

from __future__ import annotations

from copy import deepcopy
from itertools import count

import msgspec
import numpy as np
import pytest
from habits import BUCKET_MS, DAY_MS, FIRST_DAY, Bucket, habit, life, tag
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.random import Generator

from schemas.drift_memory import DriftMemory
from schemas.drift_rules import DriftRules
from schemas.rules import Rules
from udfs.profile import share_drift, volume_drift
from udfs.profile.drift import NoticedKind, observe
from udfs.profile.share_drift import Noticed

T0_MS = FIRST_DAY * DAY_MS
GRACE_MS = BUCKET_MS
JUMPY = DriftRules(min_buckets=4, min_days=1, min_distance_bits=0.01, cooldown_ms=0, alpha_per_year=1e3)
RULES = Rules({}, utc_offset_ms=8 * 3_600_000)
Event = tuple[int, str]


def shown(events: list[Event], rules: Rules) -> tuple[DriftMemory, list[tuple[NoticedKind, Noticed]]]:
    memory = DriftMemory()
    return memory, [each for ms, name in events for each in observe(memory, [name], ms, rules, None)]


def spread(rng: Generator, buckets: list[Bucket]) -> list[Event]:
    """The events of buckets in local time at random times of theirs, in order."""
    events = [
        (bucket * BUCKET_MS + int(rng.integers(BUCKET_MS)) - RULES.utc_offset_ms, name)
        for bucket, counts in buckets
        for name, n in counts.items()
        for _ in range(n)
    ]
    return sorted(events)


def turned(seed: int, days: int, change_day: int) -> list[Event]:
    rng = np.random.default_rng(seed)
    before, since = habit(rng, 4), habit(rng, 4)[::-1]
    return spread(rng, list(life(rng, lambda day: before if day < change_day else since, days, events=3)))


LIVES = [turned(seed, 14, 7) for seed in range(4)]
jumpy = replace(RULES, drift=JUMPY)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(LIVES), st.integers(0, 2**32 - 1), st.sampled_from([3_600_000, GRACE_MS - 1]))
def test_any_order_within_the_grace_gives_the_same_alarms_and_memory(
    events: list[Event], seed: int, late_ms: int
) -> None:
    rng = np.random.default_rng(seed)
    arrival = sorted((ms + int(rng.integers(late_ms)), ms, name) for ms, name in events)
    memory, alarms = shown([(ms, name) for _, ms, name in arrival], jumpy)
    in_order, alarms_in_order = shown(events, jumpy)
    assert memory == in_order
    assert alarms == alarms_in_order
    assert memory.late == 0


def test_such_lives_have_alarms_of_both_kinds() -> None:
    kinds = [kind for events in LIVES for kind, _ in shown(events, jumpy)[1]]
    assert kinds.count("shares") >= 4
    events = [(T0_MS + n * BUCKET_MS, "a") for n in range(4 * 40) for _ in range(100 if n < 120 else 2)]
    assert "volume" in [kind for kind, _ in shown(events, jumpy)[1]]


@pytest.mark.parametrize("behind", [2, 3, 4 * 50])
def test_an_event_later_than_the_grace_is_counted_and_changes_nothing_else(behind: int) -> None:
    memory, _ = shown(LIVES[0], RULES)
    before = deepcopy(memory)
    newest_ms = max(memory.open) * BUCKET_MS - RULES.utc_offset_ms
    late_ms = newest_ms - (behind - 2) * BUCKET_MS - BUCKET_MS - 1
    assert observe(memory, ["content:new"], late_ms, RULES, None) == []
    assert memory == replace(before, late=before.late + 1)
    assert observe(memory, ["content:new"], newest_ms - BUCKET_MS, RULES, None) == []
    assert memory.late == before.late + 1


def test_an_event_of_a_bucket_nobody_was_active_in_is_not_late_within_the_grace() -> None:
    memory = DriftMemory()
    for bucket in (10, 12, 11):
        observe(memory, ["a"], bucket * BUCKET_MS, Rules({}), None)
    assert (memory.late, memory.bucket, sorted(memory.open)) == (0, 10, [11, 12])


def test_the_two_newest_buckets_are_open_and_hold_counts_by_tag() -> None:
    memory = DriftMemory()
    for bucket, names in ((5, ["a", "b"]), (6, ["a"]), (5, ["a"])):
        observe(memory, names, bucket * BUCKET_MS, Rules({}), None)
    assert memory.open == {5: {"a": 2, "b": 1}, 6: {"a": 1}}
    assert memory.bucket == -1
    observe(memory, ["c"], 9 * BUCKET_MS, Rules({}), None)
    assert memory.open == {9: {"c": 1}}
    assert (memory.bucket, memory.buckets, memory.tags) == (6, 2, ["a", "b"])


def test_local_time_decides_where_a_bucket_begins() -> None:
    memory = DriftMemory()
    observe(memory, ["a"], T0_MS - RULES.utc_offset_ms - 1, RULES, None)
    observe(memory, ["a"], T0_MS - RULES.utc_offset_ms, RULES, None)
    assert sorted(memory.open) == [4 * FIRST_DAY - 1, 4 * FIRST_DAY]


def test_events_are_counted_and_only_buckets_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most four steps a day, however many events."""
    closed: list[int] = []
    days: list[int] = []
    real_close, real_count = share_drift.close, volume_drift.count

    def close(memory: DriftMemory, bucket: int, *rest: object) -> Noticed | None:
        closed.append(bucket)
        return real_close(memory, bucket, *rest)  # type: ignore[arg-type]

    def counted(memory: object, day: int, *rest: object) -> Noticed | None:
        days.append(day)
        return real_count(memory, day, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(share_drift, "close", close)
    monkeypatch.setattr(volume_drift, "count", counted)
    rng = np.random.default_rng(0)
    times_ms = sorted(T0_MS + int(ms) for ms in rng.integers(5 * DAY_MS, size=3_000))
    memory = DriftMemory()
    for ms in times_ms:
        observe(memory, [tag(int(rng.integers(5)))], ms, Rules({}), None)
    assert closed == list(range(4 * FIRST_DAY, 4 * FIRST_DAY + 18))
    assert len(days) == 18
    assert sum(sum(counts.values()) for counts in memory.open.values()) + memory.volume.count <= len(times_ms)  # type: ignore[union-attr]


def test_alarms_come_in_the_order_of_the_buckets_that_raised_them() -> None:
    events = [(T0_MS + n * BUCKET_MS, "a") for n in range(4 * 40) for _ in range(100 if n < 120 else 2)]
    events += [(T0_MS + n * BUCKET_MS, "b") for n in range(4 * 40, 4 * 60) for _ in range(2)]
    _, alarms = shown(events, jumpy)
    times_ms = [noticed.at_ms for _, noticed in alarms]
    assert {kind for kind, _ in alarms} == {"shares", "volume"}
    assert times_ms == sorted(times_ms)


def test_a_restart_between_any_events_changes_nothing() -> None:
    encode, decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(DriftMemory).decode
    number, kept, restarted = count(), DriftMemory(), DriftMemory()
    for ms, name in LIVES[1]:
        once, again = (observe(memory, [name], ms, jumpy, None) for memory in (kept, restarted))
        assert once == again
        if next(number) % 3 == 0:
            restarted = decode(encode(restarted))
    assert encode(kept) == encode(restarted)


def test_memory_stays_small_whatever_happens() -> None:
    rng = np.random.default_rng(1)
    memory = DriftMemory()
    for n in range(3_000):
        observe(memory, [f"content:{rng.integers(1_000)}"], T0_MS + n * 7_000_000, jumpy, None)
    assert len(memory.tags) == 31
    assert len(memory.open) <= 2
    assert len(msgspec.msgpack.encode(memory)) < 2_200
