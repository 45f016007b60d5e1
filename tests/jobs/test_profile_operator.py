"""The profile operator, driven directly: the same people, however what the doors passed on is cut and handed in."""

from __future__ import annotations

from math import isclose
from typing import Any, NamedTuple

import pytest
from fakes import FakeEngine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyflink.common import Row

from jobs.operators.profile import ProfileOperator
from jobs.operators.shard_operator import HISTORY
from schemas import state
from schemas.events import AppUse, CardsOpened, Consent, Event, Order, RightsRequest
from schemas.outputs import (
    DamagedBatch,
    DeadLetter,
    Forwarded,
    HistoryBatch,
    Partial,
    Removal,
    ShardCounts,
    pack_text,
    unpack_counts,
    unpack_history,
    unpack_hot,
)
from schemas.person_memory import LifecycleMemory
from schemas.position import pack_position
from schemas.run import FeedInput, Run
from schemas.settings import Settings
from udfs.profile.advance import advance
from udfs.profile.decay import weight_at
from udfs.tags import GROUPS

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
T0_MS = 1_767_225_600_000  # 2026-01-01 UTC
NOW_MS = T0_MS + 2 * DAY_MS + 123
SHARD, FIRST_SHARD = 5, 32
RUN = Run("run-1", (FeedInput("dpi", "kafka", ("dpi-topic",)), FeedInput("order", "kafka", ("order-topic",))), True)

quick = settings(max_examples=60, deadline=None)

Passed = tuple[int, int, Event]  # number in the replay, position, event


class Emitted(NamedTuple):
    changed: list[tuple[str, state.Profile]]
    removals: list[Removal]
    history: HistoryBatch


def operator_on(engine: FakeEngine, run: Run = RUN, **changed: Any) -> ProfileOperator:
    values = {"history_writers": 3, "dedup_horizon_hours": 100_000, **changed}
    operator = ProfileOperator(Settings(**values).public(), run, FIRST_SHARD)
    operator.open(engine.restarted())
    return operator


def emitted(outputs: list[Any]) -> Emitted:
    *hot, (tag, row) = outputs
    assert tag is HISTORY
    assert row[0] == 0  # linked feeds go through one writer
    assert len(hot) <= 1
    batch = unpack_hot(hot[0]) if hot else None
    changed = [(user, state.decode(blob)) for user, blob in batch.changed] if batch else []
    return Emitted(changed, batch.removals if batch else [], unpack_history(row[1].encode()))


def process(operator: ProfileOperator, engine: FakeEngine, *batches: Forwarded) -> Emitted:
    packed = [pack_text(batch).encode() for batch in batches]
    return emitted(list(operator.process_element(Row(SHARD, packed), engine)))


def profiles_in(engine: FakeEngine) -> dict[str, state.Profile]:
    return {user: state.decode(blob) for user, blob in engine.states["profiles"].held.items()}


def counts_in(engine: FakeEngine) -> ShardCounts:
    return unpack_counts(engine.states["counts"].held)


def use(person: str, number: int, time_ms: int = T0_MS, category: str = "video") -> Passed:
    event = AppUse(person, number, time_ms, f"{category}.example", category, 0, 5_000_000)
    return number, pack_position(0, 0, number), event


def ordered(person: str, number: int, time_ms: int = T0_MS, product: str = "film") -> Passed:
    return number, pack_position(1, 0, number), Order(person, number, time_ms, product, True, 9.0)


def decided(person: str, number: int, granted: bool = True, purpose: str = "profiling", time_ms: int = T0_MS) -> Passed:
    return number, pack_position(0, 0, number), Consent(person, number, time_ms, purpose, granted, 1)


def asked(person: str, number: int, action: str = "erase", time_ms: int = T0_MS) -> Passed:
    return number, pack_position(0, 0, number), RightsRequest(person, number, time_ms, action, f"case-{number}")


def opened(person: str, number: int, time_ms: int = T0_MS) -> Passed:
    return number, -1, CardsOpened(person, number, time_ms, 3)


