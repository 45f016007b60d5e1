"""The profile operator, driven directly: nothing lost, nothing counted twice, whatever the batches hold."""

from __future__ import annotations

import json
from math import isclose
from typing import Any, NamedTuple

import pytest
from fakes import FakeEngine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyflink.common import Row

from jobs.operators.profile import HISTORY, ProfileOperator
from schemas import state
from schemas.outputs import (
    DeadLetter,
    HistoryBatch,
    ShardCounts,
    pack,
    unpack_changed,
    unpack_counts,
    unpack_history,
)
from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.position import pack_position
from schemas.reasons import Reason
from schemas.run import FeedInput, Run
from schemas.settings import Settings

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
T0_MS = 1_767_225_600_000  # 2026-01-01 UTC
NOW_MS = T0_MS + 2 * DAY_MS + 123
SHARD = 5
HOUSEHOLD, DPI = 0, 1
RUN = Run(
    "run-1",
    (
        FeedInput("household", "files", ("january.jsonl", "february.jsonl")),
        FeedInput("dpi", "kafka", ("dpi-topic",), bootstrap="broker.example:9092"),
    ),
    bounded=True,
)

Record = tuple[bytes | None, bytes | None, int]  # key, value, position
quick = settings(max_examples=60, deadline=None)


class Emitted(NamedTuple):
    changed: list[tuple[str, state.Profile]]
    history: HistoryBatch


def settings_of(**changed: Any) -> Settings:
    return Settings(**{"max_record_bytes": 1_000, "history_writers": 3, **changed})


def operator_on(engine: FakeEngine, **changed: Any) -> ProfileOperator:
    operator = ProfileOperator(settings_of(**changed).public(), RUN)
    operator.open(engine.restarted())
    return operator


def emitted(outputs: list[Any]) -> Emitted:
    *hot, (tag, row) = outputs
    assert tag is HISTORY
    assert row[0] == SHARD % 3
    assert len(hot) <= 1
    changed = [(user, with_sets(state.decode(blob))) for user, blob in unpack_changed(hot[0])] if hot else []
    return Emitted(changed, unpack_history(row[1].encode()))


def process(operator: ProfileOperator, engine: FakeEngine, batch: list[Record]) -> Emitted:
    keys, values, positions = ([record[i] for record in batch] for i in range(3))
    return emitted(list(operator.process_element(Row(SHARD, keys, values, positions), engine)))


def profiles_in(engine: FakeEngine) -> dict[str, state.Profile]:
    """Decoded state, ids as sets: their order in a blob is not part of a profile's meaning."""
    return {user: with_sets(state.decode(blob)) for user, blob in engine.states["profiles"].held.items()}


def with_sets(profile: state.Profile) -> state.Profile:
    profile.seen = {bucket: state.unpack_ids(ids) for bucket, ids in profile.seen.items()}
    return profile


def counts_in(engine: FakeEngine) -> ShardCounts:
    return unpack_counts(engine.states["counts"].held)


def purchase(user: str, basket: int, time_ms: int = T0_MS, category: Any = "tea", spend: Any = 2.5) -> bytes:
    line = {"household_id": user, "basket_id": basket, "product_id": 1, "category": category, "quantity": 1}
    return json.dumps({**line, "sales_value": spend, "event_time_ms": time_ms}).encode()


def flow(user: str, number: int, time_ms: int = T0_MS, **changed: Any) -> bytes:
    fields = {"subscriber_id": user, "record_id": str(number), "event_time_ms": time_ms, "app": "a.example"}
    return DpiRecord(**{**fields, "category": "video", "bytes_down": 5_000_000, **changed}).SerializeToString()


def bought(user: str, basket: int, time_ms: int = T0_MS, **changed: Any) -> Record:
    return user.encode(), purchase(user, basket, time_ms, **changed), pack_position(HOUSEHOLD, 0, basket + 1)


