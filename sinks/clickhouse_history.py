"""History sink: one columnar insert per table and batch.

Guarantee: effectively once. Every row has a deterministic key (evidence: user, tag, event time, event id; dead letter:
feed, log, partition, offset; link: identifier, time, person; export: request, user, part; alarm: user, kind, time;
receipt: user, rule, version, episode; totals: run, shard) in a ReplacingMergeTree, so a repeated batch, cut differently
or not, is absorbed; read with FINAL. Evidence is written before alarms and receipts: who sees one sees all that was
folded before it. Rules are written before the receipts of their triggers. Totals are written last: once they are
visible, so are the rows they count. Removals are repeatable too, within limits (`clickhouse_removal`). A receipt
that comes after an erasure or a withdrawal of its person goes, or loses its values.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from clickhouse_connect.driver.exceptions import DatabaseError
from msgspec.structs import astuple, replace

from schemas.events import identity_of
from schemas.outputs import (
    Alarm,
    DeadLetter,
    Export,
    FleetAlarm,
    FoldedEvent,
    HistoryBatch,
    LinkedIdentifier,
    Receipt,
    Removal,
    RuleDocument,
    ShardCounts,
    ShareChange,
    Trigger,
)
from schemas.reasons import Reason
from sinks.clickhouse_client import connect
from sinks.clickhouse_errors import DATA_ERRORS, until_it_passes
from sinks.clickhouse_removal import INSERT_SETTINGS, carry_out, delete_erased, erased_of
from sinks.removals import Removals
from sinks.withdrawals import Withdrawals

_EVIDENCE = {
    "user": "String",
    "tag": "LowCardinality(String)",
    "event_time": "DateTime64(3, 'UTC')",
    "event_id": "UInt64",
    "value": "Float64",
    "feed": "LowCardinality(String)",
    "number": "UInt64",
}
_DEAD_LETTERS = {
    "feed": "LowCardinality(String)",
    "log": "String",
    "partition": "UInt32",
    "offset": "UInt64",
    "reason": "LowCardinality(String)",
    "user": "String",
}
_LINKS = {"identifier": "String", "person": "String", "valid_from": "DateTime64(3, 'UTC')"}
_EXPORTS = {"request": "String", "user": "String", "part": "LowCardinality(String)", "document": "String"}
_CHANGES = "Array(Tuple(tag String, before Float64, since Float64))"
_ALARMS = {
    "user": "String",
    "kind": "LowCardinality(String)",
    "alarm_at": "DateTime64(3, 'UTC')",
    "since": "DateTime64(3, 'UTC')",
    "generation": "UInt64",
    "number": "UInt64",
    "evidence": "Float64",
    "distance_bits": "Float64",
    "rose": _CHANGES,
    "fell": _CHANGES,
    "status": "LowCardinality(String)",
    "factor": "Float64",
}
_FLEET_ALARMS = {
    "run_id": "String",
    "shard": "UInt32",
    "alarm_at": "DateTime64(3, 'UTC')",
    "suspects": "UInt32",
    "buckets": "UInt32",
    "usual_share": "Float64",
}
_TRIGGERS = {
    "id": "String",
    "user": "String",
    "rule": "LowCardinality(String)",
    "version": "UInt32",
    "scene": "LowCardinality(String)",
    "purpose": "LowCardinality(String)",
    "priority": "UInt8",
    "cause": "LowCardinality(String)",
    "episode": "String",
    "arose_at": "DateTime64(3, 'UTC')",
    "decided_at": "DateTime64(3, 'UTC')",
    "shadow": "Bool",
    "feed": "LowCardinality(String)",
    "log": "String",
    "partition": "UInt32",
    "offset": "UInt64",
    "event_id": "UInt64",
    "values": "Map(String, String)",
    "payload": "Map(String, String)",
    "sent_at": "DateTime64(3, 'UTC')",
}
_RULES = {"rule": "String", "version": "UInt32", "document": "String"}
_COUNTS = {
    "run_id": "String",
    "shard": "UInt32",
    "events_in": "UInt64",
    "folded": "UInt64",
    "duplicates": "UInt64",
    "rejected": "Map(String, UInt64)",
    "users": "UInt64",
    "state_bytes": "UInt64",
    "corrected": "Map(String, UInt64)",
}

_to_json = msgspec.json.Encoder().encode

Columns = Sequence[Any]  # columns, each a list or a numpy array


class ClickHouseHistorySink:
    """Writes evidence, alarms, receipts of triggers, dead letters and totals.

    Parameters
    ----------
    url, database
        Server and database; the tables must exist (`clickhouse_schema.migrate`).
    run_id
        Run the totals and the alarms of everybody belong to.
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
        self._client = until_it_passes(give_up_s, lambda: connect(url, timeout_s))
        self._withdrawals = Withdrawals()

    def write_batch(self, batches: Sequence[HistoryBatch]) -> None:
        """Write everything the batches hold; returns when the server acknowledged it.

        Batches are in order, those of the doors before those of the people, and a batch's removals come before its own
        rows. Rows not yet written are removed or moved in memory, so usually the table is changed once, before all rows
        are inserted.
        """
        removals, held = Removals(), _Rows()
        for batch in sorted(batches, key=lambda each: each.stage):
            for removal in batch.removals:
                if not removals.take(removal):
                    self._flush(removals, held)
                    removals, held = Removals(), _Rows()
                    removals.take(removal)
                held.remove(removal)
                self._withdrawals.take(removal)
            held.add(batch)
            held.add_receipts(map(self._withdrawals.applied, batch.receipts))
        self._flush(removals, held)
        newest: dict[int, ShardCounts] = {b.counts.shard: b.counts for b in batches if b.counts is not None}
        if newest:
            totals = [
                (
                    self._run_id,
                    c.shard,
                    c.events_in,
                    c.folded,
                    c.duplicates,
                    c.rejected,
                    c.users,
                    c.state_bytes,
                    c.corrected,
                )
                for c in newest.values()
            ]
            self._insert_rows("run_counts", _COUNTS, totals)

    def close(self) -> None:
        """Close the connection; nothing is buffered, so nothing is lost without it."""
        self._client.close()

    def _flush(self, removals: Removals, held: _Rows) -> None:
        if removals:
            carry_out(self._client, self._database, removals, self._give_up_s)
            held.drop_moved_to(erased_of(self._client, self._database, removals.targets, self._give_up_s))
        dead = held.dead_letters() + self._write_evidence(held.events())
        delete_erased(self._client, self._database, "tag_evidence", removals.targets, self._give_up_s)
        letters = [(d.feed, d.log, d.partition, d.offset, d.reason, d.user) for d in dead]
        self._insert_rows("drift_alarms", _ALARMS, held.alarms())
        self._insert_rows("fleet_alarms", _FLEET_ALARMS, [(self._run_id, *alarm) for alarm in held.fleet_alarms])
        self._insert_rows("trigger_rules", _RULES, held.rules)
        self._insert_rows("triggers", _TRIGGERS, held.receipts())
        delete_erased(self._client, self._database, "triggers", held.fired_for(), self._give_up_s)
        self._insert_rows("dead_letters", _DEAD_LETTERS, letters)
        self._insert_rows("identity_links", _LINKS, held.links)
        self._insert_rows("exports", _EXPORTS, held.exports())

    def _write_evidence(self, events: list[FoldedEvent]) -> list[DeadLetter]:
        """Insert; returns a dead letter for every row that the server refuses."""
        rows = [
            (user, f"{group}:{tag}", event_time_ms, event_id, value, feed, number)
            for feed, user, event_time_ms, event_id, evidence, number in events
            for group, tag, value in evidence
        ]
        if not rows:
            return []
        users, tags, times_ms, ids, values, feeds, numbers = zip(*rows, strict=True)
        columns: Columns = [
            users,
            tags,
            times_ms,
            np.array(ids, dtype=np.uint64),
            np.array(values, dtype=np.float64),
            feeds,
            np.array(numbers, dtype=np.uint64),
        ]
        return self._insert_or_isolate(columns)

    def _insert_or_isolate(self, columns: Columns) -> list[DeadLetter]:
        """Insert; on an error of the data, halve until the offending rows are alone, and return those as refused."""
        try:
            self._insert("tag_evidence", _EVIDENCE, columns)
        except DatabaseError as error:
            if error.code not in DATA_ERRORS:
                raise
            rows = len(columns[0])
            if rows == 1:
                user, tag, time_ms, event_id, _, feed, _ = (column[0] for column in columns)
                # names the row without saying whose it is
                offset = identity_of(f"{user}/{tag}/{time_ms}/{event_id}")
                return [DeadLetter(feed, "tag_evidence", 0, offset, Reason.HISTORY_REFUSED, user)]
            half = rows // 2
            return self._insert_or_isolate([c[:half] for c in columns]) + self._insert_or_isolate(
                [c[half:] for c in columns]
            )
        return []

    def _insert_rows(self, table: str, types: dict[str, str], rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            self._insert(table, types, [list(column) for column in zip(*rows, strict=True)])

    def _insert(self, table: str, types: dict[str, str], columns: Columns) -> None:
        until_it_passes(
            self._give_up_s,
            lambda: self._client.insert(
                table,
                columns,
                column_names=list(types),
                column_type_names=list(types.values()),
                database=self._database,
                column_oriented=True,
                settings=INSERT_SETTINGS,
            ),
        )


class _Rows:
    """Rows of history not yet written, by user, so that a removal need not look at the others'."""

    def __init__(self) -> None:
        self._events: dict[str, list[FoldedEvent]] = {}
        self._dead: dict[str, list[DeadLetter]] = {}
        self._exports: list[tuple[Export, bool]] = []
        self._alarms: dict[str, dict[tuple[str, int], Alarm]] = {}  # user -> kind and time -> its newest state
        self._receipts: dict[str, list[tuple[Receipt, bool]]] = {}  # and whether it was another user's
        self.rules: list[RuleDocument] = []
        self.links: list[LinkedIdentifier] = []
        self.fleet_alarms: list[FleetAlarm] = []

    def add(self, batch: HistoryBatch) -> None:
        for event in batch.events:
            self._events.setdefault(event[1], []).append(event)
        for letter in batch.dead_letters:
            self._dead.setdefault(letter.user, []).append(letter)
        self._exports += [(export, False) for export in batch.exports]
        for alarm in batch.alarms:
            self._alarms.setdefault(alarm.user, {})[alarm.kind, alarm.at_ms] = alarm
        self.rules += batch.rules
        self.links += batch.links
        self.fleet_alarms += batch.fleet_alarms

    def add_receipts(self, receipts: Iterable[Receipt]) -> None:
        for receipt in receipts:
            self._receipts.setdefault(receipt.trigger.user, []).append((receipt, False))

    def remove(self, removal: Removal) -> None:
        """Do to the rows what the removal says."""
        if removal.kind == "forget":
            events = self._events.get(removal.user, [])
            for index, (feed, user, event_time_ms, event_id, evidence, number) in enumerate(events):
                kept = [piece for piece in evidence if piece[0] not in removal.groups]
                events[index] = (feed, user, event_time_ms, event_id, kept, number)
            alarms = self._alarms.get(removal.user, {})
            for key, alarm in alarms.items():
                alarms[key] = replace(
                    alarm, rose=_without(alarm.rose, removal.groups), fell=_without(alarm.fell, removal.groups)
                )
            receipts = self._receipts.get(removal.user, [])
            receipts[:] = [(_changed(receipt, values={}), moved) for receipt, moved in receipts]
            return
        if removal.kind == "move" and removal.user == removal.to:
            return
        events = self._events.pop(removal.user, [])
        receipts = self._receipts.pop(removal.user, [])
        if removal.kind == "erase":
            self._dead.pop(removal.user, None)
            self._alarms.pop(removal.user, None)
            self._exports = [(export, moved) for export, moved in self._exports if export.user != removal.user]
        else:
            self._exports = [
                (export._replace(user=removal.to), True) if export.user == removal.user else (export, moved)
                for export, moved in self._exports
            ]
            self._receipts.setdefault(removal.to, []).extend(
                (_changed(receipt, user=removal.to), True) for receipt, _ in receipts
            )
            self._events.setdefault(removal.to, []).extend(
                (feed, removal.to, event_time_ms, event_id, evidence, removal.number or number)
                for feed, _, event_time_ms, event_id, evidence, number in events
            )

    def drop_moved_to(self, users: Container[str]) -> None:
        """Drop what was moved to these users and has no event time; evidence has one."""
        self._exports = [(e, moved) for e, moved in self._exports if not moved or e.user not in users]
        for user, receipts in self._receipts.items():
            if user in users:
                receipts[:] = [(receipt, moved) for receipt, moved in receipts if not moved]

    def events(self) -> list[FoldedEvent]:
        return [event for events in self._events.values() for event in events]

    def dead_letters(self) -> list[DeadLetter]:
        return [letter for letters in self._dead.values() for letter in letters]

    def alarms(self) -> list[tuple[Any, ...]]:
        return [
            (
                a.user,
                a.kind,
                a.at_ms,
                a.since_ms,
                a.generation,
                a.seq,
                a.evidence,
                a.distance_bits,
                a.rose,
                a.fell,
                a.status,
                a.factor,
            )
            for alarms in self._alarms.values()
            for a in alarms.values()
        ]

    def fired_for(self) -> set[str]:
        """Users of the receipts."""
        return {user for user, receipts in self._receipts.items() if receipts}

    def receipts(self) -> list[tuple[Any, ...]]:
        return [
            (*_trigger_row(receipt.trigger), receipt.sent_ms)
            for receipts in self._receipts.values()
            for receipt, _ in receipts
        ]

    def exports(self) -> list[Export]:
        return [export for export, _ in self._exports]


def _without(changes: list[ShareChange], groups: tuple[str, ...]) -> list[ShareChange]:
    return [change for change in changes if change[0].partition(":")[0] not in groups]


def _changed(receipt: Receipt, **changes: Any) -> Receipt:
    return receipt._replace(trigger=replace(receipt.trigger, **changes))


def _trigger_row(trigger: Trigger) -> tuple[Any, ...]:
    """The trigger's fields, in the order of the columns; each value as JSON, which is exact."""
    values = {name: _to_json(value).decode() for name, value in trigger.values.items()}
    return astuple(replace(trigger, values=values))
