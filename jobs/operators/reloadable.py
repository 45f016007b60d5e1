"""A keyed operator whose dictionaries and trigger rules are replaced while the job runs, by broadcast."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from pyflink.common import Types
from pyflink.datastream import KeyedBroadcastProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from jobs.operators.profile import ProfileOperator
from jobs.operators.shard_operator import ShardOperator
from schemas.dictionary_update import DictionaryUpdate, read_update
from schemas.rule_update import DamagedRules, pack_rules, read_rules

UPDATES = MapStateDescriptor("dictionaries", Types.STRING(), Types.STRING())
DICTIONARIES, RULES = "dictionaries", "rules"
"""What an update is of."""
_NEWEST = "newest"
_log = logging.getLogger(__name__)
_RULES_PREFIX = "rules-"


class Reloadable(KeyedBroadcastProcessFunction):  # type: ignore[misc]
    """Wraps an operator; the broadcast side carries ``Row(of what, packed)``, a `DictionaryUpdate` or a `RuleUpdate`.

    Of dictionaries the newest published count, of rules the newest word about each, in whatever order they arrive. Both
    are kept as broadcast state, so a restart continues with them: the newest dictionaries, and of each rule one entry
    with the versions that may still have open episodes (`schemas.rule_log.RuleLog.compact`). So it grows with how many
    rules there are, and not with how often they are published. A batch is worked on with one version throughout.
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
        self._restore(ctx.get_broadcast_state(UPDATES))
        yield from self._operator.process_element(value, ctx)

    def process_broadcast_element(self, value: Any, ctx: KeyedBroadcastProcessFunction.Context) -> Iterator[Any]:
        """Take over what was published."""
        of_what, packed = value
        known = ctx.get_broadcast_state(UPDATES)
        self._restore(known)  # before it is written: what is kept of a rule is all that is known of it
        if of_what == RULES:
            if isinstance(self._operator, ProfileOperator):
                self._take_rules(packed, self._operator, known)
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
        self._restore(ctx.get_broadcast_state(UPDATES))
        for each in self._operator.on_timer(timestamp, ctx):
            if isinstance(each, bytes):
                yield each

    def _restore(self, known: Any) -> None:
        """Go on with what was kept: once, with the first call that can read it."""
        if self._restored:
            return
        self._restored = True
        for name, packed in known.items():
            if name == _NEWEST:
                self._use(read_update(packed))
            elif isinstance(self._operator, ProfileOperator):
                for line in packed.splitlines():
                    self._operator.take_rules(read_rules(line))

    def _take_rules(self, packed: str, operator: ProfileOperator, known: Any) -> None:
        try:
            update = read_rules(packed)
        except DamagedRules as error:
            _log.error("%s; what is in force stays", error)
            return
        for id_ in operator.take_rules(update):
            kept = "\n".join(map(pack_rules, operator.rules_to_keep(id_)))
            if kept:
                known.put(_RULES_PREFIX + id_, kept)

    def _use(self, update: DictionaryUpdate) -> None:
        if update.published_ms > self._published_ms:
            self._published_ms = update.published_ms
            self._operator.use(update.dictionaries)