def used(user: str, number: int, time_ms: int = T0_MS, **changed: Any) -> Record:
    return user.encode(), flow(user, number, time_ms, **changed), pack_position(DPI, 7, number)


users = st.sampled_from(["u1", "u2", "u3"])
times = st.integers(T0_MS - 60 * HOUR_MS, T0_MS) | st.sampled_from([0, 10**14, NOW_MS])
positions = st.builds(pack_position, st.sampled_from([HOUSEHOLD, DPI]), st.integers(0, 1), st.integers(0, 99))
records = (
    st.builds(bought, users, st.integers(0, 9), times, category=st.sampled_from(["tea", "milk", "", None]))
    | st.builds(used, users, st.integers(0, 9), times, bytes_up=st.integers(-1, 5))
    | st.tuples(
        st.none() | users.map(str.encode) | st.binary(max_size=3),
        st.none() | st.binary(max_size=60) | st.just(b"x" * 1_001) | users.map(lambda user: purchase(user, 1)),
        positions,
    )
)
batches = st.lists(st.lists(records, max_size=12), min_size=1, max_size=5)


@quick
@given(batches)
def test_every_record_is_folded_a_duplicate_or_rejected_and_counted_once(batches: list[list[Record]]) -> None:
    engine = FakeEngine(NOW_MS)
    operator = operator_on(engine)
    arrived = dead = rows = 0
    for batch in batches:
        out = process(operator, engine, batch)
        arrived += len(batch)
        dead += len(out.history.dead_letters)
        rows += sum(len(evidence) for *_, evidence in out.history.events)
        counts = out.history.counts
        assert counts is not None
        assert counts == counts_in(engine)
        assert counts.shard == SHARD
        assert counts.events_in == arrived == counts.folded + counts.duplicates + sum(counts.rejected.values())
        assert sum(counts.rejected.values()) == dead
        assert rows == 3 * counts.folded  # every event of both feeds is evidence for three tags
        blobs = engine.states["profiles"].held
        assert (counts.users, counts.state_bytes) == (len(blobs), sum(map(len, blobs.values())))
        assert counts.folded == sum(profile.n for profile in profiles_in(engine).values())
    metrics = {name: counter.count for name, counter in engine.counters.items()}
    assert metrics == {
        "events_in": arrived,
        "folded": counts.folded,
        "duplicates": counts.duplicates,
        "rejected": dead,
    }


@quick
@given(batches)
def test_each_changed_user_is_emitted_once_a_batch_with_the_whole_profile(batches: list[list[Record]]) -> None:
    engine = FakeEngine(NOW_MS)
    operator = operator_on(engine)
    n_before: dict[str, int] = {}
    for batch in batches:
        out = process(operator, engine, batch)
        profiles = profiles_in(engine)
        n_after = {user: profile.n for user, profile in profiles.items()}
        changed = {user for user, n in n_after.items() if n != n_before.get(user)}
        assert sorted(user for user, _ in out.changed) == sorted(changed)
        for user, profile in out.changed:
            assert profile == profiles[user]
            assert (profile.n, profile.last_write_ms) == (n_after[user], NOW_MS)
        n_before = n_after


@quick
@given(st.lists(records, max_size=15))
def test_the_same_batch_again_changes_nothing_and_emits_no_profile(batch: list[Record]) -> None:
    engine = FakeEngine(NOW_MS)
    # a horizon that nothing leaves, so that a second look differs from the first in nothing but the ids
    operator = operator_on(engine, dedup_horizon_hours=100_000)
    first = process(operator, engine, batch)
    before, blobs = counts_in(engine), dict(engine.states["profiles"].held)
    again = process(operator, engine, batch)
    after = counts_in(engine)
    assert again.changed == []
    assert again.history.events == []
    assert again.history.dead_letters == first.history.dead_letters
    assert engine.states["profiles"].held == blobs
    assert after.folded == before.folded
    assert after.duplicates == 2 * before.duplicates + before.folded
    assert after.rejected == {code: 2 * number for code, number in before.rejected.items()}
    assert (after.users, after.state_bytes) == (before.users, before.state_bytes)


