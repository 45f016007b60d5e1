"""The operators while profiles are rebuilt: what waits for the history, what its answers do, and what is counted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import pytest
from fakes import FakeEngine
from pyflink.common import Row

from jobs.operators import shard_operator
from jobs.operators.door import DoorOperator
from jobs.operators.profile import ProfileOperator
from jobs.operators.rebuild_reader import Key, Rows, key_of
from jobs.operators.shard_operator import HISTORY
from schemas import state
from schemas.events import AppUse, Consent, Event, Purchase, Rebuild, RightsRequest
from schemas.outputs import (
    Alarm,
    Forwarded,
    HistoryBatch,
    HotBatch,
    PastPiece,
    Rebuilt,
    ShardCounts,
    pack,
    pack_text,
    unpack_counts,
    unpack_history,
    unpack_hot,
)
from schemas.position import pack_position
from schemas.run import FeedInput, Run
from schemas.settings import Settings
from udfs.profile.decay import weight_at
from udfs.profile.fleet_guard import MIN_SUSPECTS
from udfs.profile.snapshot import snapshot
from udfs.tags import GROUPS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
T0_MS = 1_767_225_600_000  # 2026-01-01 UTC
NOW_MS = T0_MS + 60 * DAY_MS
SHARD, FIRST_SHARD = 5, 32
RUN = Run(
    "run-1",
    (FeedInput("dpi", "kafka", ("dpi-topic",)), FeedInput("household", "kafka", ("household-topic",), linked=False)),
    bounded=True,
)
JUMPY = {
    "dedup_horizon_hours": 100_000,
    "drift_alpha_per_year": 10,
    "drift_min_buckets": 4,
    "drift_min_days": 1,
    "drift_min_distance_bits": 0.01,
}
FACTOR = 2.0**-3

Passed = tuple[int, int, Event]  # number in the replay, position, event


class Emitted(NamedTuple):
    hot: list[HotBatch]
    history: HistoryBatch

    def profiles(self) -> list[list[tuple[str, state.Profile]]]:
        """What each hot batch shows, in the order in which it is written."""
        return [[(user, state.decode(blob)) for user, blob in batch.changed] for batch in self.hot]

    def statuses(self, user: str = "p1") -> list[str]:
        return [alarm.status for alarm in self.history.alarms if alarm.user == user]


class FakeRebuilds:
    """In the place of the reader: keeps what is asked, answers when told."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Alarm]] = []
        self.answers: list[Rebuilt] = []

    def ask(self, shard: int, alarm: Alarm) -> None:
        self.asked.append((shard, alarm))

    def take(self, shard: int) -> list[Rebuilt]:
        answers, self.answers = self.answers, []
        return answers

    def close(self) -> None: ...


class Job:
    """One shard of the people, its restarts included."""

    def __init__(self, **changed: Any) -> None:
        self.changed = {**JUMPY, **changed}
        self.engine = FakeEngine(NOW_MS)
        self.told: list[AppUse] = []  # what one of them used, so far
        self.restart()

    def restart(self) -> None:
        """A new operator over the same state."""
        self.operator = ProfileOperator(Settings(**self.changed).public(), RUN, FIRST_SHARD)
        self.operator.open(self.engine.restarted())
        self.rebuilds = FakeRebuilds()
        self.operator.rebuilds = self.rebuilds  # type: ignore[assignment]

    def batch(self, *events: Passed) -> Emitted:
        row = Row(SHARD, [pack_text(Forwarded(list(events))).encode()])  # type: ignore[arg-type]
        self.told += [event for *_, event in events if isinstance(event, AppUse) and event.user == "p1"]
        return emitted(self.operator.process_element(row, self.engine))

    def profile(self, user: str = "p1") -> state.Profile:
        return state.decode(self.engine.states["profiles"].held[user])

    def counts(self) -> ShardCounts:
        return unpack_counts(self.engine.states["counts"].held)

    def pending(self, user: str = "p1") -> Alarm:
        drift = self.profile(user).drift
        assert drift is not None
        assert drift.pending is not None
        return drift.pending

    def settled(self, user: str = "p1") -> bool:
        drift = self.profile(user).drift
        return drift is None or drift.pending is None

    def counted(self, name: str) -> int:
        return self.engine.counters[name].count


