"""Writes each batch of changed profiles and triggers to Redis before it returns, so nothing is buffered and lost."""

from __future__ import annotations

from collections.abc import Iterator

from pyflink.common import Row
from pyflink.datastream import FlatMapFunction, RuntimeContext

from schemas import state
from schemas.outputs import HistoryBatch, pack_text, unpack_hot
from schemas.settings import Settings
from schemas.tag_group import MS_PER_DAY
from sinks.redis_hot import RedisHotSink
from sinks.trigger_stream import TriggerStream
from udfs.profile.snapshot import snapshot
from udfs.tags import GROUPS

_LANE = 0  # triggers are of persons, and a run with persons has one writer of the history


class HotWriter(FlatMapFunction):  # type: ignore[misc]
    """Input: packed hot batches. Output: ``Row(lane, packed HistoryBatch)`` with the receipts of the triggers sent.

    The snapshot is taken here and not in the profile operator, where it would hold back the folding of the next batch.
    """

    def __init__(self, public_settings: str) -> None:
        self._public_settings = public_settings

    def open(self, runtime_context: RuntimeContext) -> None:
        """Connect with the worker's own secrets and load the server-side functions."""
        settings = Settings.on_worker(self._public_settings)
        where = (
            settings.redis_url.get_secret_value(),
            settings.redis_key_prefix,
            settings.sink_timeout_s,
            settings.sink_give_up_s,
        )
        self._sink = RedisHotSink(*where)
        self._rules = settings.rules(GROUPS)
        half_lives_ms = {name: rule.half_life_ms for name, rule in self._rules.groups.items()}
        self._sink.open(half_lives_ms, GROUPS.values())
        self._stream = TriggerStream(*where, round(settings.trigger_retention_days * MS_PER_DAY))
        self._stream.open()
        metrics = runtime_context.get_metrics_group()
        self._written = metrics.counter("hot_written")
        self._refused = metrics.counter("hot_refused")
        self._sent = metrics.counter("triggers_sent")

    def flat_map(self, value: bytes) -> Iterator[Row]:
        """Write one batch: what must go goes first, so that nobody sees both; triggers last, so that they find it."""
        batch = unpack_hot(value)
        if batch.removals:
            self._sink.remove(batch.removals)
        if batch.links:
            self._sink.link(batch.links)
        profiles = [snapshot(user, state.decode(blob), self._rules) for user, blob in batch.changed]
        written, refused = self._sink.write_batch(profiles)
        self._written.inc(written)
        self._refused.inc(refused)
        if batch.triggers:
            receipts = self._stream.write_batch(batch.triggers)
            self._sent.inc(sum(receipt.sent_ms > 0 for receipt in receipts))
            yield Row(_LANE, pack_text(HistoryBatch(receipts=receipts)))

    def close(self) -> None:
        """Let the connections go; there is nothing to flush."""
        if hasattr(self, "_sink"):
            self._sink.close()
        if hasattr(self, "_stream"):
            self._stream.close()
