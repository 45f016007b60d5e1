"""A keyed operator whose dictionaries are replaced while the job runs, by broadcast."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyflink.common import Types
from pyflink.datastream import KeyedBroadcastProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from jobs.operators.shard_operator import ShardOperator
from schemas.dictionary_update import DictionaryUpdate, read_update

UPDATES = MapStateDescriptor("dictionaries", Types.STRING(), Types.STRING())
_NEWEST = "newest"


class Reloadable(KeyedBroadcastProcessFunction):  # type: ignore[misc]
    """Wraps an operator; the broadcast side carries packed `DictionaryUpdate`.

    The newest update published counts, in whatever order they arrive, and is kept as broadcast state, so a restart
    continues with it. A batch is worked on with one version throughout.
    """

    def __init__(self, operator: ShardOperator) -> None:
        self._operator = operator
        self._published_ms = -1

    def open(self, runtime_context: RuntimeContext) -> None:
        """Open the operator, with the dictionaries the worker has."""
        self._operator.open(runtime_context)
        self._restored = False

    def process_element(self, value: Any, ctx: KeyedBroadcastProcessFunction.ReadOnlyContext) -> Iterator[Any]:
        """Let the operator work, with the newest dictionaries."""
        if not self._restored:
            self._restored = True
            packed = ctx.get_broadcast_state(UPDATES).get(_NEWEST)
            if packed is not None:
                self._use(read_update(packed))
        yield from self._operator.process_element(value, ctx)

    def process_broadcast_element(self, value: Any, ctx: KeyedBroadcastProcessFunction.Context) -> Iterator[Any]:
        """Take over newer dictionaries."""
        packed = value[0]
        update = read_update(packed)
        if update.published_ms > self._published_ms:
            known = ctx.get_broadcast_state(UPDATES).get(_NEWEST)
            if known is None or read_update(known).published_ms < update.published_ms:
                ctx.get_broadcast_state(UPDATES).put(_NEWEST, packed)
            self._use(update)
        yield from ()

    def on_timer(self, timestamp: int, ctx: KeyedBroadcastProcessFunction.OnTimerContext) -> Iterator[Any]:
        """Sweep; the new totals go out with the next batch.

        PyFlink 2.3 sends what a timer of a broadcast function emits to a side output to the main output as well.
        """
        for _ in self._operator.on_timer(timestamp, ctx):
            pass
        yield from ()

    def _use(self, update: DictionaryUpdate) -> None:
        if update.published_ms > self._published_ms:
            self._published_ms = update.published_ms
            self._operator.use(update.dictionaries)
