"""The door operator: a batch of one shard's records in, events of persons out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, OutputTag

from jobs.operators.shard_operator import ShardOperator
from schemas.outputs import HistoryBatch, pack_text
from schemas.run import Run
from sources import FEEDS
from udfs.privacy.pseudonym import GivenPseudonyms, KeyedPseudonyms
from udfs.stages.door import Door

# (shard of the people, number of the batch's last record in the replay, packed Forwarded)
FORWARDED = OutputTag(
    "forwarded", Types.ROW_NAMED(["shard", "number", "packed"], [Types.INT(), Types.LONG(), Types.STRING()])
)


class DoorOperator(ShardOperator):
    """Input: ``Row(shard, keys, values, positions, numbers)``, the last four of equal length.

    Main output: packed hot batches, of identifiers nobody is linked to and of links. Side outputs: `HISTORY`, and
    `FORWARDED` to the people.

    Guarantee: every record of a batch is counted as folded, duplicate or rejected, here or at the people; no record
    stops the job.
    """

    def __init__(self, public_settings: str, run: Run) -> None:
        super().__init__(public_settings, run, 0)

    def prepare(self) -> None:
        """Resolve the keys, which only the worker knows."""
        feeds = [FEEDS[i.feed] for i in self._run.inputs]
        linked = any(feed.linked for feed in feeds)
        pseudonyms = KeyedPseudonyms(self.settings.keys()) if linked else GivenPseudonyms()
        self._door = Door(
            self._run,
            [feed.decode for feed in feeds],
            self.rules,
            pseudonyms,
            pseudonyms.previous,
            self.settings.max_record_bytes,
            self.settings.shards,
        )

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        """Pass one batch, in the order of the replay."""
        shard, keys, values, positions, numbers = value
        now_ms = ctx.timer_service().current_processing_time()
        counts = self.counts_of(shard)
        before = msgspec.structs.replace(counts, rejected=dict(counts.rejected))
        records = list(zip(keys, values, positions, numbers, strict=True))
        records.sort(key=lambda record: record[3])
        answered = HistoryBatch()
        yield from self.rebuilt(counts, answered, now_ms)
        passed = self._door.pass_batch(records, self.states, counts, now_ms, answered.alarms)
        last = max(numbers, default=0)
        for to, forwarded in passed.forwarded.items():
            yield FORWARDED, Row(to, last, pack_text(forwarded))
        yield from self.emit(passed.hot, passed.history, passed.waiting, before, counts, ctx)
