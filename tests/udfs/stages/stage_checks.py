"""Both stages over events given as they are, for tests."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy

from livetags.in_process import MemoryBlobs, Replayed
from schemas import state
from schemas.events import Event
from schemas.outputs import Forwarded, HistoryBatch, HotBatch
from schemas.position import pack_position
from schemas.pseudonyms import Pseudonyms
from schemas.reasons import Reason, Rejected
from schemas.rules import Rules
from schemas.run import FeedInput, Run
from schemas.settings import Settings
from udfs.stages.door import Door
from udfs.stages.people import People
from udfs.stages.user_states import UserStates
from udfs.tags import GROUPS

NOW_MS = 1_780_000_000_000
T0 = 1_767_225_600_000  # 2026-01-01 UTC
HOUR = 3_600_000
DAY = 24 * HOUR


class Stages:
    """A door with several shards of people behind it; feeds `dpi` and `consent` in the ledger, events as they come."""

    def __init__(self, shards: int = 3, erased: dict[str, int] | None = None, previous: dict[str, str] | None = None):
        inputs = (FeedInput("dpi", "kafka", ("dpi-topic",)), FeedInput("cdr", "kafka", ("cdr-topic",)))
        self.run = Run("r", inputs, True, erased=erased or {})
        self.rules: Rules = Settings().rules(GROUPS)
        self.events: dict[bytes, Event | None] = {}
        moved = previous or {}
        self.door = Door(
            self.run,
            [self._decode, self._decode],
            self.rules,
            _Unused(),
            (lambda raw: moved.get(raw, "")) if previous is not None else (lambda raw: None),
            1_000,
            shards,
        )
        self.people = People(self.run, self.rules)
        self.result = Replayed()
        self.identifiers = UserStates(self.result.identifiers, 10, self.run.erased)
        self.persons = UserStates(self.result.people, 10, self.run.erased)
        self.hot: list[HotBatch] = []
        self.history: list[HistoryBatch] = []
        self.forwarded: list[Forwarded] = []
        self._number = 0

    def _decode(self, key: bytes, value: bytes, pseudonyms: Pseudonyms) -> Event:
        event = self.events[value]
        if event is None:
            raise Rejected(Reason.MALFORMED)
        return copy(event)  # decoding makes a fresh one each time; the stages change it

    def batch(self, events: Iterable[Event | None]) -> None:
        """One window; None is a record that can't be decoded."""
        records = []
        for event in events:
            self._number += 1
            value = b"%d" % self._number
            self.events[value] = event
            key = event.user.encode() if event is not None else b"x"
            records.append((key, value, pack_position(0, 0, self._number), self._number))
        passed = self.door.pass_batch(records, self.identifiers, self.result.door, NOW_MS)
        self.forwarded = list(passed.forwarded.values())
        self._keep(passed.hot, passed.history)
        updated = self.people.update(self.forwarded, self.persons, self.result.profiles, NOW_MS)
        self._keep(updated.hot, updated.history)

    def _keep(self, hot: HotBatch, history: HistoryBatch) -> None:
        self.hot.append(hot)
        self.history.append(history)
        self.result.dead_letters += history.dead_letters

    def person(self, user: str) -> state.Profile:
        return state.decode(self.result.people[user])

    def identifier(self, user: str) -> state.Profile:
        return state.decode(self.result.identifiers[user])

    def removals(self) -> list[tuple[str, str, str]]:
        return [(r.kind, r.user, r.to) for history in self.history for r in history.removals]

    def rows(self) -> list[tuple[str, str]]:
        """(user, tag) of every row of history, after the removals are carried out."""
        rows: list[tuple[str, str]] = []
        for history in self.history:
            for removal in history.removals:
                if removal.kind == "move":
                    rows = [(removal.to if who == removal.user else who, tag) for who, tag in rows]
                elif removal.kind == "erase":
                    rows = [row for row in rows if row[0] != removal.user]
                else:
                    rows = [r for r in rows if r[0] != removal.user or r[1].partition(":")[0] not in removal.groups]
            rows += [(who, f"{g}:{t}") for _, who, _, _, evidence, _ in history.events for g, t, _ in evidence]
        return rows

    def balanced(self) -> bool:
        door, people = self.result.door, self.result.profiles
        return door.events_in == (
            door.folded + people.folded + door.duplicates + sum(door.rejected.values()) + sum(people.rejected.values())
        )


class _Unused:
    def identifier(self, raw: str) -> str:
        raise AssertionError(raw)

    def person(self, reference: str) -> str:
        raise AssertionError(reference)


__all__ = ["DAY", "HOUR", "NOW_MS", "T0", "MemoryBlobs", "Stages"]
