"""The profile operator: a batch of one shard's records in, changed profiles and history out."""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, OutputTag, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

from schemas import state
from schemas.events import Event
from schemas.outputs import ChangedProfile, DeadLetter, HistoryBatch, ShardCounts, pack, pack_history, unpack_counts
from schemas.position import FEED_SHIFT, unpack_position
from schemas.reasons import Reason, Rejected
from schemas.run import Run
from schemas.settings import Settings
from sources import FEEDS
from udfs.profile.advance import Folded, Refused, advance
from udfs.tags import GROUPS

# (lane of the history writer, packed HistoryBatch)
HISTORY = OutputTag("history", Types.ROW_NAMED(["lane", "packed"], [Types.INT(), Types.STRING()]))
CHANGED_TYPE = Types.PICKLED_BYTE_ARRAY()

_GC_THRESHOLDS = (200_000, 20, 100)
_SWEEP_INTERVAL_MS = 24 * 3_600_000
_GRACE_AFTER_EXPIRY_MS = 24 * 3_600_000


class ProfileOperator(KeyedProcessFunction):  # type: ignore[misc]
    """Keyed by shard; state is one encoded profile per user and the shard's totals.

    Input: ``Row(shard, keys, values, positions)``, the last three of equal length. Main output: packed changed
    profiles, each user once. Side output `HISTORY`: evidence, dead letters and totals of the batch.

    Guarantee: every record of a batch is counted as folded, duplicate or rejected; no record stops the job.
    """

    def __init__(self, public_settings: str, run: Run) -> None:
        self._public_settings = public_settings
        self._run = run

    def open(self, runtime_context: RuntimeContext) -> None:
        """Get the state handles and resolve the settings."""
        settings = Settings.on_worker(self._public_settings)
        self._rules = settings.rules(GROUPS)
        self._max_record_bytes = settings.max_record_bytes
        self._writers = settings.history_writers
        self._cache_size = settings.cached_profiles
        self._feeds = [FEEDS[i.feed] for i in self._run.inputs]
        # A batch is some 100,000 small tuples without cycles, freed by reference counting at its end. Collecting as
        # often as the default asks took 29 % of the operator's time (docs/decisions/0006-cache-blobs.md).
        gc.set_threshold(*_GC_THRESHOLDS)
        # user -> blob; what is here equals the state, which is written every batch. Blobs, not profiles: a decoded one
        # is hundreds of small objects all over memory, and going back to them costs more than decoding anew (measured:
        # docs/decisions/0006-cache-blobs.md).
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._profiles = runtime_context.get_map_state(
            MapStateDescriptor("profiles", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        )
        self._counts = runtime_context.get_state(ValueStateDescriptor("counts", Types.PICKLED_BYTE_ARRAY()))
        metrics = runtime_context.get_metrics_group()
        self._metrics = {name: metrics.counter(name) for name in ("events_in", "folded", "duplicates", "rejected")}

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        """Fold one batch."""
        shard, keys, values, positions = value
        timers = ctx.timer_service()
        now_ms = timers.current_processing_time()
        packed_counts = self._counts.value()
        counts = unpack_counts(packed_counts) if packed_counts else ShardCounts(shard)
        history = HistoryBatch(counts=counts)

        changed = self._fold(self._by_user(keys, values, positions, history, counts), history, counts, now_ms)

        self._counts.update(pack(counts))
        timers.register_processing_time_timer(now_ms - now_ms % _SWEEP_INTERVAL_MS + _SWEEP_INTERVAL_MS)
        if changed:
            yield pack(changed)
        yield HISTORY, Row(shard % self._writers, pack_history(history))

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        """Drop the profiles whose hot copy has expired: the closed form says they are below the floor."""
        packed_counts = self._counts.value()
        if not packed_counts:
            return
        counts = unpack_counts(packed_counts)
        for user, blob in list(self._profiles.items()):
            profile = state.decode(blob)
            kept_until_ms = max(profile.due_ms, profile.last_write_ms + self._rules.hot_retention_ms)
            if kept_until_ms + _GRACE_AFTER_EXPIRY_MS < timestamp:
                self._profiles.remove(user)
                self._cache.pop(user, None)
                counts.users -= 1
                counts.state_bytes -= len(blob)
        self._counts.update(pack(counts))
        if counts.users:
            ctx.timer_service().register_processing_time_timer(timestamp + _SWEEP_INTERVAL_MS)
        yield HISTORY, Row(counts.shard % self._writers, pack_history(HistoryBatch(counts=counts)))

    def _by_user(
        self,
        keys: list[bytes | None],
        values: list[bytes | None],
        positions: list[int],
        history: HistoryBatch,
        counts: ShardCounts,
    ) -> dict[str, list[tuple[Event, int]]]:
        """Decode the batch; users in order of appearance, a user's events in order of arrival."""
        by_user: dict[str, list[tuple[Event, int]]] = {}
        feeds = self._feeds
        for key, record, position in zip(keys, values, positions, strict=True):
            try:
                if not record:
                    raise Rejected(Reason.VALUE_MISSING)
                if len(record) > self._max_record_bytes:
                    raise Rejected(Reason.RECORD_TOO_LARGE)
                event = feeds[position >> FEED_SHIFT].decode(key or b"", record)
            except Rejected as rejected:
                self._reject(rejected.reason, position, history, counts)
                continue
            by_user.setdefault(event.user, []).append((event, position))
        counts.events_in += len(keys)
        self._metrics["events_in"].inc(len(keys))
        return by_user

    def _fold(
        self,
        by_user: dict[str, list[tuple[Event, int]]],
        history: HistoryBatch,
        counts: ShardCounts,
        now_ms: int,
    ) -> list[ChangedProfile]:
        """Advance every user of the batch and write the state of those that changed."""
        changed: list[ChangedProfile] = []
        folded = duplicates = 0
        for user, events in by_user.items():
            profile, known_bytes = self._load(user)
            n_before = profile.n
            for event, position in events:
                profile, output, _ = advance(profile, event, self._rules, now_ms)
                if output.__class__ is Folded:
                    feed = self._feeds[position >> FEED_SHIFT].name
                    history.events.append((feed, user, event.event_time_ms, event.event_id, output.evidence))
                elif output.__class__ is Refused:
                    self._reject(output.reason, position, history, counts)
                else:
                    duplicates += 1
            if profile.n == n_before:
                continue
            folded += profile.n - n_before
            profile.last_write_ms = now_ms
            changed.append((user, self._store(user, profile, known_bytes, counts)))
        counts.folded += folded
        counts.duplicates += duplicates
        self._metrics["folded"].inc(folded)
        self._metrics["duplicates"].inc(duplicates)
        return changed

    def _reject(self, reason: Reason, position: int, history: HistoryBatch, counts: ShardCounts) -> None:
        feed_number, partition, offset = unpack_position(position)
        source = self._run.inputs[feed_number]
        if source.transport == "files":
            log, partition = source.logs[partition], 0
        else:
            log = source.logs[0]
        history.dead_letters.append(DeadLetter(source.feed, log, partition, offset, reason.value))
        code = f"{source.feed}/{reason.value}"
        counts.rejected[code] = counts.rejected.get(code, 0) + 1
        self._metrics["rejected"].inc()

    def _load(self, user: str) -> tuple[state.Profile, int]:
        blob = self._cache.get(user)
        if blob is None:
            blob = self._profiles.get(user)
        else:
            self._cache.move_to_end(user)
        return (state.decode(blob), len(blob)) if blob is not None else (state.Profile(), 0)

    def _store(self, user: str, profile: state.Profile, known_bytes: int, counts: ShardCounts) -> bytes:
        blob = state.encode(profile)
        self._profiles.put(user, blob)
        counts.users += not known_bytes
        counts.state_bytes += len(blob) - known_bytes
        if self._cache_size:
            self._cache[user] = blob
            if len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
        return blob