def emitted(outputs: Iterable[Any]) -> Emitted:
    *others, (tag, row) = outputs
    assert tag is HISTORY
    hot = [unpack_hot(each) for each in others]
    return Emitted(hot, unpack_history(row[1].encode()))


def at(number: int, event: Event) -> Passed:
    return number, pack_position(0, 0, number), event


def use(number: int, day: float, category: str, person: str = "p1") -> Passed:
    time_ms = T0_MS + round(day * DAY_MS)
    return at(number, AppUse(person, number, time_ms, f"{category}.example", category, 0, 5_000_000))


def granted(person: str = "p1") -> list[Passed]:
    return [
        at(number, Consent(person, number, T0_MS, purpose, True, 1))
        for number, purpose in ((1, "profiling"), (2, "necessary"))
    ]


def withdrawn(number: int, day: float, purpose: str = "profiling") -> Passed:
    return at(number, Consent("p1", number, T0_MS + round(day * DAY_MS), purpose, False, 1))


def erasure(number: int, day: float) -> Passed:
    return at(number, RightsRequest("p1", number, T0_MS + round(day * DAY_MS), "erase", "case"))


def by_hand(number: int, day: float, since_day: float) -> Passed:
    asked_ms, since_ms = (T0_MS + round(each * DAY_MS) for each in (day, since_day))
    return at(number, Rebuild("p1", number, asked_ms, since_ms))