def partial_of(person: str, number: int, *events: Event, **held: Any) -> Partial:
    """A profile of an identifier nobody was linked to."""
    profile = state.Profile(consents={"necessary": (1, 1, 1), "profiling": (1, 1, 1)})
    rules = Settings(dedup_horizon_hours=100_000).rules(GROUPS)
    for event in events:
        advance(profile, event, rules, NOW_MS)
    for name in ("seen", "cleaning", "dedup_floor"):
        setattr(profile, name, getattr(state.Profile(), name))
    for name, value in held.items():
        setattr(profile, name, value)
    return Partial(number, f"i{number}", person, state.encode(profile))


GRANTED = [decided("p1", 1), decided("p1", 2, purpose="necessary")]

people = st.sampled_from(["p1", "p2", "p3"])
times = st.integers(0, 40).map(lambda hours: T0_MS + hours * HOUR_MS)
makers = st.one_of(
    st.tuples(st.just(use), people, times, st.sampled_from(["video", "news"])),
    st.tuples(st.just(ordered), people, times, st.sampled_from(["film", "music"])),
    st.tuples(
        st.just(decided),
        people,
        times,
        st.sampled_from([True, True, False]),
        st.sampled_from(["profiling", "necessary"]),
    ),
    st.tuples(st.just(asked), people, times, st.sampled_from(["erase", "export"])),
    st.tuples(st.just(opened), people, times),
    st.tuples(st.just(partial_of), people, times),
)


def made(number: int, maker: Any, person: str, time_ms: int, *more: Any) -> Passed | Partial:
    """One thing a door passes on, numbered as the replay numbers its record."""
    if maker is partial_of:
        return partial_of(
            person, number, use("i", 1_000 + number, time_ms)[2], ordered("i", 2_000 + number, time_ms)[2]
        )
    if maker is decided:
        return decided(person, number, more[0], more[1], time_ms)
    if maker is asked:
        return asked(person, number, more[0], time_ms)
    return maker(person, number, time_ms, *more)  # type: ignore[no-any-return]


logs = st.lists(makers, min_size=1, max_size=25).map(
    lambda plan: [made(number, *each) for number, each in enumerate(plan, 1)]
)


def forwarded(items: list[Passed | Partial]) -> Forwarded:
    return Forwarded(
        [item for item in items if not isinstance(item, Partial)],  # type: ignore[misc]
        [item for item in items if isinstance(item, Partial)],
    )


def assert_same_people(one: dict[str, state.Profile], other: dict[str, state.Profile], rel_tol: float = 0.0) -> None:
    assert one.keys() == other.keys()
    for user, mine in one.items():
        theirs = other[user]
        for name in ("generation", "n", "first_event_ms", "last_event_ms", "consents", "erased_ms", "links"):
            assert getattr(mine, name) == getattr(theirs, name), (user, name)
        assert mine.groups.keys() == theirs.groups.keys()
        for name, group in mine.groups.items():
            assert group.landmark == theirs.groups[name].landmark
            assert group.cells.keys() == theirs.groups[name].cells.keys()
            for tag, cell in group.cells.items():
                for number, same in zip(cell, theirs.groups[name].cells[tag], strict=True):
                    assert isclose(number, same, rel_tol=rel_tol, abs_tol=1e-9 if rel_tol else 0.0)


@quick
@given(logs, st.randoms(use_true_random=False), st.integers(1, 5))
def test_what_the_doors_passed_on_in_one_window_is_folded_in_the_order_of_the_replay_however_it_is_handed_in(
    log: list[Passed | Partial], random: Any, doors: int
) -> None:
    steady, other = FakeEngine(NOW_MS), FakeEngine(NOW_MS)
    first = process(operator_on(steady), steady, forwarded(log))
    by_door: list[list[Passed | Partial]] = [[] for _ in range(doors)]
    for item in log:
        by_door[random.randrange(doors)].append(item)
    for items in by_door:
        random.shuffle(items)
    random.shuffle(by_door)
    second = process(operator_on(other), other, *(forwarded(items) for items in by_door))
    assert_same_people(profiles_in(steady), profiles_in(other))
    assert counts_in(steady) == counts_in(other)
    assert first == second or sorted(map(repr, first.history.events)) == sorted(map(repr, second.history.events))
    assert sorted(map(repr, first.history.dead_letters)) == sorted(map(repr, second.history.dead_letters))


