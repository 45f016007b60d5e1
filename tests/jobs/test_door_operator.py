"""The door operator, driven directly: nothing lost, nothing counted twice, whatever the batches hold."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from math import isclose
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fakes import FakeEngine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyflink.common import Row

from jobs.operators.door import FORWARDED, DoorOperator
from jobs.operators.shard_operator import HISTORY
from schemas import state
from schemas.events import AppUse, identity_of
from schemas.outputs import (
    DeadLetter,
    Forwarded,
    HistoryBatch,
    LinkedIdentifier,
    Removal,
    ShardCounts,
    pack,
    unpack_counts,
    unpack_forwarded,
    unpack_history,
    unpack_hot,
)
from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.pb.livetags.v1.link_pb2 import LinkRecord
from schemas.position import pack_position
from schemas.pseudonym_keys import KeysError, new_keys, rotated
from schemas.reasons import Reason
from schemas.run import FeedInput, Run
from schemas.settings import Settings
from udfs.privacy.pseudonym import KeyedPseudonyms
from udfs.stages.door import shard_of

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
T0_MS = 1_767_225_600_000  # 2026-01-01 UTC
NOW_MS = T0_MS + 2 * DAY_MS + 123
SHARD = 5
HOUSEHOLD, TOPIC, DPI, LINK = 0, 1, 2, 3
RUN = Run(
    "run-1",
    (
        FeedInput("household", "files", ("january.jsonl", "february.jsonl")),
        FeedInput("household", "kafka", ("household-topic",), bootstrap="broker.example:9092"),
        FeedInput("dpi", "kafka", ("dpi-topic",), bootstrap="broker.example:9092"),
        FeedInput("link", "kafka", ("link-topic",), bootstrap="broker.example:9092"),
    ),
    bounded=True,
)
KEYS = new_keys()
PSEUDONYMS = KeyedPseudonyms(KEYS)

Record = tuple[bytes | None, bytes | None, int]  # key, value, position
quick = settings(max_examples=60, deadline=None)


@pytest.fixture(autouse=True, scope="module")
def workers_keys() -> Iterator[None]:
    """The keys where a worker has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIVETAGS_PSEUDONYM_KEYS", KEYS.to_json())
        yield


class Emitted(NamedTuple):
    changed: list[tuple[str, state.Profile]]
    history: HistoryBatch
    forwarded: dict[int, Forwarded]
    removals: list[Removal]
    links: list[LinkedIdentifier]


def settings_of(**changed: Any) -> Settings:
    return Settings(**{"max_record_bytes": 1_000, "history_writers": 3, **changed})


def operator_on(engine: FakeEngine, run: Run = RUN, **changed: Any) -> DoorOperator:
    operator = DoorOperator(settings_of(**changed).public(), run)
    operator.open(engine.restarted())
    return operator


def emitted(outputs: list[Any], last: int | None = None, lane: int = 0) -> Emitted:
    """What was emitted: forwarded batches first, then at most one hot batch, then one of history."""
    *others, (tag, row) = outputs
    assert tag is HISTORY
    assert row[0] == lane  # linked feeds go through one writer
    packed = [each for each in others if isinstance(each, bytes)]
    forwarded: dict[int, Forwarded] = {}
    for each in others:
        if not isinstance(each, bytes):
            assert each[0] is FORWARDED
            to, number, batch = each[1]
            assert to not in forwarded
            assert number == last
            forwarded[to] = unpack_forwarded(batch.encode())
    assert len(packed) <= 1
    hot = unpack_hot(packed[0]) if packed else None
    changed = [(user, with_sets(state.decode(blob))) for user, blob in hot.changed] if hot else []
    return Emitted(
        changed,
        unpack_history(row[1].encode()),
        forwarded,
        hot.removals if hot else [],
        hot.links if hot else [],
    )


