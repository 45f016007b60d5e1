"""The reader of rebuilds against a history that is made up: who is answered, when, and what an outage does."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from threading import Event, Lock
from threading import enumerate as threads

import pytest

from jobs.operators import rebuild_reader
from jobs.operators.rebuild_reader import Key, RebuildReader, Rows, key_of
from schemas.outputs import Alarm, PastPiece, Rebuilt

WAIT_S = 5.0


class FakeHistory:
    """Shows the alarms written to it; `away` makes questions fail."""

    def __init__(self) -> None:
        self.shown: set[Key] = set()
        self.away = False
        self.no_connection = False
        self.connections = 0
        self.closed = 0
        self.asked: list[list[str]] = []
        self.looked: list[list[str]] = []
        self.answers: dict[str, list[PastPiece]] = {}
        self.lock = Lock()

    def connect(self) -> FakeHistory:
        self.connections += 1
        if self.no_connection:
            msg = "u1 can't be reached"
            raise OSError(msg)
        return self

    def written(self, alarms: Sequence[Alarm]) -> set[Key]:
        self.looked.append([alarm.user for alarm in alarms])
        if self.away:
            msg = "u1 can't be read"
            raise OSError(msg)
        return {key_of(alarm) for alarm in alarms} & self.shown

    def recent(self, alarms: Sequence[Alarm]) -> dict[Key, Rows]:
        self.asked.append([alarm.user for alarm in alarms])
        return {key_of(alarm): self.answers[alarm.user] for alarm in alarms if alarm.user in self.answers}

    def close(self) -> None:
        self.closed += 1


def alarm_of(user: str, evidence: float = 2.0, at_ms: int = 1_000) -> Alarm:
    return Alarm(user, "shares", at_ms, 500, 1, 9, evidence, 0.3)


@pytest.fixture
def history() -> FakeHistory:
    return FakeHistory()


Make = Callable[..., RebuildReader]


@pytest.fixture
def reader(history: FakeHistory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setattr(rebuild_reader, "POLL_S", 0.002)
    made: list[RebuildReader] = []

    def make(timeout_s: float = 30.0, per_s: float = 1e6) -> RebuildReader:
        made.append(RebuildReader(history.connect, timeout_s, per_s))
        return made[-1]

    yield make
    for each in made:
        each.close()


def until(said: Callable[[], object]) -> None:
    end_s = time.monotonic() + WAIT_S
    while not said():
        assert time.monotonic() < end_s, "nothing happened"
        time.sleep(0.001)


def taken(reader: RebuildReader, shard: int, count: int) -> list[Rebuilt]:
    found: list[Rebuilt] = []
    until(lambda: found.extend(reader.take(shard)) or len(found) >= count)
    assert len(found) == count
    return found


def readers() -> int:
    return sum(thread.name == "rebuild-reader" for thread in threads())


def test_an_alarm_is_answered_once_it_can_be_read(history: FakeHistory, reader: Make) -> None:
    mine, alarm = reader(), alarm_of("u")
    history.answers["u"] = [("content", "games", 700, 1.0, 1.0)]
    mine.ask(3, alarm)
    until(lambda: len(history.looked) > 3)
    assert mine.take(3) == []
    assert history.asked == []
    history.shown.add(key_of(alarm))
    [answer] = taken(mine, 3, 1)
    assert answer.alarm is alarm
    assert answer.rows == history.answers["u"]
    assert history.asked == [["u"]]


def test_each_shard_takes_its_own_and_each_answer_once(history: FakeHistory, reader: Make) -> None:
    mine = reader()
    alarms = [alarm_of(f"u{n}") for n in range(6)]
    history.shown = {key_of(alarm) for alarm in alarms}
    for n, alarm in enumerate(alarms):
        mine.ask(n % 2, alarm)
    assert {answer.alarm.user for answer in taken(mine, 0, 3)} == {"u0", "u2", "u4"}
    assert {answer.alarm.user for answer in taken(mine, 1, 3)} == {"u1", "u3", "u5"}
    assert mine.take(0) == mine.take(1) == mine.take(2) == []


def test_asking_again_while_it_is_under_way_or_answered_changes_nothing(history: FakeHistory, reader: Make) -> None:
    mine, alarm = reader(), alarm_of("u")
    for _ in range(5):
        mine.ask(1, alarm_of("u"))
    history.shown.add(key_of(alarm))
    until(lambda: history.asked)
    for _ in range(5):
        mine.ask(1, alarm_of("u"))
    [answer] = taken(mine, 1, 1)
    looked = len(history.looked)
    time.sleep(0.02)
    assert history.asked == [["u"]]
    assert len(history.looked) <= looked + 1, "with nothing to ask it rests"
    assert answer.rows == ()
    mine.ask(1, alarm_of("u"))
    taken(mine, 1, 1)
    assert history.asked == [["u"], ["u"]], "once taken it may be asked anew, as after a restart"


def test_a_newer_alarm_of_the_same_person_takes_the_place_of_one_that_waits(history: FakeHistory, reader: Make) -> None:
    mine, old, new = reader(), alarm_of("u"), alarm_of("u", at_ms=2_000)
    mine.ask(1, old)
    until(lambda: history.looked)
    mine.ask(1, new)
    history.shown = {key_of(old), key_of(new)}
    [answer] = taken(mine, 1, 1)
    assert answer.alarm is new


def test_an_answer_to_an_alarm_replaced_while_it_was_asked_about_is_no_answer(
    history: FakeHistory, reader: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, old, new = reader(), alarm_of("u"), alarm_of("u", at_ms=2_000)
    real = history.recent

    def recent(alarms: Sequence[Alarm]) -> dict[Key, Rows]:
        mine.ask(1, new)
        return real(alarms)

    monkeypatch.setattr(history, "recent", recent)
    history.shown = {key_of(old), key_of(new)}
    mine.ask(1, old)
    [answer] = taken(mine, 1, 1)
    assert answer.alarm is new
    assert history.asked == [["u"], ["u"]]


def test_the_surest_come_first_and_at_most_so_many_a_second(history: FakeHistory, reader: Make) -> None:
    mine = reader(per_s=2.0)
    alarms = [alarm_of(f"u{n}", evidence=float(n)) for n in (3, 1, 4, 2, 5)]
    mine.ask(1, alarm_of("waits", 9.0))
    until(lambda: history.looked)
    for alarm in alarms:
        mine.ask(1, alarm)
    history.shown = {key_of(alarm) for alarm in alarms}
    began_s = time.monotonic()
    answers = taken(mine, 1, 3)
    assert [answer.alarm.user for answer in answers] == ["u5", "u4", "u3"]
    assert history.asked[0] == ["u5", "u4"]
    assert time.monotonic() - began_s >= 0.4


@pytest.mark.parametrize(("per_s", "at_once"), [(0.9, 1), (1.0, 1), (3.5, 3), (40.0, 40), (1e6, 100)])
def test_at_first_a_second_s_worth_is_asked_about_and_always_one(
    history: FakeHistory, reader: Make, per_s: float, at_once: int
) -> None:
    mine = reader(per_s=per_s)
    alarms = [alarm_of(f"u{n}") for n in range(150)]
    mine.ask(1, alarm_of("waits"))
    until(lambda: history.looked)
    for alarm in alarms:
        mine.ask(1, alarm)
    until(lambda: len(history.looked[-1]) == 151)
    history.shown = {key_of(alarm) for alarm in alarms}
    until(lambda: history.asked)
    assert len(history.asked[0]) == at_once


def test_what_is_not_answered_in_time_is_given_up(history: FakeHistory, reader: Make) -> None:
    mine, alarm = reader(timeout_s=0.03), alarm_of("u")
    mine.ask(1, alarm)
    [answer] = taken(mine, 1, 1)
    assert (answer.alarm, answer.rows) == (alarm, None)
    history.shown.add(key_of(alarm))
    time.sleep(0.01)
    assert mine.take(1) == []
    assert history.asked == []


def test_an_outage_is_over_when_it_is_and_logged_once_without_a_name(
    history: FakeHistory, reader: Make, caplog: pytest.LogCaptureFixture
) -> None:
    history.no_connection = True
    mine, alarm = reader(), alarm_of("u1")
    history.shown.add(key_of(alarm))
    with caplog.at_level(logging.DEBUG):
        mine.ask(1, alarm)
        until(lambda: history.connections > 3)
        history.away, history.no_connection = True, False
        until(lambda: len(history.looked) > 3)
        history.away = False
        [answer] = taken(mine, 1, 1)
        assert answer.rows == ()
        [logged] = caplog.records
        assert logged.levelno == logging.WARNING
        assert "OSError" in caplog.text
        assert "u1" not in caplog.text
        history.away = True
        mine.ask(1, alarm_of("u1", at_ms=3_000))
        until(lambda: len(caplog.records) == 2)
        assert history.connections > 4, "after an outage there is a new connection"


def test_an_alarm_is_given_up_in_an_outage_too(history: FakeHistory, reader: Make) -> None:
    history.no_connection = True
    mine = reader(timeout_s=0.03)
    mine.ask(1, alarm_of("u"))
    [answer] = taken(mine, 1, 1)
    assert answer.rows is None


def test_an_answer_that_fails_half_way_is_asked_for_again(
    history: FakeHistory, reader: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Event()
    real = history.recent

    def recent(alarms: Sequence[Alarm]) -> dict[Key, Rows]:
        if not failing.is_set():
            failing.set()
            raise TimeoutError
        return real(alarms)

    monkeypatch.setattr(history, "recent", recent)
    mine, alarm = reader(), alarm_of("u")
    history.shown.add(key_of(alarm))
    mine.ask(1, alarm)
    assert taken(mine, 1, 1)[0].rows == ()
    assert failing.is_set()


def test_nothing_is_started_before_the_first_question_and_closing_ends_it(history: FakeHistory, reader: Make) -> None:
    before = readers()
    mine = reader()
    assert (readers(), history.connections) == (before, 0)
    mine.ask(1, alarm_of("u"))
    until(lambda: history.looked)
    assert readers() == before + 1
    mine.close()
    assert readers() == before
    assert history.closed == 1
    mine.close()
    reader().close()


def test_closing_while_it_rests_is_quick(history: FakeHistory, reader: Make) -> None:
    mine, alarm = reader(), alarm_of("u")
    history.shown.add(key_of(alarm))
    mine.ask(1, alarm)
    taken(mine, 1, 1)
    began_s = time.monotonic()
    mine.close()
    assert time.monotonic() - began_s < WAIT_S
    assert history.closed == 1


def test_a_new_question_wakes_it(history: FakeHistory, reader: Make) -> None:
    mine = reader()
    for n in range(3):
        alarm = alarm_of(f"u{n}")
        history.shown.add(key_of(alarm))
        mine.ask(1, alarm)
        taken(mine, 1, 1)
    assert history.connections == 1
