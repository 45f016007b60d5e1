"""The profile operator: a batch of one shard's people in, changed profiles, triggers and history out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

from jobs.operators.blob_state import BlobState
from jobs.operators.shard_operator import SWEEP_INTERVAL_MS, ShardOperator
from schemas.outputs import HistoryBatch, RuleDocument, ShardCounts, pack, unpack_forwarded
from schemas.rule_log import RuleLog
from schemas.rule_update import RuleUpdate
from schemas.settings import Settings
from schemas.state import Profile
from sources.rule_folder import local_path, read_rule_folder
from udfs.stages.feed_progress import FeedProgress
from udfs.stages.people import People, Updated
from udfs.stages.wakes import Wakes
from udfs.tags import GROUPS
from udfs.triggers.evaluate import Triggers, feeds_of
from udfs.triggers.rule_set import RuleSet
from udfs.triggers.watermarks import REPLAYED, Watermarks

_log = logging.getLogger(__name__)
_ALIVE_MS = 60_000  # a start takes the time since the last sign of life for time in which records may have been missed
_SAVE_EVERY_MS = 10_000
_LOOK_AGAIN_MS = 1_000
_SOON_MS = 20


class ProfileOperator(ShardOperator):
    """Input: ``Row(shard, [packed Forwarded ...])``: what the doors passed on in one window.

    In a job that runs for ever, a timer at the next instant at which something happens by itself: one per shard. In a
    replay time is what a person's own events say, so it gives the same triggers at any speed.
    """

    def open(self, runtime_context: RuntimeContext) -> None:
        """Get the state handles, and the rules there are."""
        settings = Settings.on_worker(self._public_settings)
        self._wake_blobs = BlobState(
            runtime_context.get_map_state(MapStateDescriptor("wakes", Types.STRING(), Types.PICKLED_BYTE_ARRAY())),
            thread_mode=settings.execution_mode == "thread",
        )
        self._wakes: dict[int, Wakes] = {}
        self._progress_state = runtime_context.get_state(
            ValueStateDescriptor("feed progress", Types.PICKLED_BYTE_ARRAY())
        )
        self._progress: FeedProgress | None = None
        self._progress_saved_ms: dict[int, int] = {}
        folder = local_path(self._run.rule_updates)
        self._rule_log = read_rule_folder(folder) if folder is not None else RuleLog()
        self._rule_set = RuleSet(settings.rules(GROUPS).groups)
        self._changed = dict.fromkeys((*self._rule_log.current(), *self._rule_log.retired))
        self._untold: list[RuleDocument] = []
        self._told: set[tuple[str, int]] = set()
        super().open(runtime_context)
        self._fired = runtime_context.get_metrics_group().counter("triggers")
        self._put_in_force()

    def prepare(self) -> None:
        """The people under the rules in force."""
        triggers = Triggers(self.rules, self._rule_set, self.settings.trigger_grace_ms)
        self._people = People(self._run, self.rules, triggers)

    def take_rules(self, update: RuleUpdate) -> tuple[str, ...]:
        """Work with these trigger rules from the next batch on; what can't be used is left out, and said.

        Returns the ids of the rules it is about. However many updates come between two batches, they are put in force
        at once.
        """
        for reason in self._rule_log.take(update):
            _log.error("%s; what is in force stays", reason)
        ids = tuple(dict.fromkeys((*self._rule_log.ids_in(update), *update.retired)))
        self._changed |= dict.fromkeys(ids)
        return ids

    def rules_to_keep(self, id_: str) -> tuple[RuleUpdate, ...]:
        """What has to be remembered of a rule to go on with it after a restart."""
        return self._rule_log.compact(id_)

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        """Fold one batch."""
        self._put_in_force()
        shard, packed = value
        now_ms = ctx.timer_service().current_processing_time()
        counts = self.counts_of(shard)
        before = msgspec.structs.replace(counts, rejected=dict(counts.rejected))
        answered = HistoryBatch()
        yield from self.rebuilt(counts, answered, now_ms)
        batches = [unpack_forwarded(each) for each in packed]
        watermarks = self._watermarks(counts, now_ms)
        updated = self._people.update(batches, self.states, counts, now_ms, answered.alarms, watermarks)
        self._fired.inc(len(updated.hot.triggers))
        if not self._run.bounded:
            self._progress_of(counts, now_ms).note(batches, now_ms)
        self._wake_later(updated, counts, ctx)
        updated.history.rules, self._untold = self._untold, []
        yield from self.emit(updated.hot, updated.history, updated.waiting, before, counts, ctx)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        """Drop what has faded, once a day, and send what happens by itself.

        What it sends goes to the main output alone: PyFlink 2.3 sends what a timer of a broadcast function emits to a
        side output to the main output as well.
        """
        self._put_in_force()
        if timestamp % SWEEP_INTERVAL_MS == 0:
            yield from super().on_timer(timestamp, ctx)
        counts = self.known_counts()
        if counts is None or self._run.bounded:
            return
        now_ms = ctx.timer_service().current_processing_time()
        self._progress_of(counts, now_ms).stood_still(now_ms - timestamp, now_ms)
        watermarks = self._watermarks(counts, now_ms)
        wakes = self._wakes_of(counts)
        persons: dict[str, list[str]] = {}
        for queue in wakes.queues():
            for person in wakes.take(queue, watermarks.of(feeds_of(queue))):
                persons.setdefault(person, []).append(queue)
        updated = self._people.wake(persons, self.states, counts, watermarks, now_ms)
        self._fired.inc(len(updated.hot.triggers))
        self._wake_later(updated, counts, ctx)
        self.keep_counts(counts)
        if updated.hot.triggers:
            yield pack(updated.hot)

    def still_waits(self, profile: Profile, now_ms: int) -> bool:
        """Whether a rule still waits for something."""
        return self._people.still_waits(profile, now_ms)

    def _wake_later(self, updated: Updated, counts: ShardCounts, ctx: Any) -> None:
        """Keep who is to be looked at when, and how far the feeds are; and set the timer.

        Of a feed that is behind nobody can say when it will have come: then the timer looks again soon.
        """
        timers = ctx.timer_service()
        now_ms = timers.current_processing_time()
        wakes = self._wakes_of(counts)
        wakes.note(updated.wakes)
        if self._run.bounded:
            return
        next_ms = now_ms - now_ms % _ALIVE_MS + _ALIVE_MS
        watermarks = self._watermarks(counts, now_ms)
        for queue in wakes.queues():
            due_ms, come_ms = wakes.next_ms(queue), watermarks.of(feeds_of(queue))
            look_again_ms = _LOOK_AGAIN_MS if now_ms - come_ms > _LOOK_AGAIN_MS else _SOON_MS
            # at whole steps, or every batch would begin a chain of timers of its own
            soon_ms = now_ms - now_ms % look_again_ms + look_again_ms
            next_ms = min(next_ms, max(due_ms, soon_ms))
        timers.register_processing_time_timer(next_ms)
        if now_ms - self._progress_saved_ms[counts.shard] >= _SAVE_EVERY_MS:
            self._progress_saved_ms[counts.shard] = now_ms
            self._progress_state.update(self._progress_of(counts, now_ms).save(now_ms))

    def _watermarks(self, counts: ShardCounts, now_ms: int) -> Watermarks:
        return REPLAYED if self._run.bounded else self._progress_of(counts, now_ms).watermarks(now_ms)

    def _progress_of(self, counts: ShardCounts, now_ms: int) -> FeedProgress:
        """Of all shards; the one whose turn it is may know something from before the last start."""
        if self._progress is None:
            self._progress = FeedProgress([source.feed for source in self._run.inputs], now_ms)
        if counts.shard not in self._progress_saved_ms:
            self._progress_saved_ms[counts.shard] = 0
            saved = self._progress_state.value()
            if saved is not None:
                self._progress.restore(saved, now_ms)
        return self._progress

    def _wakes_of(self, counts: ShardCounts) -> Wakes:
        """Of the shard whose turn it is: the state handle shows its entries alone."""
        wakes = self._wakes.get(counts.shard)
        if wakes is None:
            wakes = self._wakes[counts.shard] = Wakes(self._wake_blobs)
        return wakes

    def _put_in_force(self) -> None:
        """Use what the log has of rules that have changed.

        The history is told of every version, so that its triggers can be explained.
        """
        for id_ in self._changed:
            versions = self._rule_log.versions(id_)
            rule = self._rule_log.in_force(id_)
            if rule is None:
                self._rule_set.withdraw(id_)
                continue
            refused = self._rule_set.change(rule, versions.values())
            if refused is not None:
                _log.error("rule %s version %d is not used: %s", id_, rule.version, refused[1])
            for version, each in versions.items():
                if (id_, version) not in self._told:
                    self._told.add((id_, version))
                    document = json.dumps(each.document(), ensure_ascii=False)
                    self._untold.append(RuleDocument(id_, version, document))
        self._changed = {}
