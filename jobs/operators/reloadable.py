"""A keyed operator whose dictionaries and trigger rules are replaced while the job runs, by broadcast."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from zlib import crc32

from pyflink.common import Types
from pyflink.datastream import KeyedBroadcastProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from jobs.operators.profile import ProfileOperator
from jobs.operators.shard_operator import ShardOperator
from schemas.dictionary_update import DictionaryUpdate, read_update
from schemas.rule_update import DamagedRules, read_rules

UPDATES = MapStateDescriptor("dictionaries", Types.STRING(), Types.STRING())
DICTIONARIES, RULES = "dictionaries", "rules"
"""What an update is of."""
_NEWEST = "newest"
_log = logging.getLogger(__name__)
_RULES_PREFIX = "rules-"


class Reloadable(KeyedBroadcastProcessFunction):  # type: ignore[misc]
    """Wraps an operator; the broadcast side carries ``Row(of what, packed)``, a `DictionaryUpdate` or a `RuleUpdate`.

    Of dictionaries the newest published count, of rules the newest word about each, in whatever order they arrive. Both
    are kept as broadcast state, so a restart continues with them. A batch is worked on with one version throughout.
    """

    def __init__(self, operator: ShardOperator) -> None:
        self._operator = operator
        self._published_ms = -1

    def open(self, runtime_context: RuntimeContext) -> None:
        """Open the operator, with the dictionaries and rules the worker has."""
        self._operator.open(runtime_context)
        self._restored = False

    def close(self) -> None:
        """Close the operator."""
        self._operator.close()

    def process_element(self, value: Any, ctx: KeyedBroadcastProcessFunction.ReadOnlyContext) -> Iterator[Any]:
        """Let the operator work, with the newest dictionaries and rules."""
        if not self._restored:
            self._restored = True
            for name, packed in ctx.get_broadcast_state(UPDATES).items():
                if name == _NEWEST:
                    self._use(read_update(packed))
                else:
                    self._take_rules(packed)
        yield from self._operator.process_element(value, ctx)

    def process_broadcast_element(self, value: Any, ctx: KeyedBroadcastProcessFunction.Context) -> Iterator[Any]:
        """Take over what was published."""
        of_what, packed = value
        known = ctx.get_broadcast_state(UPDATES)
        if of_what == RULES:
            try:
                published_ms = read_rules(packed).published_ms
            except DamagedRules as error:
                _log.error("%s; what is in force stays", error)
                return
            known.put(f"{_RULES_PREFIX}{published_ms}-{crc32(packed.encode()):08x}", packed)
            self._take_rules(packed)
        else:
            update = read_update(packed)
            if update.published_ms > self._published_ms:
                before = known.get(_NEWEST)
                if before is None or read_update(before).published_ms < update.published_ms:
                    known.put(_NEWEST, packed)
                self._use(update)
        yield from ()

    def on_timer(self, timestamp: int, ctx: KeyedBroadcastProcessFunction.OnTimerContext) -> Iterator[Any]:
        """Sweep, and send what happens by itself; the new totals go out with the next batch.

        PyFlink 2.3 sends what a timer of a broadcast function emits to a side output to the main output as well, so
        only what is meant for the main output passes.
        """
        for each in self._operator.on_timer(timestamp, ctx):
            if isinstance(each, bytes):
                yield each

    def _use(self, update: DictionaryUpdate) -> None:
        if update.published_ms > self._published_ms:
            self._published_ms = update.published_ms
            self._operator.use(update.dictionaries)

    def _take_rules(self, packed: str) -> None:
        if isinstance(self._operator, ProfileOperator):
            self._operator.take_rules(read_rules(packed))