@quick
@given(logs, st.data())
def test_any_cut_into_batches_gives_the_same_people_and_totals(
    log: list[Passed | Partial], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=6)))
    one, many = FakeEngine(NOW_MS), FakeEngine(NOW_MS)
    process(operator_on(one), one, forwarded(log))
    operator = operator_on(many, cached_profiles=data.draw(st.sampled_from([0, 1, 50])))
    for start, end in zip([0, *cuts], [*cuts, len(log)], strict=True):
        if data.draw(st.booleans()):
            operator = operator_on(many)  # restarted over the same state
        process(operator, many, forwarded(log[start:end]))
    assert_same_people(profiles_in(one), profiles_in(many), rel_tol=1e-12)
    totals, again = counts_in(one), counts_in(many)
    totals.state_bytes = again.state_bytes = 0  # a float may be written shorter or longer
    assert totals == again


@quick
@given(logs, st.data())
def test_totals_are_exact_and_each_changed_person_is_emitted_once_with_the_whole_profile(
    log: list[Passed | Partial], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=4)))
    engine = FakeEngine(NOW_MS)
    operator = operator_on(engine)
    arrived = refused = 0
    for start, end in zip([0, *cuts], [*cuts, len(log)], strict=True):
        before = profiles_in(engine) if "profiles" in engine.states else {}
        out = process(operator, engine, forwarded(log[start:end]))
        arrived += sum(not isinstance(item, Partial) and item[1] >= 0 for item in log[start:end])
        counts = counts_in(engine)
        assert out.history.counts == counts
        assert counts.shard == FIRST_SHARD + SHARD
        # what came in is counted at the doors
        assert (counts.events_in, counts.duplicates) == (0, 0)
        assert counts.folded + sum(counts.rejected.values()) == arrived
        # each has a dead letter, but those of a person whom the same batch erases
        erased = {removal.user for removal in out.history.removals if removal.kind == "erase"}
        refused, before_refused = sum(counts.rejected.values()), refused
        assert len(out.history.dead_letters) <= refused - before_refused
        assert erased or len(out.history.dead_letters) == refused - before_refused
        profiles = profiles_in(engine)
        assert counts.users == sum(profile.n > 0 for profile in profiles.values())
        assert counts.state_bytes == sum(map(len, engine.states["profiles"].held.values()))
        assert len({user for user, _ in out.changed}) == len(out.changed)
        for user, profile in out.changed:
            assert profile == profiles[user]
            assert profile.last_write_ms == NOW_MS
        changed = {user for user, profile in profiles.items() if profile.n and profile != before.get(user)}
        assert changed <= {user for user, _ in out.changed}
    metrics = {name: counter.count for name, counter in engine.counters.items() if counter.count}
    expected = {"folded": counts.folded, "rejected": refused}
    assert metrics == {name: count for name, count in expected.items() if count}


def test_events_are_sorted_by_their_number_across_the_doors() -> None:
    engine = FakeEngine(NOW_MS)
    withdrawn = decided("p1", 4, granted=False, time_ms=T0_MS + 1)
    out = process(
        operator_on(engine),
        engine,
        Forwarded([use("p1", 5), withdrawn]),
        Forwarded([use("p1", 3), *GRANTED]),
    )
    # 3 was allowed, 4 withdrew, 5 came after
    assert [letter.offset for letter in out.history.dead_letters] == [5]
    assert out.history.dead_letters == [DeadLetter("dpi", "dpi-topic", 0, 5, "no_consent", "p1")]
    assert counts_in(engine).rejected == {"dpi/no_consent": 1}
    assert profiles_in(engine)["p1"].groups == {}
    assert [removal.kind for removal in out.history.removals] == ["forget"]
    assert [evidence for *_, evidence, _ in out.history.events if evidence] == []