CANARY = "canary-4f1d"
BAD_RECORDS: list[tuple[int, bytes | None, bytes | None, Reason]] = [
    (HOUSEHOLD, CANARY.encode(), None, Reason.VALUE_MISSING),
    (HOUSEHOLD, CANARY.encode(), b"", Reason.VALUE_MISSING),
    (HOUSEHOLD, CANARY.encode(), CANARY.encode() * 100, Reason.RECORD_TOO_LARGE),
    (HOUSEHOLD, CANARY.encode(), f'{{"category": "{CANARY}'.encode(), Reason.MALFORMED),
    (HOUSEHOLD, None, purchase(CANARY, 1, category=CANARY), Reason.KEY_MISSING),
    (HOUSEHOLD, b"someone", purchase(CANARY, 1, category=CANARY), Reason.KEY_MISMATCH),
    (HOUSEHOLD, CANARY.encode(), purchase(CANARY, 1, category=None), Reason.TAG_MISSING),
    (HOUSEHOLD, CANARY.encode(), purchase(CANARY, 1, category=CANARY, spend=-1), Reason.VALUE_NEGATIVE),
    (HOUSEHOLD, CANARY.encode(), purchase(CANARY, 1, 1, category=CANARY), Reason.TIME_BEFORE_MINIMUM),
    (HOUSEHOLD, CANARY.encode(), purchase(CANARY, 1, NOW_MS + HOUR_MS + 1, category=CANARY), Reason.TIME_IN_FUTURE),
    (DPI, CANARY.encode(), b"\xff" + CANARY.encode(), Reason.MALFORMED),
    (DPI, b"", flow(CANARY, 1, app=CANARY), Reason.KEY_MISSING),
    (DPI, b"someone", flow(CANARY, 1, app=CANARY), Reason.KEY_MISMATCH),
    (DPI, CANARY.encode(), flow(CANARY, 1, app=CANARY, record_id=""), Reason.EVENT_ID_MISSING),
    (DPI, CANARY.encode(), flow(CANARY, 1, category=CANARY, app=""), Reason.TAG_MISSING),
    (DPI, CANARY.encode(), flow(CANARY, 1, app=CANARY, bytes_up=-1), Reason.VALUE_NEGATIVE),
]


@pytest.mark.parametrize(("feed", "key", "value", "reason"), BAD_RECORDS)
def test_a_dead_letter_says_where_the_record_is_and_why_and_nothing_of_what_it_said(
    feed: int, key: bytes | None, value: bytes | None, reason: Reason
) -> None:
    engine = FakeEngine(NOW_MS)
    out = process(operator_on(engine), engine, [(key, value, pack_position(feed, 1, 41))])
    if feed == HOUSEHOLD:  # files: the log is the file, the offset its record's number
        expected = DeadLetter("household", "february.jsonl", 0, 41, reason.value)
    else:
        expected = DeadLetter("dpi", "dpi-topic", 1, 41, reason.value)
    assert out.history.dead_letters == [expected]
    assert out.history.counts is not None
    assert out.history.counts.rejected == {f"{expected.feed}/{reason.value}": 1}
    assert out.changed == []
    assert engine.states["profiles"].held == {}
    assert DeadLetter.__struct_fields__ == ("feed", "log", "partition", "offset", "reason")
    assert CANARY.encode() not in pack(out.history)


def test_events_beyond_the_horizon_and_floods_end_as_dead_letters_too() -> None:
    engine = FakeEngine(NOW_MS)
    operator = operator_on(engine, dedup_horizon_hours=2, max_events_per_bucket=1)
    batch = [used("u1", 1), used("u1", 2), used("u1", 3, T0_MS - 3 * HOUR_MS), used("u1", 1)]
    out = process(operator, engine, batch)
    assert [letter.reason for letter in out.history.dead_letters] == ["user_flood", "late_beyond_horizon"]
    assert out.history.counts is not None
    assert (out.history.counts.folded, out.history.counts.duplicates) == (1, 1)


