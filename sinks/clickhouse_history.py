"""History sink: one columnar insert per table and batch.

Guarantee: effectively once. Every row has a deterministic key (evidence: user, tag, event time, event id; dead letter:
feed, log, partition, offset; totals: run, shard) in a ReplacingMergeTree, so a repeated batch, cut differently or not,
is absorbed; read with FINAL. Totals are written last: once they are visible, so are the rows they count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from urllib3.exceptions import HTTPError

from schemas.events import identity_of
from schemas.outputs import DeadLetter, HistoryBatch, ShardCounts
from schemas.reasons import Reason
from sinks.clickhouse_client import connect
from sinks.retry import Transient, retrying

_EVIDENCE = {
    "user": "String",
    "tag": "LowCardinality(String)",
    "event_time": "DateTime64(3, 'UTC')",
    "event_id": "UInt64",
    "value": "Float64",
    "feed": "LowCardinality(String)",
}
_DEAD_LETTERS = {
    "feed": "LowCardinality(String)",
    "log": "String",
    "partition": "UInt32",
    "offset": "UInt64",
    "reason": "LowCardinality(String)",
}
_COUNTS = {
    "run_id": "String",
    "shard": "UInt32",
    "events_in": "UInt64",
    "folded": "UInt64",
    "duplicates": "UInt64",
    "rejected": "Map(String, UInt64)",
    "users": "UInt64",
    "state_bytes": "UInt64",
}
# Errors that a row's own content causes: retrying can't help, isolating the row can. As in the vendor's own connectors.
_DATA_ERRORS = {6, 27, 33, 38, 41, 72, 117}
# Errors that pass: timeouts, network, too many simultaneous queries, too many parts, memory, read-only, shutting down.
_PASSING_ERRORS = {3, 159, 164, 201, 202, 209, 210, 225, 236, 241, 242, 243, 252, 279, 319, 999}
# A replay of an old log spans many months; each insert must still be one block per partition, not an error.
_INSERT_SETTINGS = {"async_insert": 0, "max_partitions_per_insert_block": 0}

Columns = Sequence[Any]  # columns, each a list or a numpy array


class ClickHouseHistorySink:
    """Writes evidence, dead letters and totals.

    Parameters
    ----------
    url, database
        Server and database; the tables must exist (`clickhouse_schema.migrate`).
    run_id
        Run the totals belong to.
    timeout_s, give_up_s
        Limit of connecting, and of retrying a batch before the job fails.

    Raises
    ------
    SinkGaveUp
        From `write_batch` when the server stays away for `give_up_s`.
    """

    def __init__(self, url: str, database: str, run_id: str, timeout_s: float, give_up_s: float) -> None:
        self._database = database
        self._run_id = run_id
        self._give_up_s = give_up_s
        self._client = retrying("ClickHouse", give_up_s, lambda: _passing(lambda: connect(url, timeout_s)))

    def write_batch(self, batches: Sequence[HistoryBatch]) -> None:
        """Write everything the batches hold; returns when the server acknowledged it."""
        refused = self._write_evidence(batches)
        dead = [letter for batch in batches for letter in batch.dead_letters]
        if refused:
            dead += [DeadLetter(feed, "tag_evidence", 0, row, Reason.HISTORY_REFUSED) for feed, row in refused]
        if dead:
            columns = [
                list(column)
                for column in zip(*((d.feed, d.log, d.partition, d.offset, d.reason) for d in dead), strict=True)
            ]
            self._insert("dead_letters", _DEAD_LETTERS, columns)
        newest: dict[int, ShardCounts] = {b.counts.shard: b.counts for b in batches if b.counts is not None}
        if newest:
            rows = [
                (self._run_id, c.shard, c.events_in, c.folded, c.duplicates, c.rejected, c.users, c.state_bytes)
                for c in newest.values()
            ]
            self._insert("run_counts", _COUNTS, [list(column) for column in zip(*rows, strict=True)])

    def close(self) -> None:
        """Close the connection; nothing is buffered, so nothing is lost without it."""
        self._client.close()

    def _write_evidence(self, batches: Sequence[HistoryBatch]) -> list[tuple[str, int]]:
        rows = [
            (user, f"{group}:{tag}", event_time_ms, event_id, value, feed)
            for batch in batches
            for feed, user, event_time_ms, event_id, evidence in batch.events
            for group, tag, value in evidence
        ]
        if not rows:
            return []
        users, tags, times_ms, ids, values, feeds = zip(*rows, strict=True)
        columns: Columns = [
            users,
            tags,
            times_ms,
            np.array(ids, dtype=np.uint64),
            np.array(values, dtype=np.float64),
            feeds,
        ]
        return self._insert_or_isolate(columns)

    def _insert_or_isolate(self, columns: Columns) -> list[tuple[str, int]]:
        """Insert; on an error of the data, halve until the offending rows are alone, and return those as refused."""
        try:
            self._insert("tag_evidence", _EVIDENCE, columns)
        except DatabaseError as error:
            if error.code not in _DATA_ERRORS:
                raise
            rows = len(columns[0])
            if rows == 1:
                user, tag, time_ms, event_id, _, feed = (column[0] for column in columns)
                # names the row without saying whose it is
                return [(feed, identity_of(f"{user}/{tag}/{time_ms}/{event_id}"))]
            half = rows // 2
            return self._insert_or_isolate([c[:half] for c in columns]) + self._insert_or_isolate(
                [c[half:] for c in columns]
            )
        return []

    def _insert(self, table: str, types: dict[str, str], columns: Columns) -> None:
        retrying(
            "ClickHouse",
            self._give_up_s,
            lambda: _passing(
                lambda: self._client.insert(
                    table,
                    columns,
                    column_names=list(types),
                    column_type_names=list(types.values()),
                    database=self._database,
                    column_oriented=True,
                    settings=_INSERT_SETTINGS,
                )
            ),
        )


def _passing(call: Any) -> Any:
    """Run `call`, turning failures that may pass into `Transient`; an error's text can hold values: it is dropped."""
    try:
        return call()
    except (OperationalError, HTTPError, OSError) as error:
        raise Transient(type(error).__name__) from None
    except DatabaseError as error:
        if error.code in _PASSING_ERRORS:
            code = f"code {error.code}"
            raise Transient(code) from None
        raise