def test_a_partial_profile_is_merged_before_later_events_of_its_person() -> None:
    engine = FakeEngine(NOW_MS)
    partial = partial_of("p1", 7, use("i", 1)[2], use("i", 2)[2])
    # consent came with the partial profile: the event of record 8 needs it, that of record 6 has not got it yet
    out = process(operator_on(engine), engine, Forwarded([use("p1", 8), use("p1", 6)], [partial]))
    assert [letter.offset for letter in out.history.dead_letters] == [6]
    [(user, profile)] = out.changed
    assert (user, profile.n) == ("p1", 3)
    group = profile.groups["content"]
    assert weight_at(group.cells["video"][0], T0_MS, group.half_life_ms, group.landmark) == pytest.approx(
        3.0, rel=1e-12
    )
    assert counts_in(engine).folded == 1  # the others were counted at the door


def test_a_partial_profile_of_before_the_erasure_is_not_taken() -> None:
    engine = FakeEngine(NOW_MS)
    partial = partial_of("p1", 3, use("i", 1)[2])
    out = process(operator_on(engine), engine, Forwarded([asked("p1", 2, time_ms=T0_MS + 1)], [partial]))
    assert profiles_in(engine)["p1"].n == 0
    assert [(removal.kind, removal.user) for removal in out.history.removals] == [("erase", "p1"), ("erase", "i3")]


def test_a_merge_forgets_what_the_newer_decision_of_either_denies_also_in_memory_and_in_the_batch() -> None:
    engine = FakeEngine(NOW_MS)
    memory = state.PersonMemory(lifecycle=LifecycleMemory(T0_MS, T0_MS, 1.0, 1.0))
    partial = partial_of(
        "p1", 4, ordered("i", 9)[2], consents={"necessary": (T0_MS + 1, 0, 1), "profiling": (1, 1, 1)}, memory=memory
    )
    batch = Forwarded([*GRANTED, ordered("p1", 3, product="music")], [partial])
    out = process(operator_on(engine), engine, batch)
    profile = profiles_in(engine)["p1"]
    assert profile.groups == {}
    assert profile.memory is not None
    assert profile.memory.lifecycle is None
    moved, removal = out.history.removals
    assert (moved.kind, moved.user, moved.to) == ("move", "i4", "p1")
    assert (removal.kind, removal.user, removal.groups) == ("forget", "p1", ("product",))
    assert [each for *_, evidence, _ in out.history.events for each in evidence] == []


def test_an_event_no_record_stands_for_is_not_counted_but_changes_its_person() -> None:
    engine = FakeEngine(NOW_MS)
    consents = [decided(person, n, purpose="necessary") for n, person in enumerate(["p1", "p2"], 1)]
    out = process(operator_on(engine), engine, Forwarded([*consents, opened("p1", 3), opened("p2", 3)]))
    assert sorted((user, profile.n) for user, profile in out.changed) == [("p1", 2), ("p2", 2)]
    told = [event for event in out.history.events if event[0] == "registration"]
    assert [(user, [tuple(each) for each in evidence]) for _, user, *_, evidence, _ in told] == [
        (user, [("many_cards", "all", 1.0)]) for user in ("p1", "p2")
    ]
    assert (counts_in(engine).folded, counts_in(engine).rejected) == (2, {})


def test_an_event_no_record_stands_for_that_is_refused_leaves_no_trace() -> None:
    engine = FakeEngine(NOW_MS)
    process(operator_on(engine), engine, Forwarded([*GRANTED, asked("p1", 3, time_ms=T0_MS + 5)]))
    before = dict(engine.states["profiles"].held)
    late = process(operator_on(engine), engine, Forwarded([opened("p1", 4), opened("p2", 4)]))
    assert (late.history.dead_letters, late.history.events, late.changed) == ([], [], [])
    assert engine.states["profiles"].held == before
    assert (counts_in(engine).folded, counts_in(engine).rejected) == (3, {})