def test_the_history_has_one_row_per_piece_of_evidence() -> None:
    engine = FakeEngine(NOW_MS)
    history = process(operator_on(engine), engine, [used("u1", 1), bought("u2", 2, T0_MS + 1)]).history
    (feed, user, event_time_ms, flow_id, evidence), bought_event = history.events
    assert (feed, user, event_time_ms) == ("dpi", "u1", T0_MS)
    assert list(evidence) == [("app", "a.example", 1.0), ("content", "video", 1.0), ("flow_mb", "all", 5.0)]
    feed, user, event_time_ms, line_id, evidence = bought_event
    assert (feed, user, event_time_ms) == ("household", "u2", T0_MS + 1)
    assert list(evidence) == [("quantity", "tea", 1.0), ("spend", "tea", 2.5), ("line_spend", "all", 2.5)]
    assert flow_id != line_id


def test_a_large_batch_loses_no_event_of_its_history() -> None:
    engine = FakeEngine(NOW_MS)
    batch = [bought(f"u{number % 7}", number, T0_MS + number) for number in range(5_000)]
    out = process(operator_on(engine), engine, batch)
    assert sorted(event[2] - T0_MS for event in out.history.events) == list(range(5_000))
    assert len(out.changed) == 7


def test_the_cache_keeps_the_users_seen_last() -> None:
    engine = FakeEngine(NOW_MS)
    operator = operator_on(engine, cached_profiles=2)
    for number, user in enumerate(["u1", "u2", "u1", "u3"]):
        process(operator, engine, [bought(user, number)])
    assert set(operator._cache) == {"u1", "u3"}


@quick
@given(batches)
def test_a_cache_of_any_size_gives_the_same_state_and_output(batches: list[list[Record]]) -> None:
    runs = []
    for cached_profiles in (0, 1, 50_000):
        engine = FakeEngine(NOW_MS)
        operator = operator_on(engine, cached_profiles=cached_profiles)
        outputs = [process(operator, engine, batch) for batch in batches]
        runs.append((outputs, profiles_in(engine), counts_in(engine)))
    assert runs[0] == runs[1] == runs[2]


@quick
@given(batches)
def test_an_operator_restarted_over_the_same_state_continues_the_same(batches: list[list[Record]]) -> None:
    steady, restarted = FakeEngine(NOW_MS), FakeEngine(NOW_MS)
    operator = operator_on(steady)
    for batch in batches:
        assert process(operator_on(restarted), restarted, batch) == process(operator, steady, batch)
    assert profiles_in(restarted) == profiles_in(steady)


@quick
@given(batches, st.sampled_from([1, 2, 50_000]))
def test_what_is_cached_is_what_is_stored(batches: list[list[Record]], cached_profiles: int) -> None:
    engine = FakeEngine(NOW_MS)
    operator = operator_on(engine, cached_profiles=cached_profiles)
    for batch in batches:
        process(operator, engine, batch)
        assert len(operator._cache) <= cached_profiles
        stored = engine.states["profiles"].held
        for user, blob in operator._cache.items():
            assert blob == stored[user]


@quick
@given(st.lists(records, max_size=30), st.data())
def test_any_cut_into_batches_gives_the_same_counts_and_weights(log: list[Record], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=6)))
    one, many = FakeEngine(NOW_MS), FakeEngine(NOW_MS)
    process(operator_on(one), one, log)
    operator = operator_on(many)
    for start, end in zip([0, *cuts], [*cuts, len(log)], strict=True):
        process(operator, many, log[start:end])
    assert counts_in(many) == counts_in(one)
    stored = profiles_in(many)
    assert stored.keys() == profiles_in(one).keys()
    for user, profile in profiles_in(one).items():
        other = stored[user]
        assert (profile.n, profile.due_ms, profile.seen) == (other.n, other.due_ms, other.seen)
        for name, group in profile.groups.items():
            assert group.landmark == other.groups[name].landmark
            for tag, cell in group.cells.items():
                assert isclose(cell[0], other.groups[name].cells[tag][0], rel_tol=1e-12)


