"""Removing and moving persons' rows in ClickHouse: per table at most one INSERT SELECT and one DELETE.

Of a person who withdrew consent to tag groups, the evidence of those groups goes, and alarms no longer name their tags.
The alarms stay: what they say of other groups holds, and without their factor the history would weigh those groups'
evidence otherwise than the profile does. An alarm belongs to a detector of a person, so none moves with the rows of an
identifier. Receipts of triggers lose all their values, because a name in a rule doesn't tell which group a value came
from; the receipts stay, as the record of what was sent.

Guarantee: replaying batches from any of them to the last ends at the same rows, if within what is replayed nobody who
moved away is written to again, and nobody to whom another's rows were moved had been erased or forgotten before. Where
that does not hold a replay removes or moves too much, never too little: a store can't tell a row that was there at the
time from one that came later. Moved rows keep their keys but for the user, so moving them again adds nothing.

Writers of different users run side by side, so rows may be moved to someone whom another writer has just erased: such a
move leaves nothing from before the erasure.

The DELETE is a lightweight one, and waited for: the rows are gone from every later query. They leave the disk when
their parts are merged, or with `purge`. The newer way of deleting by patch parts is 50 times faster, but still beta in
ClickHouse 26.9, and deleted rows must not come back.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas.clickhouse import PERSONAL_TABLES
from sinks.clickhouse_errors import until_it_passes
from sinks.removals import AT_ONCE, Removals

# A replay of an old log spans many months; each insert must still be one block per partition, not an error. A table may
# remember the blocks it was given, and would drop a repeated one although its rows have been deleted since.
INSERT_SETTINGS = {"async_insert": 0, "max_partitions_per_insert_block": 0, "insert_deduplicate": 0}

_COLUMNS = {
    "tag_evidence": "tag, event_time, event_id, value, feed, ingested_at, number",
    "exports": "request, part, document, written_at",
    "triggers": "id, rule, version, scene, purpose, priority, cause, episode, arose_at, decided_at, sent_at, shadow, "
    "feed, log, partition, offset, event_id, values, payload, written_at",
}

# A moved row's columns as selected: its number is that of the merged profile, where the removal says one
_SELECTED = {
    **_COLUMNS,
    "tag_evidence": "tag, event_time, event_id, value, feed, ingested_at, "
    "transform(user, {numbered:Array(String)}, {numbers:Array(UInt64)}, number)",
}

_PAIRS = "arrayZip({users:Array(String)}, {groups:Array(String)})"
_NAMES_FORGOTTEN = f"has({_PAIRS}, (user, splitByChar(':', named.1)[1]))"
_FORGOTTEN = {
    "tag_evidence": f"(user, tag_group) IN {_PAIRS}",
    "drift_alarms": f"arrayExists(named -> {_NAMES_FORGOTTEN}, arrayConcat(rose, fell))",
    "triggers": "(user IN {users:Array(String)} AND notEmpty(values))",
}

_TIMES = {"tag_evidence": "event_time", "triggers": "arose_at"}
_ERASED = (
    "user IN {{users:Array(String)}} AND toUnixTimestamp64Milli({time}) <= "
    "transform(user, {{users:Array(String)}}, {{until_ms:Array(Int64)}}, toInt64(0))"
)

_HAS = "SELECT 1 FROM {{database:Identifier}}.{table} WHERE {condition} LIMIT 1"
_MOVE = (
    "INSERT INTO {{database:Identifier}}.{table} (user, {columns}) "
    "SELECT transform(user, {{users_from:Array(String)}}, {{users_to:Array(String)}}), {selected} "
    "FROM {{database:Identifier}}.{table} WHERE user IN {{users_from:Array(String)}}{kept}"
)
_ALARM_COLUMNS = (
    "user, kind, alarm_at, since, generation, number, evidence, distance_bits, status, factor, written_at, rose, fell"
)
_WITHOUT_NAMES = (
    f"INSERT INTO {{database:Identifier}}.drift_alarms ({_ALARM_COLUMNS}) "
    f"SELECT * EXCEPT (rose, fell), arrayFilter(named -> NOT {_NAMES_FORGOTTEN}, rose), "
    f"arrayFilter(named -> NOT {_NAMES_FORGOTTEN}, fell) "
    f"FROM (SELECT {_ALARM_COLUMNS} FROM {{database:Identifier}}.drift_alarms WHERE {_FORGOTTEN['drift_alarms']})"
)
_VALUELESS = f"user, {_COLUMNS['triggers'].replace('values, ', '')}"
_WITHOUT_VALUES = (
    f"INSERT INTO {{database:Identifier}}.triggers ({_VALUELESS}) "
    f"SELECT {_VALUELESS} FROM {{database:Identifier}}.triggers WHERE {_FORGOTTEN['triggers']}"
)
_DELETE = "DELETE FROM {{database:Identifier}}.{table} WHERE {condition}"
_KNOWN = (
    "SELECT user, toUnixTimestamp64Milli(erased_at), notEmpty(request) FROM {database:Identifier}.erasures FINAL "
    "WHERE user IN {users:Array(String)}"
)
_SYNCHRONOUS = {"lightweight_deletes_sync": 2, "mutations_sync": 2}


def carry_out(client: Client, database: str, removals: Removals, give_up_s: float, request: str = "") -> None:
    """Record the erasures, with their request if known; then carry out the removals on all rows that are there.

    Recorded first, so that a move by another writer at the same time sees the record if its rows come after the DELETE.

    Raises
    ------
    SinkGaveUp
        When the server stays away for `give_up_s`.
    """
    if removals.erased:
        _record_erasures(client, database, removals.erased, request, give_up_s)
    emptied, forgotten = sorted(removals.emptied), removals.forgotten()
    if forgotten and _has(client, database, "triggers", [], forgotten, give_up_s):
        # before they move: users are named as they were before
        _insert_without(client, database, _WITHOUT_VALUES, forgotten, give_up_s)
        _delete(client, database, "triggers", [], forgotten, give_up_s)
    for table in _COLUMNS:
        pairs = forgotten if table == "tag_evidence" else []
        if _has(client, database, table, emptied, pairs, give_up_s):
            _move(client, database, table, removals, give_up_s)
            _delete(client, database, table, emptied, pairs, give_up_s)
    # A dead letter does not move with the rows: it names who was refused. Links stay: they say whom a tombstone is for.
    erased = list(removals.erased)
    if erased and _has(client, database, "dead_letters", erased, [], give_up_s):
        _delete(client, database, "dead_letters", erased, [], give_up_s)
    if (erased or forgotten) and _has(client, database, "drift_alarms", erased, forgotten, give_up_s):
        if forgotten:
            _insert_without(client, database, _WITHOUT_NAMES, forgotten, give_up_s)
        _delete(client, database, "drift_alarms", erased, forgotten, give_up_s)


def delete_erased(client: Client, database: str, table: str, users: set[str], give_up_s: float) -> None:
    """Delete what has come to a table of evidence or receipts for users who had been erased, up to that time.

    Evidence comes by moves, receipts by way of the hot sink, so both may be behind the erasure. After the last of it
    was inserted: whoever erases a user records it, then deletes, so one of the two sees it.
    """
    condition = _ERASED.format(time=_TIMES[table])
    has, deletion = (text.format(table=table, condition=condition) for text in (_HAS, _DELETE))
    names = sorted(users)
    for first in range(0, len(names), AT_ONCE):
        erased = erased_of(client, database, set(names[first : first + AT_ONCE]), give_up_s)
        parameters = {"database": database, "users": list(erased), "until_ms": list(erased.values())}
        if erased and until_it_passes(give_up_s, partial(client.query, has, parameters=parameters)).result_rows:
            until_it_passes(give_up_s, partial(client.command, deletion, parameters=parameters, settings=_SYNCHRONOUS))


def erased_of(client: Client, database: str, users: set[str], give_up_s: float) -> dict[str, int]:
    """Those of the users who have been erased -> event time up to which."""
    if not users:
        return {}
    parameters = {"database": database, "users": sorted(users)}
    rows = until_it_passes(give_up_s, partial(client.query, _KNOWN, parameters=parameters)).result_rows
    return {user: erased_ms for user, erased_ms, _ in rows}


def purge(client: Client, database: str) -> None:
    """Rewrite what still holds removed rows on disk, and wait for it. Heavy: for once a day, not once a removal."""
    for table in PERSONAL_TABLES:
        statement = f"ALTER TABLE {{database:Identifier}}.{table} APPLY DELETED MASK"
        client.command(statement, parameters={"database": database}, settings=_SYNCHRONOUS)


def _record_erasures(client: Client, database: str, erased_ms: dict[str, int], request: str, give_up_s: float) -> None:
    """Write down who was erased: user -> event time up to which. What is known already keeps its time of writing.

    An older erasure never wins over a newer one, nor one without its request over the same with it.
    """
    known = until_it_passes(
        give_up_s,
        lambda: client.query(_KNOWN, parameters={"database": database, "users": list(erased_ms)}).result_rows,
    )
    newest = {user: (at_ms, bool(named)) for user, at_ms, named in known}
    rows = [
        (user, at_ms, request)
        for user, at_ms in erased_ms.items()
        if user not in newest or newest[user] < (at_ms, bool(request))
    ]
    if rows:
        until_it_passes(
            give_up_s,
            lambda: client.insert(
                "erasures",
                rows,
                column_names=["user", "erased_at", "request"],
                column_type_names=["String", "DateTime64(3, 'UTC')", "String"],
                database=database,
                settings=INSERT_SETTINGS,
            ),
        )


def _has(
    client: Client, database: str, table: str, users: list[str], forgotten: list[tuple[str, str]], give_up_s: float
) -> bool:
    """Whether there is anything to delete: even a DELETE that finds nothing takes a second on the embedded engine."""
    statement = _HAS.format(table=table, condition=_condition(table, forgotten))
    query = partial(client.query, statement, parameters=_scope(database, users, forgotten))
    return bool(until_it_passes(give_up_s, query).result_rows)


def _move(client: Client, database: str, table: str, removals: Removals, give_up_s: float) -> None:
    moved = removals.moved()
    if table != "tag_evidence" and moved:
        # No event time tells whether such a row is from before the erasure
        erased = erased_of(client, database, set(moved.values()), give_up_s)
        moved = {user: to for user, to in moved.items() if to not in erased}
    if moved:
        lost = removals.forgotten(moved) if table == "tag_evidence" else []
        kept = f" AND NOT {_FORGOTTEN[table]}" if lost else ""
        statement = _MOVE.format(table=table, columns=_COLUMNS[table], selected=_SELECTED[table], kept=kept)
        parameters = {**_scope(database, [], lost), "users_from": list(moved), "users_to": list(moved.values())}
        if table == "tag_evidence":
            numbers = removals.numbers()
            parameters |= {"numbered": list(numbers), "numbers": list(numbers.values())}
        until_it_passes(give_up_s, partial(client.command, statement, parameters=parameters, settings=INSERT_SETTINGS))


def _insert_without(
    client: Client, database: str, statement: str, forgotten: list[tuple[str, str]], give_up_s: float
) -> None:
    """Write rows anew without what was forgotten; those that have it are to be deleted then."""
    parameters = _scope(database, [], forgotten)
    until_it_passes(give_up_s, partial(client.command, statement, parameters=parameters, settings=INSERT_SETTINGS))


def _delete(
    client: Client, database: str, table: str, users: list[str], forgotten: list[tuple[str, str]], give_up_s: float
) -> None:
    statement = _DELETE.format(table=table, condition=_condition(table, forgotten))
    parameters = _scope(database, users, forgotten)
    until_it_passes(give_up_s, partial(client.command, statement, parameters=parameters, settings=_SYNCHRONOUS))


def _condition(table: str, forgotten: list[tuple[str, str]]) -> str:
    whole = [f"{column} IN {{whole:Array(String)}}" for column in PERSONAL_TABLES[table]]
    return " OR ".join([*whole, *([_FORGOTTEN[table]] if forgotten else [])])


def _scope(database: str, whole: list[str], forgotten: list[tuple[str, str]]) -> dict[str, Any]:
    """Parameters: users whose rows go, and (user, tag group) pairs whose rows do."""
    users, groups = [user for user, _ in forgotten], [group for _, group in forgotten]
    return {"database": database, "whole": whole, "users": users, "groups": groups}
