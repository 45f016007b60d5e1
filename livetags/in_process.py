"""The job without an engine: the same two stages, over files, in this process. For assessments and tests, not for work.

One shard, windows of records as in a replay, so every profile is the one the job would make.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from livetags.inputs import Input
from schemas import state
from schemas.dictionaries import Dictionaries
from schemas.outputs import Alarm, DeadLetter, FleetAlarm, HistoryBatch, HotBatch, Rebuilt, ShardCounts, Trigger
from schemas.position import pack_position
from schemas.pseudonyms import Pseudonyms
from schemas.run import Run
from schemas.settings import Settings
from sources.replay import in_step
from udfs.privacy.pseudonym import KeyedPseudonyms
from udfs.stages.door import Door, Record
from udfs.stages.people import People
from udfs.stages.rebuilds import apply_rebuilds, tell_shifts
from udfs.stages.user_states import UserStates
from udfs.tags import GROUPS
from udfs.triggers.evaluate import Triggers
from udfs.triggers.rule_set import RuleSet
from udfs.triggers.watermarks import REPLAYED

OnBatch = Callable[[HotBatch, HistoryBatch], None]


class MemoryBlobs(dict[str, bytes]):
    """Encoded profiles in a dictionary."""

    def put_all(self, blobs: dict[str, bytes]) -> None:
        """Keep the blobs."""
        self.update(blobs)

    def remove(self, key: str) -> None:
        """Drop the blob."""
        del self[key]


@dataclass
class Replayed:
    """What a replay leaves.

    Attributes
    ----------
    identifiers, people
        Encoded state of the door and of the people.
    door, profiles
        Totals of the two stages; together they balance.
    dead_letters
        Every one, those of erased persons included.
    duplicates
        Positions of the repeats.
    alarms, fleet_alarms
        Every change of behaviour noticed, of a person and of everybody.
    triggers
        Everything that the rules have fired, shadow ones too.
    seconds
        How long it took.
    """

    identifiers: MemoryBlobs = field(default_factory=MemoryBlobs)
    people: MemoryBlobs = field(default_factory=MemoryBlobs)
    door: ShardCounts = field(default_factory=lambda: ShardCounts(0))
    profiles: ShardCounts = field(default_factory=lambda: ShardCounts(1))
    dead_letters: list[DeadLetter] = field(default_factory=list)
    duplicates: list[int] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    fleet_alarms: list[FleetAlarm] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    seconds: float = 0.0

    def profile(self, user: str) -> state.Profile | None:
        """A person's profile, or that of an identifier nobody is linked to."""
        blob = self.people.get(user) or self.identifiers.get(user)
        return state.decode(blob) if blob is not None else None


class InProcess:
    """The two stages over batches of records; `waiting` are the rebuilds of the newest batch's users."""

    def __init__(
        self,
        run: Run,
        inputs: list[Input],
        settings: Settings,
        pseudonyms: Pseudonyms,
        dictionaries: Dictionaries,
        on_batch: OnBatch | None = None,
        rule_set: RuleSet | None = None,
    ) -> None:
        self.rules = settings.rules(GROUPS, dictionaries)
        previous = pseudonyms.previous if isinstance(pseudonyms, KeyedPseudonyms) else lambda raw: None
        decoders = [source.feed.decode for source in inputs]
        self._door = Door(run, decoders, self.rules, pseudonyms, previous, settings.max_record_bytes, 1)
        triggers = Triggers(self.rules, rule_set, settings.trigger_grace_ms) if rule_set is not None else None
        self._people = People(run, self.rules, triggers)
        self._on_batch = on_batch
        self.result = Replayed()
        self._identifiers = UserStates(self.result.identifiers, 0, run.erased)
        self._persons = UserStates(self.result.people, 0, run.erased)
        self.waiting: dict[str, Alarm] = {}

    def batch(self, records: list[Record], now_ms: int) -> None:
        """Pass one window of records."""
        result = self.result
        passed = self._door.pass_batch(records, self._identifiers, result.door, now_ms)
        result.dead_letters += passed.history.dead_letters
        result.duplicates += passed.duplicates
        self._tell(passed.hot, passed.history, result.door)
        updated = self._people.update(list(passed.forwarded.values()), self._persons, result.profiles, now_ms)
        result.dead_letters += updated.history.dead_letters
        self._tell(updated.hot, updated.history, result.profiles)
        self.waiting = {alarm.user: alarm for alarm in (*passed.waiting, *updated.waiting)}

    def answer(self, answers: Sequence[Rebuilt], now_ms: int) -> None:
        """Apply what the history says for rebuilds that wait."""
        for states, counts in ((self._identifiers, self.result.door), (self._persons, self.result.profiles)):
            history = HistoryBatch()
            hot = apply_rebuilds(answers, states, counts, self.rules, now_ms, history)
            self._tell(hot, history, counts)

    def settle(self, now_ms: int) -> None:
        """Let everything happen that will by itself, however late: no more records come."""
        persons: dict[str, tuple[str, ...]] = dict.fromkeys(self.result.people, ())
        updated = self._people.wake(persons, self._persons, self.result.profiles, REPLAYED, now_ms)
        self._tell(updated.hot, updated.history, self.result.profiles)

    def _tell(self, hot: HotBatch, history: HistoryBatch, counts: ShardCounts) -> None:
        tell_shifts(counts, history)
        self.result.alarms += history.alarms
        self.result.fleet_alarms += history.fleet_alarms
        self.result.triggers += hot.triggers
        history.counts = counts
        if self._on_batch is not None:
            self._on_batch(hot, history)


def replay(
    inputs: list[Input],
    settings: Settings,
    pseudonyms: Pseudonyms,
    dictionaries: Dictionaries,
    now_ms: int,
    on_progress: Callable[[int], None] | None = None,
    on_batch: OnBatch | None = None,
    rule_set: RuleSet | None = None,
    settle: bool = False,
    erased: Mapping[str, int] | None = None,
) -> Replayed:
    """Replay files through both stages; with `rule_set`, see what its rules fire.

    With `settle` also what will happen by itself after the last record, as in a job that goes on. `erased` are persons
    whose past up to a time is not to come back.
    """
    run = Run("in-process", tuple(source.as_feed_input() for source in inputs), True, erased=dict(erased or {}))
    stages = InProcess(run, inputs, settings, pseudonyms, dictionaries, on_batch, rule_set)
    began = time.perf_counter()
    records = _records(inputs, settings.max_record_bytes)
    done = 0
    while window := list(islice(records, settings.replay_window_records)):
        stages.batch(window, now_ms)
        done += len(window)
        if on_progress is not None:
            on_progress(done)
    if settle:
        stages.settle(now_ms)
    stages.result.seconds = time.perf_counter() - began
    return stages.result


def _records(inputs: list[Input], max_record_bytes: int) -> Iterator[Record]:
    logs = [(source.feed, source.files) for source in inputs]
    for number, (feed, index, record, value) in enumerate(in_step(logs, max_record_bytes), 1):
        key = logs[feed][0].subscriber(value) if len(value) <= max_record_bytes else None
        yield key, value, pack_position(feed, index, record), number