FLEETING = {"half_life_days": dict.fromkeys(("quantity", "spend", "line_spend"), 0.001), "hot_retention_days": 1}


def test_a_sweep_drops_only_profiles_past_due_and_retention_and_counts_follow() -> None:
    engine = FakeEngine(T0_MS)
    operator = operator_on(engine, **FLEETING)
    process(operator, engine, [bought("gone", 1), used("slow", 1), bought("fresh", 2)])
    engine.now_ms = T0_MS + DAY_MS
    process(operator, engine, [bought("fresh", 3)])
    assert engine.timers == {T0_MS + DAY_MS, T0_MS + 2 * DAY_MS}

    # kept until a day of retention and a day of grace after the last write
    (out,) = [emitted(list(operator.on_timer(T0_MS + 2 * DAY_MS, engine)))]
    assert set(profiles_in(engine)) == {"gone", "slow", "fresh"}
    assert out.changed == []
    out = emitted(list(operator.on_timer(T0_MS + 2 * DAY_MS + 1, engine)))
    assert set(profiles_in(engine)) == {"slow", "fresh"}
    counts = counts_in(engine)
    assert out.history == HistoryBatch(counts=counts)
    assert (counts.users, counts.state_bytes) == (2, sum(map(len, engine.states["profiles"].held.values())))
    assert (counts.events_in, counts.folded) == (4, 4)
    assert T0_MS + 3 * DAY_MS + 1 in engine.timers

    engine.now_ms = T0_MS + 2 * DAY_MS + 2
    ((_, back),) = process(operator, engine, [bought("gone", 4)]).changed
    assert (back.generation, back.n) == (0, 1)
    assert counts_in(engine).users == 3


def test_when_the_last_profile_is_swept_no_timer_is_set_and_nothing_is_left() -> None:
    engine = FakeEngine(T0_MS)
    operator = operator_on(engine, **FLEETING)
    process(operator, engine, [bought("gone", 1)])
    engine.timers.clear()
    list(operator.on_timer(T0_MS + 3 * DAY_MS, engine))
    assert engine.states["profiles"].held == {}
    assert engine.timers == set()
    counts = counts_in(engine)
    assert (counts.users, counts.state_bytes, counts.folded) == (0, 0, 1)


def test_a_timer_before_any_batch_does_nothing() -> None:
    engine = FakeEngine(T0_MS)
    assert list(operator_on(engine).on_timer(T0_MS, engine)) == []


def test_a_damaged_profile_stops_the_job_instead_of_starting_the_user_anew() -> None:
    engine = FakeEngine(NOW_MS)
    process(operator_on(engine), engine, [bought("u1", 1)])
    engine.states["profiles"].held["u1"] = engine.states["profiles"].held["u1"][:-3]
    with pytest.raises(state.StateError, match="damaged"):
        process(operator_on(engine), engine, [bought("u1", 2)])


def test_an_empty_blob_stops_the_job_instead_of_starting_the_user_anew() -> None:
    engine = FakeEngine(NOW_MS)
    operator_on(engine)
    engine.states["profiles"].held["u1"] = b""
    with pytest.raises(state.StateError, match="empty"):
        process(operator_on(engine), engine, [bought("u1", 2)])


def test_no_record_stops_the_job() -> None:
    engine = FakeEngine(NOW_MS)
    out = process(operator_on(engine), engine, [bought("u1", 1, spend=1.7e308), bought("u1", 2)])
    assert out.history.counts is not None
    assert out.history.counts.events_in == 2
