"""The project's own operator, with a count of what it saw: a few dozen calls a second, nothing per event.

Households are linked to nobody, so of their feed the door does all the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ValueStateDescriptor

from bench.tally import Tally
from jobs.operators.door import DoorOperator
from schemas.outputs import ShardCounts, unpack_counts
from schemas.run import Run


class TalliedDoorOperator(DoorOperator):
    """Does what `DoorOperator` does and writes a tally, with the shards' own totals, at its end."""

    folder = ""

    def __init__(self, public_settings: str, run: Run) -> None:
        super().__init__(public_settings, run)
        self._tally_folder = self.folder

    def open(self, runtime_context: RuntimeContext) -> None:
        """Open the operator; its totals are state of a known name, which is read beside it."""
        super().open(runtime_context)
        self._tally = Tally(self._tally_folder)
        self._shards: dict[int, ShardCounts] = {}
        self._totals = runtime_context.get_state(ValueStateDescriptor("counts", Types.PICKLED_BYTE_ARRAY()))

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        """Fold one batch, and look at the clock."""
        self._tally.begins()
        yield from super().process_element(value, ctx)
        self._shards[value[0]] = unpack_counts(self._totals.value())
        self._tally.ends(len(value[1]))

    def close(self) -> None:
        """Write the tally."""
        super().close()
        shards = self._shards.values()
        self._tally.totals = {
            "events_in": sum(shard.events_in for shard in shards),
            "folded": sum(shard.folded for shard in shards),
            "duplicates": sum(shard.duplicates for shard in shards),
            "rejected": sum(sum(shard.rejected.values()) for shard in shards),
            "users": sum(shard.users for shard in shards),
            "state_bytes": sum(shard.state_bytes for shard in shards),
        }
        self._tally.write()
