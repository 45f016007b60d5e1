"""The profile operator: a batch of one shard's people in, changed profiles and history out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from pyflink.common import Row
from pyflink.datastream import KeyedProcessFunction

from jobs.operators.shard_operator import ShardOperator
from schemas.outputs import HistoryBatch, unpack_forwarded
from udfs.stages.people import People


class ProfileOperator(ShardOperator):
    """Input: ``Row(shard, [packed Forwarded ...])``: what the doors passed on in one window."""

    def prepare(self) -> None:
        """The people under the rules in force."""
        self._people = People(self._run, self.rules)

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        """Fold one batch."""
        shard, packed = value
        now_ms = ctx.timer_service().current_processing_time()
        counts = self.counts_of(shard)
        before = msgspec.structs.replace(counts, rejected=dict(counts.rejected))
        answered = HistoryBatch()
        yield from self.rebuilt(counts, answered, now_ms)
        batches = [unpack_forwarded(each) for each in packed]
        updated = self._people.update(batches, self.states, counts, now_ms, answered.alarms)
        yield from self.emit(updated.hot, updated.history, updated.waiting, before, counts, ctx)