def test_an_erasure_takes_what_its_batch_was_about_to_write_too() -> None:
    engine = FakeEngine(NOW_MS)
    batch = [*GRANTED, use("p1", 3), decided("p2", 4), use("p2", 5), use("p1", 6, category="news")]
    out = process(operator_on(engine), engine, Forwarded([*batch, asked("p1", 7, time_ms=T0_MS + 1)]))
    erased = Removal("erase", "p1", time_ms=T0_MS + 1)
    assert out.removals == out.history.removals == [erased]
    assert {event[1] for event in out.history.events} == {"p2"}
    assert [user for user, _ in out.changed] == ["p2"]
    assert profiles_in(engine)["p1"] == state.Profile(generation=1, last_write_ms=NOW_MS, erased_ms=T0_MS + 1)
    assert (counts_in(engine).folded, counts_in(engine).users) == (7, 1)


def test_a_copy_is_made_of_what_the_state_holds_at_that_moment() -> None:
    engine = FakeEngine(NOW_MS)
    batch = [*GRANTED, use("p1", 3), asked("p1", 4, "export"), use("p1", 5, category="news")]
    out = process(operator_on(engine), engine, Forwarded(batch))
    [export] = out.history.exports
    assert (export.request, export.user, export.part) == ("case-4", "p1", "state")
    assert "video" in export.document
    assert "news" not in export.document


def test_what_fades_is_swept_and_an_erasure_stays() -> None:
    engine = FakeEngine(T0_MS)
    fleeting = {"half_life_days": {"product": 0.001, "stage": 0.001, "churn": 0.001}, "hot_retention_days": 1}
    operator = operator_on(engine, **fleeting)
    batch = [decided("gone", 1, purpose="necessary"), ordered("gone", 2), asked("erased", 3), *GRANTED]
    process(operator, engine, Forwarded([*batch, use("p1", 4)]))
    assert engine.timers == {T0_MS + DAY_MS}
    out = emitted(list(operator.on_timer(T0_MS + 2 * DAY_MS, engine)))
    assert set(profiles_in(engine)) == {"gone", "erased", "p1"}
    out = emitted(list(operator.on_timer(T0_MS + 3 * DAY_MS, engine)))
    assert set(profiles_in(engine)) == {"erased", "p1"}
    assert out.history == HistoryBatch(counts=counts_in(engine))
    counts = counts_in(engine)
    assert (counts.users, counts.state_bytes) == (1, sum(map(len, engine.states["profiles"].held.values())))
    assert T0_MS + 4 * DAY_MS in engine.timers


def test_who_was_erased_while_no_job_ran_is_gone_from_state_and_totals() -> None:
    engine = FakeEngine(NOW_MS)
    process(operator_on(engine), engine, Forwarded([*GRANTED, use("p1", 3), decided("p2", 4)]))
    run = Run("run-2", RUN.inputs, True, erased={"p1": T0_MS + 1})
    out = process(operator_on(engine, run), engine, Forwarded([use("p1", 5)]))
    assert [(letter.reason, letter.user) for letter in out.history.dead_letters] == [("erased", "")]
    assert profiles_in(engine)["p1"] == state.Profile(generation=1, erased_ms=T0_MS + 1)
    counts = counts_in(engine)
    assert (counts.users, counts.state_bytes) == (1, sum(map(len, engine.states["profiles"].held.values())))


def test_an_operator_of_people_needs_no_keys() -> None:
    """It sees pseudonyms only."""
    engine = FakeEngine(NOW_MS)
    operator_on(engine, data_dir="/nowhere")


def test_a_damaged_profile_or_batch_stops_the_job_instead_of_starting_the_person_anew() -> None:
    engine = FakeEngine(NOW_MS)
    process(operator_on(engine), engine, Forwarded(GRANTED))
    engine.states["profiles"].held["p1"] = engine.states["profiles"].held["p1"][:-3]
    with pytest.raises(state.StateError, match="damaged"):
        process(operator_on(engine), engine, Forwarded([use("p1", 3)]))
    with pytest.raises(DamagedBatch):
        list(operator_on(engine).process_element(Row(SHARD, [b"secret"]), engine))


def test_a_timer_before_any_batch_does_nothing() -> None:
    engine = FakeEngine(T0_MS)
    assert list(operator_on(engine).on_timer(T0_MS, engine)) == []
