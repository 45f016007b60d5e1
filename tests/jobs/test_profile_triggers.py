"""Scene triggers through the profile operator: fired by events and by timers, exact through restarts."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fakes import FakeEngine
from pyflink.common import Row

from jobs.operators.profile import ProfileOperator
from jobs.operators.reloadable import RULES, UPDATES, Reloadable
from jobs.operators.shard_operator import HISTORY, SWEEP_INTERVAL_MS
from schemas.events import AppUse, Consent, Event, Order
from schemas.outputs import Forwarded, Trigger, pack_text, unpack_history, unpack_hot
from schemas.position import pack_position
from schemas.rule_log import KEPT_VERSIONS
from schemas.rule_update import RuleUpdate, pack_rules
from schemas.run import FeedInput, Run
from schemas.settings import Settings
from udfs.tags import GROUPS
from udfs.triggers.rule_set import RuleSet
from udfs.triggers.trigger_id import trigger_id

T0_MS = 1_767_225_600_000  # 2026-01-01 UTC
MINUTE_MS = 60_000
SHARD, FIRST_SHARD = 5, 32
INPUTS = (FeedInput("dpi", "kafka", ("dpi-topic",)), FeedInput("order", "kafka", ("order-topic",)))

PULSE = (
    '{"id": "video", "version": 1, "owner": "t", "purpose": "marketing", "scene": "opens video", "shape": "pulse",'
    ' "on": "app_use", "match": {"category": ["video"]}, "payload": {"offer": "pass"}}'
)
ABSENCE = (
    '{"id": "nothing", "version": 1, "owner": "t", "purpose": "marketing", "scene": "orders nothing",'
    ' "shape": "absence", "on": "app_use", "unless": {"on": "order"}, "within": "30m"}'
)


def operator_on(
    engine: FakeEngine, *rules: str, bounded: bool = False, folder: str = "", **more: Any
) -> ProfileOperator:
    run = Run("run-1", INPUTS, bounded, rule_updates=folder)
    operator = ProfileOperator(Settings(dedup_horizon_hours=100_000, **more).public(), run, FIRST_SHARD)
    operator.open(engine.restarted())
    if rules:
        operator.take_rules(RuleUpdate(1, rules))
    return operator


def passed(*events: Event) -> Row:
    entered = [(number, pack_position(0, 3, number), event) for number, event in enumerate(events, 1)]
    return Row(SHARD, [pack_text(Forwarded(entered)).encode()])


def process(operator: Any, engine: FakeEngine, *events: Event) -> list[Trigger]:
    *hot, (tag, row) = operator.process_element(passed(*events), engine)
    assert tag is HISTORY
    counts = unpack_history(row[1].encode()).counts
    assert counts is not None
    return [trigger for each in hot for trigger in unpack_hot(each).triggers]


def run_timers(operator: Any, engine: FakeEngine, until_ms: int) -> list[Trigger]:
    """Let time pass, and every timer fire at its time; returns what they send."""
    sent: list[Trigger] = []
    for _ in range(10_000):
        due_ms = min(engine.timers, default=until_ms + 1)
        if due_ms > until_ms:
            engine.now_ms = until_ms
            return sent
        engine.timers.discard(due_ms)
        engine.now_ms = max(engine.now_ms, due_ms)
        for each in operator.on_timer(due_ms, engine):
            if isinstance(each, bytes):
                sent += unpack_hot(each).triggers
    raise AssertionError("timers without end")


def _forwarded(feed: int, *events: Event) -> bytes:
    entered = [(number, pack_position(feed, 0, number), event) for number, event in enumerate(events, 1)]
    return pack_text(Forwarded(entered)).encode()


def use(event_id: int, at_ms: int, person: str = "p", category: str = "video") -> AppUse:
    return AppUse(person, event_id, at_ms, "v", category, 0, 1_000_000)


def granted(person: str = "p") -> list[Event]:
    purposes = ("necessary", "marketing", "profiling")
    return [Consent(person, 900 + n, T0_MS - 1, purpose, True, 1) for n, purpose in enumerate(purposes)]


def test_a_trigger_says_who_why_where_and_when() -> None:
    engine = FakeEngine(T0_MS + 77)
    [trigger] = process(operator_on(engine, PULSE), engine, *granted(), use(11, T0_MS))
    assert trigger == Trigger(
        trigger_id("p", "video", 1, f"{T0_MS}-b"),
        "p",
        "video",
        1,
        "opens video",
        "marketing",
        50,
        "pulse",
        f"{T0_MS}-b",
        T0_MS,
        T0_MS + 77,
        False,
        "dpi",
        "dpi-topic",
        3,
        4,
        11,
        {"category": "video"},
        {"offer": "pass"},
    )
    assert engine.counters["triggers"].count == 1


def test_a_timer_sends_what_happens_by_itself_at_its_instant() -> None:
    engine = FakeEngine(T0_MS + 500)
    operator = operator_on(engine, ABSENCE)
    assert process(operator, engine, *granted(), use(1, T0_MS)) == []
    due_ms = T0_MS + 30 * MINUTE_MS + 1_000  # with the grace
    assert run_timers(operator, engine, due_ms - 1) == []
    assert due_ms in engine.timers
    [trigger] = run_timers(operator, engine, due_ms)
    assert (trigger.cause, trigger.at_ms, trigger.decided_ms) == ("absence", T0_MS + 30 * MINUTE_MS, due_ms)
    assert (trigger.feed, trigger.event_id) == ("", 0)
    assert run_timers(operator, engine, due_ms + 60 * MINUTE_MS) == []
    assert engine.states["wakes"].held == {}


def test_a_restart_loses_nothing_and_decides_nothing_before_it_has_read_what_came_meanwhile() -> None:
    engine = FakeEngine(T0_MS)
    operator = operator_on(engine, ABSENCE)
    process(operator, engine, *granted("p"), *granted("q"), use(1, T0_MS, "p"), use(2, T0_MS, "q"))
    engine.timers.clear()
    engine.now_ms = T0_MS + 40 * MINUTE_MS
    operator = operator_on(engine, ABSENCE)  # another worker, over the same state
    # a batch for others sets the timers again; of the half hour that nobody was there nothing is known yet
    assert process(operator, engine, *granted("other")) == []
    assert run_timers(operator, engine, engine.now_ms + 50_000) == []
    # what one of them did meanwhile is read: an order, so it is not missing
    order = Order("p", 3, T0_MS + 10 * MINUTE_MS, "film", True, 9.0)
    [*hot, _] = operator.process_element(Row(SHARD, [_forwarded(1, order)]), engine)
    assert [trigger for each in hot for trigger in unpack_hot(each).triggers] == []
    # nothing more comes for a minute: that is believed
    [trigger] = run_timers(operator, engine, engine.now_ms + 2 * MINUTE_MS)
    assert (trigger.user, trigger.at_ms) == ("q", T0_MS + 30 * MINUTE_MS)
    assert engine.states["wakes"].held == {}


def test_a_feed_that_is_behind_is_waited_for() -> None:
    """Orders come an hour late: what is not ordered is known when they have come so far."""
    engine = FakeEngine(T0_MS)
    operator = operator_on(engine, ABSENCE)
    process(operator, engine, *granted(), use(1, T0_MS))
    for minute in range(0, 90):
        order = Order("other", 100 + minute, T0_MS + (minute - 60) * MINUTE_MS, "film", True, 9.0)
        engine.timers.clear()
        engine.now_ms = T0_MS + minute * MINUTE_MS
        list(operator.process_element(Row(SHARD, [_forwarded(1, order)]), engine))
        assert run_timers(operator, engine, T0_MS + minute * MINUTE_MS + 55_000) == []
    in_time = Order("other", 300, engine.now_ms - 500, "film", True, 9.0)
    list(operator.process_element(Row(SHARD, [_forwarded(1, in_time)]), engine))
    assert len(run_timers(operator, engine, engine.now_ms + 2_000)) == 1


def test_an_operator_that_stood_still_reads_on_before_it_decides() -> None:
    engine = FakeEngine(T0_MS)
    operator = operator_on(engine, ABSENCE)
    process(operator, engine, *granted(), use(1, T0_MS))
    due_ms = T0_MS + 30 * MINUTE_MS + 1_000
    assert run_timers(operator, engine, due_ms - 1) == []
    engine.now_ms = due_ms + 5 * MINUTE_MS  # the sinks were away; what came meanwhile waits behind the timer
    assert list(operator.on_timer(due_ms, engine)) == []
    order = Order("p", 3, T0_MS + 29 * MINUTE_MS, "film", True, 9.0)
    list(operator.process_element(Row(SHARD, [_forwarded(1, order)]), engine))
    assert run_timers(operator, engine, engine.now_ms + 5 * MINUTE_MS) == []


def test_a_timer_that_was_lost_is_registered_again_with_the_next_batch() -> None:
    engine = FakeEngine(T0_MS)
    operator = operator_on(engine, ABSENCE)
    process(operator, engine, *granted(), use(1, T0_MS))
    engine.timers.clear()
    process(operator, engine, *granted("other"))
    assert len(run_timers(operator, engine, T0_MS + 31 * MINUTE_MS)) == 1


def test_what_follows_in_time_stops_it_and_the_look_costs_nothing() -> None:
    engine = FakeEngine(T0_MS)
    operator = operator_on(engine, ABSENCE)
    process(operator, engine, *granted(), use(1, T0_MS))
    process(operator, engine, Order("p", 2, T0_MS + MINUTE_MS, "film", True, 9.0))
    assert run_timers(operator, engine, T0_MS + 31 * MINUTE_MS) == []


def test_a_replay_sets_no_timers_and_time_is_what_the_persons_events_say() -> None:
    engine = FakeEngine(T0_MS)
    operator = operator_on(engine, ABSENCE, bounded=True)
    process(operator, engine, *granted(), use(1, T0_MS))
    assert all(timer % SWEEP_INTERVAL_MS == 0 for timer in engine.timers)
    [trigger] = process(operator, engine, use(2, T0_MS + 60 * MINUTE_MS, category="news"))
    assert (trigger.cause, trigger.at_ms) == ("absence", T0_MS + 30 * MINUTE_MS)


def test_rules_of_the_folder_are_there_from_the_first_batch(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text(pack_rules(RuleUpdate(1, (PULSE,))) + "\n")
    engine = FakeEngine(T0_MS)
    operator = operator_on(engine, folder=tmp_path.as_uri())
    assert len(process(operator, engine, *granted(), use(1, T0_MS))) == 1


def test_what_can_not_be_used_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    engine = FakeEngine(T0_MS)
    operator = operator_on(engine, PULSE)
    operator.take_rules(RuleUpdate(2, (PULSE.replace('"version": 1', '"version": 2, "when": "bogus > 1"'), "{}")))
    assert "a document that is no rule" in caplog.text
    [trigger] = process(operator, engine, *granted(), use(1, T0_MS))
    assert trigger.version == 1
    assert "rule video version 2 is not used: when: unknown bogus" in caplog.text


class Broadcast(FakeEngine):
    """With broadcast state."""

    def get_broadcast_state(self, descriptor: Any) -> Any:
        assert descriptor is UPDATES
        return self.get_map_state(descriptor)


def test_rules_are_published_and_withdrawn_while_the_job_runs_and_survive_a_restart() -> None:
    engine = Broadcast(T0_MS)
    reloadable = Reloadable(operator_on(engine))
    reloadable.open(engine)
    assert process(reloadable, engine, *granted(), use(1, T0_MS)) == []
    began = time.perf_counter()
    assert list(reloadable.process_broadcast_element(Row(RULES, pack_rules(RuleUpdate(5, (PULSE,)))), engine)) == []
    assert len(process(reloadable, engine, use(2, T0_MS + 1))) == 1
    assert time.perf_counter() - began < 1.0
    again = Reloadable(operator_on(engine))
    again.open(engine)
    assert len(process(again, engine, use(3, T0_MS + 2))) == 1
    assert list(again.process_broadcast_element(Row(RULES, "damaged"), engine)) == []
    list(again.process_broadcast_element(Row(RULES, pack_rules(RuleUpdate(6, (), ("video",)))), engine))
    assert process(again, engine, use(4, T0_MS + 3)) == []


def test_timers_of_a_reloadable_send_triggers_but_nothing_to_a_side() -> None:
    engine = Broadcast(T0_MS)
    reloadable = Reloadable(operator_on(engine))
    reloadable.open(engine)
    list(reloadable.process_broadcast_element(Row(RULES, pack_rules(RuleUpdate(5, (ABSENCE,)))), engine))
    process(reloadable, engine, *granted(), use(1, T0_MS))
    engine.now_ms = T0_MS - T0_MS % SWEEP_INTERVAL_MS + SWEEP_INTERVAL_MS
    [packed] = reloadable.on_timer(engine.now_ms, engine)
    assert [trigger.rule for trigger in unpack_hot(packed).triggers] == ["nothing"]


def test_the_sweep_keeps_who_waits_for_something() -> None:
    long = ABSENCE.replace('"30m"', '"90d"')
    engine = FakeEngine(T0_MS)
    fleeting = {name: 0.001 for name, group in GROUPS.items() if group.kind != "fact"}
    operator = operator_on(engine, long, half_life_days=fleeting, hot_retention_days=1)
    process(operator, engine, *granted("gone"), use(9, T0_MS, "gone", "games"))
    list(operator.process_element(Row(SHARD, [_forwarded(1, Order("gone", 10, T0_MS + 1, "film", True, 9.0))]), engine))
    process(operator, engine, *granted("waits"), use(1, T0_MS, "waits"))
    day_ms = 24 * 60 * MINUTE_MS
    engine.timers.clear()
    for day in (40, 80):
        engine.now_ms = T0_MS + day * day_ms
        list(operator.on_timer(engine.now_ms, engine))
        assert list(engine.states["profiles"].held) == ["waits"]
    engine.timers = {T0_MS + 90 * day_ms - MINUTE_MS}
    [trigger] = run_timers(operator, engine, T0_MS + 90 * day_ms + MINUTE_MS)
    assert (trigger.user, trigger.at_ms) == ("waits", T0_MS + 90 * day_ms)
    engine.now_ms = T0_MS + 100 * day_ms
    list(operator.on_timer(engine.now_ms, engine))
    assert engine.states["profiles"].held == {}


def publish(reloadable: Reloadable, engine: FakeEngine, update: RuleUpdate) -> None:
    assert list(reloadable.process_broadcast_element(Row(RULES, pack_rules(update)), engine)) == []


def video(version: int, **fields: object) -> str:
    return json.dumps(json.loads(PULSE) | {"version": version} | fields)


def test_many_messages_are_put_in_force_once_and_with_the_next_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Broadcast(T0_MS)
    reloadable = Reloadable(operator_on(engine))
    reloadable.open(engine)
    process(reloadable, engine, *granted())
    changed: list[str] = []
    change = RuleSet.change
    monkeypatch.setattr(
        RuleSet, "change", lambda self, rule, older: changed.append(rule.id) or change(self, rule, older)
    )
    for n in range(200):
        publish(reloadable, engine, RuleUpdate(n + 1, (video(n + 1, id=f"video-{n % 20}"),)))
    assert changed == []
    assert len(process(reloadable, engine, use(1, T0_MS))) == 20
    assert sorted(changed) == sorted(f"video-{n}" for n in range(20))
    process(reloadable, engine, use(2, T0_MS + 1))
    assert len(changed) == 20


def test_what_is_kept_grows_with_the_rules_and_not_with_how_often_they_are_published() -> None:
    engine = Broadcast(T0_MS)
    reloadable = Reloadable(operator_on(engine))
    reloadable.open(engine)
    sizes = []
    for n in range(1, 101):
        publish(reloadable, engine, RuleUpdate(n, (video(n),)))
        sizes.append(sum(map(len, engine.states["dictionaries"].held.values())))
    assert len(engine.states["dictionaries"].held) == 1
    assert sizes[-1] < 1.1 * sizes[KEPT_VERSIONS + 1]
    publish(reloadable, engine, RuleUpdate(200, (), ("video",)))
    again = Reloadable(operator_on(engine))
    again.open(engine)
    assert process(again, engine, *granted(), use(1, T0_MS)) == [], "withdrawn"
    publish(again, engine, RuleUpdate(300, (video(100),)))
    [trigger] = process(again, engine, use(2, T0_MS + 1))
    assert trigger.version == 100


def test_rules_that_come_before_the_first_batch_after_a_restart_replace_nothing_that_was_kept() -> None:
    engine = Broadcast(T0_MS)
    reloadable = Reloadable(operator_on(engine))
    reloadable.open(engine)
    publish(reloadable, engine, RuleUpdate(5, (video(1), ABSENCE)))
    again = Reloadable(operator_on(engine))
    again.open(engine)
    publish(again, engine, RuleUpdate(6, (video(2),)))
    third = Reloadable(operator_on(engine))
    third.open(engine)
    assert [trigger.version for trigger in process(third, engine, *granted(), use(1, T0_MS))] == [2]
    fourth = Reloadable(operator_on(engine))
    fourth.open(engine)  # and what comes first is a timer
    assert [trigger.rule for trigger in run_timers(fourth, engine, T0_MS + 60 * MINUTE_MS)] == ["nothing"]


STAY = {
    "id": "stay",
    "version": 1,
    "owner": "t",
    "purpose": "marketing",
    "scene": "s",
    "shape": "level",
    "on": "app_use",
    "match": {"category": ["video"]},
}


def test_a_version_of_another_shape_leaves_an_open_episode_to_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """As a level it was in force for the person; as an absence it would have waited for what no version waits for."""
    engine = Broadcast(T0_MS)
    reloadable = Reloadable(operator_on(engine))
    reloadable.open(engine)
    publish(reloadable, engine, RuleUpdate(1, (json.dumps(STAY),)))
    assert len(process(reloadable, engine, *granted(), use(1, T0_MS))) == 1
    other = STAY | {"version": 2, "shape": "absence", "unless": {"on": "order"}, "within": "30m"}
    publish(reloadable, engine, RuleUpdate(2, (json.dumps(other),)))
    publish(reloadable, engine, RuleUpdate(3, (json.dumps(STAY | {"version": 3, "on": "order", "match": {}}),)))
    publish(reloadable, engine, RuleUpdate(4, (json.dumps(STAY | {"scene": "edited"}),)))
    assert "rule stay version 2 is refused: got shape: absence, expected shape: level as in version 1" in caplog.text
    assert "rule stay version 3 is refused: got on: order, expected on: app_use as in version 1" in caplog.text
    assert "rule stay version 1 is refused: version 1 is published with another content" in caplog.text
    news = use(2, T0_MS + MINUTE_MS, category="news")
    [again] = process(reloadable, engine, news, use(3, T0_MS + 2 * MINUTE_MS))
    assert (again.cause, again.version, again.scene) == ("enter", 1, "s")
    assert run_timers(reloadable, engine, T0_MS + 60 * MINUTE_MS) == []


def test_a_long_wait_beside_many_short_ones_is_one_entry_and_a_feed_that_is_behind_sets_one_timer_a_second() -> None:
    short = ABSENCE.replace('"nothing"', '"soon"').replace('"30m"', '"10m"')
    engine = FakeEngine(T0_MS)
    operator = operator_on(engine, ABSENCE.replace('"30m"', '"30d"'), short)
    process(operator, engine, *granted(), use(1, T0_MS))
    for hour in range(1, 49):
        engine.now_ms = T0_MS + hour * 60 * MINUTE_MS
        process(operator, engine, use(1 + hour, engine.now_ms))
        engine.timers = {engine.now_ms + 11 * MINUTE_MS}
        assert len(run_timers(operator, engine, engine.now_ms + 12 * MINUTE_MS)) == 1
    entries = [entry for packed in engine.states["wakes"].held.values() for entry in msgspec.msgpack.decode(packed)]
    assert len(entries) <= 2
    engine.timers.clear()
    late = Order("other", 999, engine.now_ms - 60 * MINUTE_MS, "film", True, 9.0)
    for number in range(50):
        engine.now_ms += 13
        late = Order("other", 1_000 + number, late.event_time_ms + 13, "film", True, 9.0)
        process(operator, engine, use(2_000 + number, engine.now_ms - 20 * MINUTE_MS))
        list(operator.process_element(Row(SHARD, [_forwarded(1, late)]), engine))
    assert len([timer for timer in engine.timers if timer < engine.now_ms + 2_000]) <= 2
