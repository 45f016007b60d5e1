"""Writes each batch of changed profiles to Redis before it returns; nothing is buffered, so nothing is lost."""

from __future__ import annotations

from pyflink.datastream import MapFunction, RuntimeContext

from schemas import state
from schemas.outputs import unpack_hot
from schemas.settings import Settings
from sinks.redis_hot import RedisHotSink
from udfs.profile.snapshot import snapshot
from udfs.tags import GROUPS


class HotWriter(MapFunction):  # type: ignore[misc]
    """Input: packed hot batches. Output: profiles refused because the stored ones are newer.

    The snapshot is taken here and not in the profile operator, where it would hold back the folding of the next batch.
    """

    def __init__(self, public_settings: str) -> None:
        self._public_settings = public_settings

    def open(self, runtime_context: RuntimeContext) -> None:
        """Connect with the worker's own secrets and load the server-side function."""
        settings = Settings.on_worker(self._public_settings)
        self._sink = RedisHotSink(
            settings.redis_url.get_secret_value(),
            settings.redis_key_prefix,
            settings.sink_timeout_s,
            settings.sink_give_up_s,
        )
        self._rules = settings.rules(GROUPS)
        self._sink.open({name: rule.half_life_ms for name, rule in self._rules.groups.items()})
        metrics = runtime_context.get_metrics_group()
        self._written = metrics.counter("hot_written")
        self._refused = metrics.counter("hot_refused")

    def map(self, value: bytes) -> int:
        """Write one batch: what must go goes first, so that nobody sees both."""
        batch = unpack_hot(value)
        if batch.removals:
            self._sink.remove(batch.removals)
        if batch.links:
            self._sink.link(batch.links)
        profiles = [snapshot(user, state.decode(blob), self._rules) for user, blob in batch.changed]
        written, refused = self._sink.write_batch(profiles)
        self._written.inc(written)
        self._refused.inc(refused)
        return refused

    def close(self) -> None:
        """Let the connection go; there is nothing to flush."""
        if hasattr(self, "_sink"):
            self._sink.close()
