"""What both keyed operators have in common: state of one shard, its totals, and the daily sweep."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, OutputTag, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

from jobs.operators.blob_state import BlobState
from jobs.operators.rebuild_history import history_of_alarms
from jobs.operators.rebuild_reader import RebuildReader
from schemas.dictionaries import Dictionaries
from schemas.outputs import Alarm, HistoryBatch, HotBatch, ShardCounts, pack, pack_text, unpack_counts
from schemas.rules import Rules
from schemas.run import Run
from schemas.settings import Settings
from schemas.state import Profile
from sources import FEEDS
from sources.dictionaries import load
from udfs.stages.rebuilds import apply_rebuilds, tell_shifts
from udfs.stages.user_states import UserStates
from udfs.tags import GROUPS

# (lane of the history writer, packed HistoryBatch)
HISTORY_TYPE = Types.ROW_NAMED(["lane", "packed"], [Types.INT(), Types.STRING()])
HISTORY = OutputTag("history", HISTORY_TYPE)
HOT_TYPE = Types.PICKLED_BYTE_ARRAY()  # packed HotBatch

_log = logging.getLogger(__name__)
_GC_THRESHOLDS = (200_000, 20, 100)
_SWITCH_INTERVAL_S = 0.002
SWEEP_INTERVAL_MS = 24 * 3_600_000
_COUNTED = ("events_in", "folded", "duplicates")
_METRICS = (*_COUNTED, "rejected", "drift_alarms", "fleet_shifts")


class ShardOperator(KeyedProcessFunction):  # type: ignore[misc]
    """Keyed by shard; state is one encoded profile per user and the shard's totals.

    Main output: packed hot batches. Side output `HISTORY`: evidence, dead letters, removals and totals of the batch.
    """

    def __init__(self, public_settings: str, run: Run, first_shard: int) -> None:
        self._public_settings = public_settings
        self._run = run
        self._first_shard = first_shard

    def open(self, runtime_context: RuntimeContext) -> None:
        """Get the state handles and resolve the settings."""
        settings = Settings.on_worker(self._public_settings)
        self.settings = settings
        # What the people decide of an identifier's rows must come after them, so both go through one writer.
        linked = any(FEEDS[source.feed].linked for source in self._run.inputs)
        self._lanes = 1 if linked else settings.history_writers
        # A batch is some 100,000 small tuples without cycles, freed by reference counting at its end. Collecting as
        # often as the default asks took 29 % of the operator's time (docs/decisions/0006-cache-blobs.md).
        gc.set_threshold(*_GC_THRESHOLDS)
        # In thread mode several operators and writers share one interpreter lock, and each call into the JVM or a store
        # lets go of it; getting it back from a busy thread takes up to this long, several times a batch
        # (docs/decisions/0012-triggers.md).
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        blobs = runtime_context.get_map_state(
            MapStateDescriptor("profiles", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        )
        blob_state = BlobState(blobs, thread_mode=settings.execution_mode == "thread")
        self.states = UserStates(blob_state, settings.cached_profiles, self._run.erased)
        self._counts = runtime_context.get_state(ValueStateDescriptor("counts", Types.PICKLED_BYTE_ARRAY()))
        metrics = runtime_context.get_metrics_group()
        self._metrics = {name: metrics.counter(name) for name in _METRICS}
        self.rebuilds = RebuildReader(
            partial(history_of_alarms, settings, GROUPS), settings.rebuild_timeout_s, settings.rebuilds_per_s
        )
        self.use(load(settings.dictionaries_folder()))

    def close(self) -> None:
        """Stop re-reading the history; rebuilds that wait are in the state."""
        if hasattr(self, "rebuilds"):
            self.rebuilds.close()

    def use(self, dictionaries: Dictionaries) -> None:
        """Work with these dictionaries from the next batch on."""
        self.rules: Rules = self.settings.rules(GROUPS, dictionaries)
        self.prepare()

    def prepare(self) -> None:
        """Make what depends on the rules anew; called whenever they change."""
        raise NotImplementedError

    def still_waits(self, profile: Profile, now_ms: int) -> bool:
        """Whether something is still to happen to who else would be dropped."""
        return False

    def counts_of(self, shard: int) -> ShardCounts:
        """The shard's totals so far. Both operators number their shards, one after the other's."""
        return self.known_counts() or ShardCounts(self._first_shard + shard)

    def known_counts(self) -> ShardCounts | None:
        """The totals of the shard whose turn it is; None before its first batch."""
        packed = self._counts.value()
        return unpack_counts(packed) if packed else None

    def keep_counts(self, counts: ShardCounts) -> None:
        """Write the totals."""
        self._counts.update(pack(counts))

    def rebuilt(self, counts: ShardCounts, history: HistoryBatch, now_ms: int) -> Iterator[Any]:
        """Apply what the history has answered for the shard since its last batch, and send what that changed."""
        answers = self.rebuilds.take(counts.shard)
        if answers:
            hot = apply_rebuilds(answers, self.states, counts, self.rules, now_ms, history)
            if hot.changed:
                yield pack(hot)

    def emit(
        self,
        hot: HotBatch,
        history: HistoryBatch,
        waiting: Sequence[Alarm],
        before: ShardCounts,
        counts: ShardCounts,
        ctx: Any,
    ) -> Iterator[Any]:
        """Write the totals, send what the batch changed, and ask the history for the rebuilds that wait."""
        for name in _COUNTED:
            self._metrics[name].inc(getattr(counts, name) - getattr(before, name))
        # not the dead letters: an erasure in the batch takes those of its person
        self._metrics["rejected"].inc(sum(counts.rejected.values()) - sum(before.rejected.values()))
        tell_shifts(counts, history)
        self.keep_counts(counts)
        timers = ctx.timer_service()
        now_ms = timers.current_processing_time()
        timers.register_processing_time_timer(now_ms - now_ms % SWEEP_INTERVAL_MS + SWEEP_INTERVAL_MS)
        if hot.changed or hot.removals or hot.links or hot.triggers:
            yield pack(hot)
        history.counts = counts
        for shift in history.fleet_alarms:
            _log.warning(
                "shift of everybody in shard %d: %d people under suspicion within %d buckets; nobody is rebuilt for it",
                shift.shard,
                shift.suspects,
                shift.buckets,
            )
        raised = [alarm for alarm in history.alarms if alarm.status in ("noted", "provisional")]
        self._metrics["drift_alarms"].inc(len(raised))
        self._metrics["fleet_shifts"].inc(len(history.fleet_alarms))
        yield HISTORY, self._history_row(history, counts)
        for alarm in waiting:
            self.rebuilds.ask(counts.shard, alarm)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        """Drop what has faded."""
        counts = self.known_counts()
        if counts is None:
            return
        self.states.sweep(timestamp, self.rules, counts, self.still_waits)
        self.keep_counts(counts)
        if counts.state_bytes:
            ctx.timer_service().register_processing_time_timer(timestamp + SWEEP_INTERVAL_MS)
        yield HISTORY, self._history_row(HistoryBatch(counts=counts), counts)

    def _history_row(self, history: HistoryBatch, counts: ShardCounts) -> Row:
        return Row(counts.shard % self._lanes, pack_text(history))
