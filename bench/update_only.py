"""The micro-batch without its outputs: the same batches, decoding, update and state, no changed profiles, no history.

This is what compares with the per-event job and with SQL, which keep state and emit nothing that anybody uses.
"""

from __future__ import annotations

from collections import OrderedDict

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.state import MapStateDescriptor
from pyflink.table import StreamTableEnvironment

from bench.tally import Tally
from jobs.micro_batch import BATCH_TYPE, keyed_by_shard, shard_batches
from schemas import state
from schemas.events import Event
from schemas.run import Run
from schemas.settings import Settings
from sources import FEEDS
from udfs.privacy.pseudonym import GivenPseudonyms
from udfs.profile.advance import advance
from udfs.profile.output import Folded
from udfs.tags import GROUPS

_PSEUDONYMS = GivenPseudonyms()


class UpdateOnly(KeyedProcessFunction):  # type: ignore[misc]
    """Input: ``Row(shard, keys, values, positions, numbers)``; no output."""

    def __init__(self, public_settings: str, run: Run, folder: str) -> None:
        self._public_settings = public_settings
        self._run = run
        self._folder = folder

    def open(self, runtime_context: RuntimeContext) -> None:
        """Get the state handle and resolve the settings."""
        settings = Settings.on_worker(self._public_settings)
        self._rules = settings.rules(GROUPS)
        self._cache_size = settings.cached_profiles
        self._decode = FEEDS[self._run.inputs[0].feed].decode
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._profiles = runtime_context.get_map_state(
            MapStateDescriptor("profiles", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        )
        self._tally = Tally(self._folder)
        self._folded = 0

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> None:
        """Fold one batch."""
        self._tally.begins()
        _, keys, values, _, _ = value
        by_user: dict[str, list[Event]] = {}
        for key, record in zip(keys, values, strict=True):
            event = self._decode(key, record, _PSEUDONYMS)
            by_user.setdefault(event.user, []).append(event)
        now_ms = ctx.timer_service().current_processing_time()
        cache = self._cache
        for user, events in by_user.items():
            blob = cache.get(user)
            if blob is None:
                blob = self._profiles.get(user)
            else:
                cache.move_to_end(user)
            profile = state.decode(blob) if blob else state.Profile()
            for event in events:
                profile, output, _ = advance(profile, event, self._rules, now_ms)
                self._folded += output.__class__ is Folded
            blob = state.encode(profile)
            self._profiles.put(user, blob)
            cache[user] = blob
            if len(cache) > self._cache_size:
                cache.popitem(last=False)
        self._tally.ends(len(keys))

    def close(self) -> None:
        """Write the tally."""
        self._tally.totals = {"folded": self._folded}
        self._tally.write()


def build(environment: StreamExecutionEnvironment, settings: Settings, run: Run, folder: str) -> None:
    """Wire the job."""
    t_env = StreamTableEnvironment.create(environment)
    t_env.get_config().set("table.exec.resource.default-parallelism", str(settings.parallelism))
    batches = shard_batches(
        t_env,
        run,
        startup="earliest-offset",
        kafka_properties={},
        shards=settings.shards,
        window_ms=settings.replay_window_ms,
    )
    keyed = keyed_by_shard(batches, BATCH_TYPE)
    keyed.process(UpdateOnly(settings.public(), run, folder), output_type=Types.INT())
