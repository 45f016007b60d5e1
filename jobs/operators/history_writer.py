"""Writes each micro-batch of history to ClickHouse before it returns: nothing is buffered here."""

from __future__ import annotations

from pyflink.common import Row
from pyflink.datastream import MapFunction, RuntimeContext

from schemas.outputs import unpack_history
from schemas.settings import Settings
from sinks.clickhouse_history import ClickHouseHistorySink


class HistoryWriter(MapFunction):  # type: ignore[misc]
    """Input: ``Row(lane, packed history batches)``. Output: how many batches were written."""

    def __init__(self, public_settings: str, run_id: str) -> None:
        self._public_settings = public_settings
        self._run_id = run_id

    def open(self, runtime_context: RuntimeContext) -> None:
        """Connect with the worker's own secrets."""
        settings = Settings.on_worker(self._public_settings)
        self._sink = ClickHouseHistorySink(
            settings.clickhouse_url.get_secret_value(),
            settings.clickhouse_database,
            self._run_id,
            settings.sink_timeout_s,
            settings.sink_give_up_s,
        )
        self._rows = runtime_context.get_metrics_group().counter("history_rows")

    def map(self, value: Row) -> int:
        """Write one micro-batch: one insert per table."""
        batches = [unpack_history(packed) for packed in value[1]]
        self._sink.write_batch(batches)
        self._rows.inc(sum(len(evidence) for batch in batches for *_, evidence, _ in batch.events))
        return len(batches)

    def close(self) -> None:
        """Let the connection go; there is nothing to flush."""
        if hasattr(self, "_sink"):
            self._sink.close()