def days(first: int, last: int, category: str, person: str = "p1", per_day: int = 4) -> list[Passed]:
    return [
        use(1_000 * day + hour + 10, day + hour / 24, category, person)
        for day in range(first, last)
        for hour in range(1, 24, 24 // per_day)
    ]


def drifted(**changed: Any) -> tuple[Job, Emitted]:
    """A job in which one person has just turned from music to games; what the batch with the alarm gave."""
    job = Job(**changed)
    job.batch(*granted(), *days(0, 8, "music"))
    assert job.rebuilds.asked == []
    for day in range(8, 20):
        out = job.batch(*days(day, day + 1, "games"))
        if out.history.alarms:
            assert out.statuses() == ["provisional"]
            return job, out
    raise AssertionError("no alarm")


def answer_to(job: Job, alarm: Alarm) -> Rebuilt:
    """What a history that holds all it was told says."""
    rows: list[PastPiece] = []
    for number, event in enumerate(job.told, 3):
        if number <= alarm.seq and event.event_time_ms >= alarm.since_ms:
            for group, tag, value in (
                ("app", event.app, 1.0),
                ("content", event.category, 1.0),
                ("flow_mb", "all", 5.0),
            ):
                rows.append((group, tag, event.event_time_ms, value, 1.0))
    assert rows
    return Rebuilt(alarm, rows)


def named(alarm: Alarm) -> set[str]:
    """The tags it names; "other" is none."""
    return {tag for tag, *_ in (*alarm.rose, *alarm.fell)} - {"other"}


def weights(profile: state.Profile) -> dict[str, float]:
    group = profile.groups["content"]
    return {
        tag: weight_at(cell[0], profile.last_event_ms, group.half_life_ms, group.landmark)
        for tag, cell in group.cells.items()
    }


def weighed(job: Job, alarm: Alarm, refined: bool) -> dict[str, float]:
    """By the rule, event by event; two decisions came before them."""
    at_ms = max(event.event_time_ms for event in job.told)
    found: dict[str, float] = {}
    for number, event in enumerate(job.told, 3):
        lost = number <= alarm.seq and not (refined and event.event_time_ms >= alarm.since_ms)
        weight = 2.0 ** (-(at_ms - event.event_time_ms) / (7 * DAY_MS)) * (FACTOR if lost else 1.0)
        found[event.category] = found.get(event.category, 0.0) + weight
    return found


def test_an_alarm_down_weights_at_once_and_its_rebuild_is_asked_for() -> None:
    job, out = drifted()
    [alarm] = out.history.alarms
    assert (alarm.user, alarm.kind, alarm.generation, alarm.factor) == ("p1", "shares", 1, FACTOR)
    assert (alarm.rose[0][0], alarm.fell[0][0]) == ("content:games", "content:music")
    assert job.rebuilds.asked == [(FIRST_SHARD + SHARD, alarm)]
    assert job.pending() == alarm
    [[(user, shown)]] = out.profiles()
    assert (user, shown.generation) == ("p1", 1)
    assert snapshot("p1", shown, Settings(**JUMPY).rules(GROUPS)).reason.startswith("games ")
    assert weights(shown) == pytest.approx(weighed(job, alarm, False), rel=1e-9)


def test_answers_are_applied_before_the_batchs_own_events_and_each_state_is_shown_once() -> None:
    job, _ = drifted()
    alarm, before = job.pending(), job.profile()
    job.rebuilds.answers = [answer_to(job, alarm)]
    at_once = weighed(job, alarm, True)
    out = job.batch(use(90_000, 30, "news"))
    # first what the answer made of the profile as it was, then the batch's own event in it; the version never falls
    [[(_, refined)], [(_, after)]] = out.profiles()
    assert (refined.generation, refined.n) == (1, before.n)
    assert (after.generation, after.n) == (1, before.n + 1)
    assert weights(refined) == pytest.approx(at_once, rel=1e-9)
    assert weights(after) == pytest.approx(weighed(job, alarm, True), rel=1e-9)
    assert after.groups == job.profile().groups
    assert out.statuses() == ["refined"]
    assert job.settled()
    # and that was all: nobody waits, and nothing is shown again
    assert [asked for _, asked in job.rebuilds.asked] == [alarm]
    again = job.batch(use(90_001, 30, "news", "p2"))
    assert (again.hot, again.history.alarms) == ([], [])


def test_an_answer_reaches_its_profile_without_any_event_of_its_person() -> None:
    job, _ = drifted()
    alarm = job.pending()
    job.rebuilds.answers = [answer_to(job, alarm)]
    out = job.batch(*granted("p2"))
    assert [[user for user, _ in each] for each in out.profiles()] == [["p1"], ["p2"]]
    assert out.statuses() == ["refined"]
    assert job.counts().state_bytes == sum(map(len, job.engine.states["profiles"].held.values()))


def test_no_answer_in_time_leaves_what_was_done_at_once_and_says_so() -> None:
    job, _ = drifted()
    alarm, before = job.pending(), weights(job.profile())
    job.rebuilds.answers = [Rebuilt(alarm, None)]
    out = job.batch(use(90_000, 30, "news"))
    assert out.statuses() == ["timed_out"]
    [[(_, as_it_was)], [(_, after)]] = out.profiles()
    assert weights(as_it_was) == before
    assert weights(after) == pytest.approx(weighed(job, alarm, False), rel=1e-9)
    assert job.settled()
    assert [asked for _, asked in job.rebuilds.asked] == [alarm]


def test_a_rebuild_that_waits_is_asked_for_again_after_a_restart_by_its_persons_next_event() -> None:
    job, _ = drifted()
    alarm = job.pending()
    job.restart()
    job.batch(use(90_000, 30, "news", "p2"))
    assert job.rebuilds.asked == []
    out = job.batch(use(90_001, 20, "games"))
    assert out.history.alarms == []
    assert job.rebuilds.asked == [(FIRST_SHARD + SHARD, alarm)]
    job.rebuilds.answers = [answer_to(job, alarm)]
    assert job.batch(use(90_002, 20, "games")).statuses() == ["refined"]
    assert job.profile().generation == 1


def test_an_event_of_theirs_that_is_refused_asks_again_too() -> None:
    job, _ = drifted()
    alarm = job.pending()
    job.restart()
    out = job.batch(at(90_000, Purchase("p1", 90_000, T0_MS, "tea", 1.0, 1e300)))
    assert [letter.reason for letter in out.history.dead_letters] == ["value_not_finite"]
    assert out.hot == []
    assert [asked for _, asked in job.rebuilds.asked] == [alarm]


def test_an_answer_for_an_older_generation_changes_nothing() -> None:
    """A rebuild by hand has taken the place of the one that waited."""
    job, _ = drifted()
    alarm = job.pending()
    answer = answer_to(job, alarm)
    hand = job.batch(by_hand(90_000, 30, 29)).history.alarms
    assert [(each.kind, each.generation, each.status) for each in hand] == [("by_hand", 2, "provisional")]
    assert [asked for _, asked in job.rebuilds.asked] == [alarm, *hand]
    before = dict(job.engine.states["profiles"].held)
    job.rebuilds.answers = [answer, Rebuilt(alarm, None)]
    out = job.batch(*granted("p2"))
    assert [user for each in out.profiles() for user, _ in each] == ["p2"]
    assert out.history.alarms == []
    assert job.engine.states["profiles"].held["p1"] == before["p1"]
    # the one that waits is still answered
    job.rebuilds.answers = [Rebuilt(hand[0], [])]
    assert job.batch(*granted("p3")).statuses() == ["refined"]


def test_an_answer_after_an_erasure_brings_nothing_back() -> None:
    job, _ = drifted()
    alarm = job.pending()
    job.batch(erasure(90_000, 30))
    erased = job.engine.states["profiles"].held["p1"]
    job.rebuilds.answers = [answer_to(job, alarm)]
    out = job.batch(*granted("p2"))
    assert out.history.alarms == []
    assert job.engine.states["profiles"].held["p1"] == erased


def test_an_answer_after_a_withdrawal_brings_nothing_back() -> None:
    job, _ = drifted()
    alarm = job.pending()
    job.batch(withdrawn(90_000, 30))
    left = job.engine.states["profiles"].held["p1"]
    job.rebuilds.answers = [answer_to(job, alarm)]
    out = job.batch(*granted("p2"))
    assert out.history.alarms == []
    assert job.engine.states["profiles"].held["p1"] == left


def test_a_withdrawal_leaves_no_name_of_a_tag_in_state_hot_profile_or_history() -> None:
    job, _ = drifted()
    out = job.batch(*days(20, 21, "games"), withdrawn(90_000, 21))
    rules = Settings(**JUMPY).rules(GROUPS)
    [[(_, shown)]] = out.profiles()
    hot = snapshot("p1", shown, rules)
    assert (hot.reason, hot.changed_ms) == ("", 0)
    for held in (repr(hot), repr(shown), repr(job.profile())):
        assert "games" not in held
        assert "music" not in held
    assert "games" not in repr([evidence for *_, evidence, _ in out.history.events] + out.history.alarms)
    [removal] = out.history.removals
    assert removal.kind == "forget"
    assert {"content", "app", "flow_mb"} <= set(removal.groups)
    # what was already written is the sink's to rename (tests/sinks/test_clickhouse_removal.py)
    assert job.settled()
    assert [asked for _, asked in job.rebuilds.asked] != []
    job.restart()
    job.batch(at(90_001, Consent("p1", 90_001, T0_MS + 22 * DAY_MS, "necessary", True, 1)))
    assert job.rebuilds.asked == []


def test_an_alarm_and_a_withdrawal_in_one_batch_leave_no_name_either() -> None:
    job = Job()
    out = job.batch(*granted(), *days(0, 8, "music"), *days(8, 20, "games"), withdrawn(90_000, 21))
    assert out.history.alarms
    for alarm in out.history.alarms:
        assert named(alarm) == set()
    assert "games" not in repr(job.profile())
    assert job.rebuilds.asked == []


def test_an_answer_and_a_withdrawal_in_one_batch_leave_no_name_in_the_history() -> None:
    job, _ = drifted()
    alarm = job.pending()
    job.rebuilds.answers = [answer_to(job, alarm)]
    out = job.batch(withdrawn(90_000, 30))
    assert [removal.kind for removal in out.history.removals] == ["forget"]
    # removals come before a batch's own rows, so nothing takes the names out of those afterwards
    assert out.statuses() == ["refined"]
    assert [named(each) for each in out.history.alarms] == [set()]


def test_an_answer_and_an_erasure_in_one_batch_leave_no_alarm_in_the_history() -> None:
    job, _ = drifted()
    alarm = job.pending()
    job.rebuilds.answers = [answer_to(job, alarm)]
    out = job.batch(erasure(90_000, 30))
    assert [removal.kind for removal in out.history.removals] == ["erase"]
    assert out.history.alarms == []


def test_consent_that_went_and_came_back_meanwhile_brings_nothing_back_either() -> None:
    """Consent that goes between question and answer: the evidence of that purpose is gone from the history by then."""
    job, _ = drifted()
    alarm = job.pending()
    job.batch(withdrawn(90_000, 30))
    job.batch(at(90_001, Consent("p1", 90_001, T0_MS + 31 * DAY_MS, "profiling", True, 1)))
    job.rebuilds.answers = [answer_to(job, alarm)]
    out = job.batch(use(90_002, 32, "news"))
    assert out.history.alarms == []
    assert job.profile().groups["content"].cells.keys() == {"news"}


def test_alarms_are_counted_once_each_and_not_again_when_refined() -> None:
    job, _ = drifted()
    assert job.counted("drift_alarms") == 1
    alarm = job.pending()
    job.rebuilds.answers = [Rebuilt(alarm, [])]
    job.batch(use(90_000, 30, "games"))
    assert job.counted("drift_alarms") == 1


def test_a_shift_of_everybody_reaches_the_history_and_is_counted() -> None:
    crowd = [f"p{number}" for number in range(40)]
    job = Job(drift_min_buckets=12, drift_alpha_per_year=0.02, drift_min_distance_bits=0.1)
    for person in crowd:
        job.batch(*granted(person))
    told_of: list[Any] = []
    calm = 24
    for day in range(calm + 12):
        category = "music" if day < calm else "games"
        out = job.batch(*(event for person in crowd for event in days(day, day + 1, category, person)))
        told_of += out.history.fleet_alarms
        assert day >= calm or told_of == []
    assert told_of
    first = told_of[0]
    assert first.shard == FIRST_SHARD + SHARD
    assert T0_MS + calm * DAY_MS < first.at_ms <= T0_MS + (calm + 12) * DAY_MS
    assert MIN_SUSPECTS <= first.suspects <= first.buckets
    assert job.counted("fleet_shifts") == len(told_of)
    assert job.counts().fleet.raised == []
    # an alarm of the operation, and no rebuilds of everybody
    assert sum(job.profile(person).generation for person in crowd) < len(crowd) // 4


class FailingHistory:
    """A ClickHouse that never answers."""

    questions = 0

    def __init__(self, *_: Any) -> None: ...

    def written(self, alarms: Sequence[Alarm]) -> set[Key]:
        FailingHistory.questions += 1
        raise OSError

    def recent(self, alarms: Sequence[Alarm]) -> dict[Key, Rows]:
        raise OSError

    def close(self) -> None: ...


class ReadyHistory(FailingHistory):
    """One that shows every alarm, and nothing since."""

    def written(self, alarms: Sequence[Alarm]) -> set[Key]:
        return {key_of(alarm) for alarm in alarms}

    def recent(self, alarms: Sequence[Alarm]) -> dict[Key, Rows]:
        return {key_of(alarm): () for alarm in alarms}


def with_reader(monkeypatch: pytest.MonkeyPatch, history: Callable[..., Any], **changed: Any) -> Job:
    """A job with a real reader over a history of ours."""
    monkeypatch.setattr(shard_operator, "history_of_alarms", history)
    job = Job(**changed)
    job.operator.open(job.engine.restarted())
    return job


def until(job: Job, what: Callable[[Emitted], bool], seconds: float = 10.0) -> tuple[Emitted, int]:
    """Events go on until something is emitted; returns that, and how many there were."""
    began = time.monotonic()
    number = 0
    while time.monotonic() - began < seconds:
        number += 1
        out = job.batch(use(100_000 + number, 30, "news", "p2"))
        assert job.counts().folded >= number
        if what(out):
            return out, number
        time.sleep(0.02)
    raise AssertionError("not in time")


def test_while_the_history_never_answers_events_flow_and_the_rebuild_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    FailingHistory.questions = 0
    job = with_reader(monkeypatch, FailingHistory, rebuild_timeout_s=1.2)
    job.batch(*granted(), *granted("p2"), *days(0, 8, "music"), *days(8, 20, "games"))
    alarm = job.pending()
    out, batches = until(job, lambda out: bool(out.history.alarms))
    assert out.statuses() == ["timed_out"]
    assert out.history.alarms[0].at_ms == alarm.at_ms
    assert batches > 10
    assert FailingHistory.questions > 1, "an outage is tried again"
    assert job.settled()
    assert job.profile().generation == alarm.generation
    job.operator.close()


def test_a_connection_that_fails_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def connect(*_: Any) -> ReadyHistory:
        made.append(1)
        if len(made) == 1:
            raise OSError
        return ReadyHistory()

    job = with_reader(monkeypatch, connect)
    job.batch(*granted(), *granted("p2"), *days(0, 8, "music"), *days(8, 20, "games"))
    out, _ = until(job, lambda out: bool(out.history.alarms))
    assert out.statuses() == ["refined"]
    assert len(made) == 2
    job.operator.close()


def test_a_door_of_households_watches_them_and_rebuilds_too() -> None:
    """Nobody is linked to a household, so its person is at the door."""
    engine = FakeEngine(NOW_MS)
    operator = DoorOperator(
        Settings(**JUMPY, max_record_bytes=1_000).public(), Run("run-1", RUN.inputs[1:], bounded=True)
    )
    operator.open(engine.restarted())
    rebuilds = FakeRebuilds()
    operator.rebuilds = rebuilds  # type: ignore[assignment]

    def batch(day: int, category: str) -> Emitted:
        lines = [
            {
                "household_id": "900",
                "basket_id": day * 100 + hour,
                "product_id": 1,
                "category": category,
                "quantity": 1,
                "sales_value": 2.5,
                "event_time_ms": T0_MS + day * DAY_MS + hour * HOUR_MS,
            }
            for hour in (1, 7, 13, 19)
        ]
        values = [json.dumps(line).encode() for line in lines]
        positions = [pack_position(0, 0, line["basket_id"]) for line in lines]
        return emitted(operator.process_element(Row(SHARD, [b"900"] * 4, values, positions, [0] * 4), engine))

    for day in range(8):
        assert batch(day, "tea").history.alarms == []
    while not (out := batch(day := day + 1, "beer")).history.alarms:
        assert day < 20
    [alarm] = out.history.alarms
    assert rebuilds.asked == [(SHARD, alarm)]
    rebuilds.answers = [Rebuilt(alarm, [])]
    again = batch(day + 1, "beer")
    assert again.statuses("900") == ["refined"]
    assert [len(each.changed) for each in again.hot] == [1, 1]
    assert pack(unpack_counts(engine.states["counts"].held)) == pack(again.history.counts)