def process(
    operator: DoorOperator, engine: FakeEngine, batch: list[Record], numbers: list[int] | None = None
) -> Emitted:
    """One batch; `numbers` are those of the records in the replay, zero of topics."""
    keys, values, positions = ([record[i] for record in batch] for i in range(3))
    numbers = numbers if numbers is not None else [0] * len(batch)
    row = Row(SHARD, keys, values, positions, numbers)
    return emitted(list(operator.process_element(row, engine)), max(numbers, default=0))


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


def from_topic(user: str, basket: int, time_ms: int = T0_MS, **changed: Any) -> Record:
    return user.encode(), purchase(user, basket, time_ms, **changed), pack_position(TOPIC, 7, basket)


def used(user: str, number: int, time_ms: int = T0_MS, **changed: Any) -> Record:
    return user.encode(), flow(user, number, time_ms, **changed), pack_position(DPI, 7, number)


def linked(user: str, number: int, person: str, time_ms: int = T0_MS) -> Record:
    record = LinkRecord(identifier=user, record_id=str(number), event_time_ms=time_ms, person_ref=person)
    return user.encode(), record.SerializeToString(), pack_position(LINK, 7, number)


users = st.sampled_from(["u1", "u2", "u3"])
times = st.integers(T0_MS - 60 * HOUR_MS, T0_MS) | st.sampled_from([0, 10**14, NOW_MS])
positions = st.builds(
    pack_position, st.sampled_from([HOUSEHOLD, TOPIC, DPI, LINK]), st.integers(0, 1), st.integers(0, 99)
)
records = (
    st.builds(bought, users, st.integers(0, 9), times, category=st.sampled_from(["tea", "milk", "", None]))
    | st.builds(from_topic, users, st.integers(20, 29), times, category=st.sampled_from(["tea", "milk"]))
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
        rows += sum(len(evidence) for *_, evidence, _ in out.history.events)
        counts = out.history.counts
        assert counts is not None
        assert counts == counts_in(engine)
        assert counts.shard == SHARD
        assert counts.events_in == arrived == counts.folded + counts.duplicates + sum(counts.rejected.values())
        assert sum(counts.rejected.values()) == dead
        assert rows == 3 * counts.folded  # every purchase is evidence for three tags
        blobs = engine.states["profiles"].held
        profiles = profiles_in(engine)
        assert counts.users == sum(profile.n > 0 for profile in profiles.values())
        assert counts.state_bytes == sum(map(len, blobs.values()))
        assert counts.folded == sum(profile.n for profile in profiles.values())
        # nobody has consented to anything and nobody is linked: flows are refused here
        assert counts.rejected.keys().isdisjoint({"household/no_consent"})
        assert out.forwarded == {}
    metrics = {name: engine.counters[name].count for name in ("events_in", "folded", "duplicates", "rejected")}
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
        changed = {user for user, n in n_after.items() if n and n != n_before.get(user)}
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
    # what consent refuses has been remembered before, so its repeat is a duplicate; all else is refused again
    consent = Reason.NO_CONSENT.value
    assert again.history.dead_letters == [x for x in first.history.dead_letters if x.reason != consent]
    remembered = before.rejected.pop(f"dpi/{consent}", 0)
    assert engine.states["profiles"].held == blobs
    assert after.folded == before.folded
    assert after.duplicates == 2 * before.duplicates + before.folded + remembered
    assert after.rejected.pop(f"dpi/{consent}", 0) == remembered
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
    (DPI, CANARY.encode(), flow(CANARY, 1, 1, app=CANARY), Reason.TIME_BEFORE_MINIMUM),
    (DPI, CANARY.encode(), flow(CANARY, 1, NOW_MS + HOUR_MS + 1, app=CANARY), Reason.TIME_IN_FUTURE),
    (DPI, CANARY.encode(), flow(CANARY, 1, app=CANARY), Reason.NO_CONSENT),
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
    # of what cleaning and consent come to see, the id is remembered: its repeat is a duplicate
    profiles = profiles_in(engine)
    assert profiles.keys() == ({PSEUDONYMS.identifier(CANARY)} if reason is Reason.NO_CONSENT else set())
    assert all((p.n, p.groups, p.memory) == (0, {}, None) for p in profiles.values())
    assert DeadLetter.__struct_fields__ == ("feed", "log", "partition", "offset", "reason", "user")
    assert CANARY.encode() not in pack(out.history)
    assert CANARY.encode() not in b"".join(engine.states["profiles"].held.values())


def test_events_beyond_the_horizon_and_floods_end_as_dead_letters_too() -> None:
    engine = FakeEngine(NOW_MS)
    operator = operator_on(engine, dedup_horizon_hours=2, max_events_per_bucket=1)
    batch = [bought("u1", 1), from_topic("u1", 2), bought("u1", 3, T0_MS - 3 * HOUR_MS), bought("u1", 1)]
    out = process(operator, engine, batch)
    assert [(x.log, x.reason, x.user) for x in out.history.dead_letters] == [
        ("household-topic", "user_flood", ""),
        ("january.jsonl", "late_beyond_horizon", ""),
    ]
    assert out.history.counts is not None
    assert (out.history.counts.folded, out.history.counts.duplicates) == (1, 1)


def test_the_history_has_one_row_per_piece_of_evidence() -> None:
    engine = FakeEngine(NOW_MS)
    batch = [from_topic("u1", 1, category="milk", spend=4), bought("u2", 2, T0_MS + 1)]
    one, other = process(operator_on(engine), engine, batch).history.events
    feed, user, event_time_ms, one_id, evidence, number = one
    assert (feed, user, event_time_ms, number) == ("household", "u1", T0_MS, 1)
    assert list(evidence) == [("quantity", "milk", 1.0), ("spend", "milk", 4.0), ("line_spend", "all", 4.0)]
    feed, user, event_time_ms, other_id, evidence, _ = other
    assert (feed, user, event_time_ms) == ("household", "u2", T0_MS + 1)
    assert list(evidence) == [("quantity", "tea", 1.0), ("spend", "tea", 2.5), ("line_spend", "all", 2.5)]
    assert one_id != other_id


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
    assert set(operator.states._cache) == {"u1", "u3"}


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
        assert len(operator.states._cache) <= cached_profiles
        stored = engine.states["profiles"].held
        for user, (packed, state_bytes) in operator.states._cache.items():
            assert state.compress_all([packed]) == [stored[user]]
            assert state_bytes == len(stored[user])


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
    operator = operator_on(engine, **FLEETING, future_tolerance_minutes=10_000)
    process(operator, engine, [bought("gone", 1), bought("slow", 1, T0_MS + 5 * DAY_MS), bought("fresh", 2)])
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


def test_a_sweep_keeps_whose_an_identifier_is() -> None:
    engine = FakeEngine(T0_MS)
    operator = operator_on(engine, **FLEETING)
    process(operator, engine, [linked("imsi", 1, "ref"), bought("gone", 1)])
    list(operator.on_timer(T0_MS + 100 * DAY_MS, engine))
    assert {user: p.links for user, p in profiles_in(engine).items()} == {
        PSEUDONYMS.identifier("imsi"): [(T0_MS, PSEUDONYMS.person("ref"))]
    }
    assert (counts_in(engine).users, counts_in(engine).folded) == (0, 2)


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


def test_records_are_passed_in_the_order_of_the_replay_whatever_order_the_engine_hands_them_in() -> None:
    ordered = [bought(f"u{n % 3}", n % 40, T0_MS - (n % 7) * HOUR_MS, spend=n) for n in range(60)]
    numbers = list(range(100, 160))
    one, other = FakeEngine(NOW_MS), FakeEngine(NOW_MS)
    first = process(operator_on(one), one, ordered, numbers)
    handed = [(n * 23) % 60 for n in range(60)]
    second = process(operator_on(other), other, [ordered[n] for n in handed], [numbers[n] for n in handed])
    assert second == first
    assert profiles_in(other) == profiles_in(one)
    assert [event[2:4] for event in first.history.events if event[1] == "u1"] == [
        event[2:4] for event in second.history.events if event[1] == "u1"
    ]


def test_of_topics_records_keep_the_order_of_arrival() -> None:
    engine = FakeEngine(NOW_MS)
    out = process(operator_on(engine), engine, [from_topic("u", n, T0_MS - n) for n in (5, 3, 9, 1)])
    assert [T0_MS - event[2] for event in out.history.events] == [5, 3, 9, 1]


def test_events_of_linked_identifiers_go_to_their_persons_shard_with_their_place_in_the_replay() -> None:
    engine = FakeEngine(NOW_MS)
    batch = [
        linked("imsi", 1, "one"),
        linked("msisdn", 2, "two"),
        used("imsi", 3),
        used("msisdn", 4, app="b.example"),
        bought("u", 5),
        used("imsi", 3),
    ]
    out = process(operator_on(engine, shards=4), engine, batch, [11, 12, 13, 14, 15, 16])
    found = {
        (shard, number, position, event.user, event.event_id): event
        for shard, forwarded in out.forwarded.items()
        for number, position, event in forwarded.events
    }
    one, two = PSEUDONYMS.person("one"), PSEUDONYMS.person("two")
    assert set(found) == {
        (shard_of(one, 4), 13, pack_position(DPI, 7, 3), one, identity_of("3")),
        (shard_of(two, 4), 14, pack_position(DPI, 7, 4), two, identity_of("4")),
    }
    assert all(isinstance(event, AppUse) for event in found.values())
    assert sorted((link.identifier, link.person) for link in out.links) == sorted(
        [(PSEUDONYMS.identifier("imsi"), one), (PSEUDONYMS.identifier("msisdn"), two)]
    )
    assert out.history.links == out.links
    counts = counts_in(engine)
    # what is passed on is counted as folded or rejected by the people; here the links, the purchase and the repeat are
    assert (counts.events_in, counts.folded, counts.duplicates, counts.rejected) == (6, 3, 1, {})
    assert [user for user, _ in out.changed] == ["u"]


def test_the_first_link_hands_the_profile_over_and_takes_it_from_both_stores() -> None:
    engine = FakeEngine(NOW_MS)
    operator = operator_on(engine)
    # as a feed of linked identifiers whose purpose needs no consent would: the household's own id is linked
    who = PSEUDONYMS.identifier("imsi")
    process(operator, engine, [bought(who, 1), bought(who, 2, T0_MS + 1)], [1, 2])
    before = profiles_in(engine)[who]
    out = process(operator, engine, [bought(who, 3), linked("imsi", 1, "ref")], [3, 4])
    person = PSEUDONYMS.person("ref")
    [(shard, forwarded)] = out.forwarded.items()
    [partial] = forwarded.partials
    assert shard == shard_of(person, Settings().shards)
    assert (partial.number, partial.identifier, partial.person) == (4, who, person)
    handed = state.decode(partial.profile)
    assert (handed.n, handed.first_event_ms, handed.last_event_ms) == (3, T0_MS, T0_MS + 1)
    assert handed.groups.keys() == before.groups.keys()
    assert (handed.seen, handed.links, handed.cleaning) == ({}, [], None)
    left = profiles_in(engine)[who]
    assert (left.n, left.groups, left.consents, left.memory) == (0, {}, {}, None)
    assert left.links == [(T0_MS, person)]
    assert {number for ids in left.seen.values() for number in ids} > {
        number for ids in before.seen.values() for number in ids
    }
    assert out.removals == [Removal("move", who, to=person)]
    # what becomes of its history is for the person's profile to say, which knows of an erasure
    assert out.history.removals == []
    assert [event[1] for event in out.history.events] == [who]
    assert out.changed == []
    assert counts_in(engine).users == 0


def test_without_keys_an_operator_of_linked_feeds_does_not_start_and_one_of_others_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LIVETAGS_PSEUDONYM_KEYS")
    monkeypatch.setenv("LIVETAGS_DATA_DIR", str(tmp_path))
    engine = FakeEngine(NOW_MS)
    with pytest.raises(KeysError, match="no pseudonym keys"):
        operator_on(engine)
    households = Run("run-2", RUN.inputs[:2], bounded=True)
    keys, values, positions = zip(bought("900", 1), strict=True)
    batch = Row(SHARD, list(keys), list(values), list(positions), [1])
    out = emitted(list(operator_on(engine, households).process_element(batch, engine)), lane=SHARD % 3)
    assert [user for user, _ in out.changed] == ["900"]


def test_no_key_is_part_of_the_operator_that_travels() -> None:
    shipped = pickle.dumps(DoorOperator(settings_of().public(), RUN))
    for secret in (KEYS.keys[KEYS.active], KEYS.person_key):
        assert secret.encode() not in shipped


def test_while_a_key_rotates_what_is_known_under_the_previous_one_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine(NOW_MS)
    process(operator_on(engine), engine, [linked("imsi", 1, "ref"), used("imsi", 2)])
    keys = rotated(KEYS)
    monkeypatch.setenv("LIVETAGS_PSEUDONYM_KEYS", keys.to_json())
    out = process(operator_on(engine), engine, [used("imsi", 2), used("imsi", 3), used("other", 4)])
    now, before = KeyedPseudonyms(keys).identifier("imsi"), PSEUDONYMS.identifier("imsi")
    person = PSEUDONYMS.person("ref")
    assert now != before
    assert KeyedPseudonyms(keys).person("ref") == person
    assert profiles_in(engine)[now].links == [(T0_MS, person)]
    assert before not in engine.states["profiles"].held
    assert [event.user for forwarded in out.forwarded.values() for *_, event in forwarded.events] == [person]
    counts = counts_in(engine)
    assert (counts.duplicates, counts.state_bytes) == (1, sum(map(len, engine.states["profiles"].held.values())))


def test_a_record_that_says_nothing_new_leaves_the_state_as_it_is() -> None:
    engine = FakeEngine(NOW_MS)
    operator = operator_on(engine)
    process(operator, engine, [bought("u1", 1)])
    before = dict(engine.states["profiles"].held)
    engine.now_ms += 5_000
    out = process(operator, engine, [bought("u1", 1), bought("u1", 2, 0), bought("u2", 1, NOW_MS + DAY_MS)])
    assert engine.states["profiles"].held == before
    assert out.changed == []
    assert out.history.counts is not None
    assert (out.history.counts.duplicates, sum(out.history.counts.rejected.values())) == (1, 2)


def test_who_was_erased_while_no_job_ran_is_gone_from_state_and_totals() -> None:
    engine = FakeEngine(NOW_MS)
    process(operator_on(engine), engine, [bought("u1", 1), bought("u2", 1)])
    run = Run("run-2", RUN.inputs, bounded=True, erased={"u1": T0_MS})
    out = process(operator_on(engine, run), engine, [bought("u1", 1), bought("u1", 2)])
    assert [(x.reason, x.user) for x in out.history.dead_letters] == [("erased", "")] * 2
    left = profiles_in(engine)["u1"]
    assert left == state.Profile(1, seen=left.seen, dedup_floor=left.dedup_floor, erased_ms=T0_MS)
    counts = counts_in(engine)
    assert (counts.users, counts.state_bytes) == (1, sum(map(len, engine.states["profiles"].held.values())))
    again = process(operator_on(engine, run), engine, [bought("u1", 3, T0_MS + 1)])
    assert [(user, p.generation, p.n) for user, p in again.changed] == [("u1", 1, 1)]
    assert counts_in(engine).users == 2
