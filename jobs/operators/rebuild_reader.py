"""Asks the history for rebuilds, beside the operator: nothing waits for it, and nothing is lost with it.

What is asked for is in the state as well (`DriftMemory.pending`), so after a restart it is asked for again with the
next event of its user. An alarm is answered once it can be read in the history, because then all evidence folded before
it can be too: both go through one writer, in this order. The surest alarms come first, at most so many a second, so
that a wave of alarms doesn't take ClickHouse from its other users.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Condition, Thread
from typing import NamedTuple, Protocol

from schemas.outputs import Alarm, PastPiece, Rebuilt

POLL_S = 0.5
_log = logging.getLogger(__name__)
_MOST_AT_ONCE = 100
_IDLE_S = 60.0

Key = tuple[str, str, int]
Rows = Sequence[PastPiece]


class History(Protocol):
    """What is asked of the history."""

    def written(self, alarms: Sequence[Alarm]) -> set[Key]:
        """Those of the alarms, by `key_of`, that can be read by now."""

    def recent(self, alarms: Sequence[Alarm]) -> dict[Key, Rows]:
        """Evidence folded before each alarm and from after its change; one alarm a user at most."""

    def close(self) -> None:
        """Let the connection go."""


def key_of(alarm: Alarm) -> Key:
    """What an alarm is known by."""
    return alarm.user, alarm.kind, alarm.at_ms


class _Asked(NamedTuple):
    shard: int
    alarm: Alarm
    until_s: float
    failures: int = 0


class RebuildReader:
    """One thread that asks, started with the first question.

    Parameters
    ----------
    connect
        Makes the connection, in the thread; whatever it or the history raises is an outage, and tried again.
    timeout_s
        An alarm not answered by then is given up: what was done at once stands.
    per_s
        Alarms asked about per second, at most.
    """

    def __init__(self, connect: Callable[[], History], timeout_s: float, per_s: float) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._per_s = per_s
        self._changed = Condition()
        self._asked: dict[str, _Asked] = {}  # by user: a newer alarm takes the place of one that waits
        self._answers: dict[int, list[Rebuilt]] = {}
        self._answered: set[Key] = set()
        self._thread: Thread | None = None
        self._closed = False

    def ask(self, shard: int, alarm: Alarm) -> None:
        """Ask for an alarm of a shard; asking again while it is under way changes nothing."""
        key = key_of(alarm)
        with self._changed:
            asked = self._asked.get(alarm.user)
            if key in self._answered or (asked is not None and key_of(asked.alarm) == key):
                return
            self._asked[alarm.user] = _Asked(shard, alarm, time.monotonic() + self._timeout_s)
            if self._thread is None:
                self._thread = Thread(target=self._work, name="rebuild-reader", daemon=True)
                self._thread.start()
            self._changed.notify()

    def take(self, shard: int) -> list[Rebuilt]:
        """What has been answered for the shard, surest alarm first; each answer is given once."""
        with self._changed:
            answers = self._answers.pop(shard, [])
            self._answered.difference_update(key_of(answer.alarm) for answer in answers)
        return answers

    def close(self) -> None:
        """Ask no more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=self._timeout_s)

    def _work(self) -> None:
        history: History | None = None
        away = False
        at_once = _MOST_AT_ONCE
        chosen: list[Alarm] = []
        tokens, refilled_s = self._per_s, time.monotonic()
        while True:
            with self._changed:
                while not self._asked and not self._closed:
                    self._changed.wait(_IDLE_S)
                if self._closed:
                    break
                waiting = sorted(self._asked.values(), key=lambda each: (each.failures, -each.alarm.evidence))
            now_s = time.monotonic()
            # a second's worth may have gathered, and one whole question always can
            tokens = min(tokens + (now_s - refilled_s) * self._per_s, max(self._per_s, 1.0))
            refilled_s = now_s
            given_up = [each for each in waiting if each.until_s < now_s]
            self._answer([Rebuilt(each.alarm, None) for each in given_up])
            alarms = [each.alarm for each in waiting if each.until_s >= now_s]
            chosen = []
            try:
                history = history or self._connect()
                readable = history.written(alarms) if alarms else set()
                chosen = [alarm for alarm in alarms if key_of(alarm) in readable][: min(int(tokens), at_once)]
                if chosen:
                    rows = history.recent(chosen)
                    tokens -= len(chosen)
                    self._answer([Rebuilt(alarm, rows.get(key_of(alarm), ())) for alarm in chosen])
                    at_once = min(2 * at_once, _MOST_AT_ONCE)
                away = False
            except Exception as error:  # the alarms wait until it is over, or they are given up
                if not away:
                    _log.warning("rebuilds wait: the history can't be asked (%s)", type(error).__name__)
                away = True
                # one that can't be answered must not take the others with it: fewer at a time, and those last
                at_once = max(len(chosen) // 2, 1) if chosen else at_once
                self._failed(chosen)
                if history is not None:  # the next try is on a connection of its own
                    with suppress(Exception):
                        history.close()
                    history = None
            with self._changed:
                if not self._closed:
                    self._changed.wait(POLL_S)
        if history is not None:
            with suppress(Exception):
                history.close()

    def _failed(self, alarms: Sequence[Alarm]) -> None:
        with self._changed:
            for alarm in alarms:
                asked = self._asked.get(alarm.user)
                if asked is not None and asked.alarm is alarm:
                    self._asked[alarm.user] = asked._replace(failures=asked.failures + 1)

    def _answer(self, answers: Sequence[Rebuilt]) -> None:
        with self._changed:
            for answer in answers:
                asked = self._asked.get(answer.alarm.user)
                if asked is not None and asked.alarm is answer.alarm:
                    del self._asked[answer.alarm.user]
                    self._answers.setdefault(asked.shard, []).append(answer)
                    self._answered.add(key_of(answer.alarm))
