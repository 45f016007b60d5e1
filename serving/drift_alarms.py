"""Reading from ClickHouse which changes of behaviour were noticed, and what became of the rebuilds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clickhouse_connect.driver.client import Client
from msgspec import Struct

from schemas.outputs import Alarm

_COLUMNS = """
SELECT
    user, kind, toUnixTimestamp64Milli(alarm_at) AS at_ms, toUnixTimestamp64Milli(since) AS since_ms,
    generation, number, evidence, distance_bits, rose, fell, status, factor
FROM {database:Identifier}.drift_alarms FINAL
"""

_OF_USER = _COLUMNS + "WHERE user = {user:String} ORDER BY at_ms, kind"

_OF_KIND = _COLUMNS + "WHERE kind = {kind:String} ORDER BY user, at_ms"

_NEWEST = (
    _COLUMNS + "WHERE {kind:String} = '' OR kind = {kind:String} ORDER BY at_ms DESC, user, kind LIMIT {limit:UInt32}"
)

_COUNTS = """
SELECT kind, status, count() AS alarms
FROM {database:Identifier}.drift_alarms FINAL
WHERE {kind:String} = '' OR kind = {kind:String}
GROUP BY kind, status
ORDER BY alarms DESC, kind, status
"""


class AlarmCount(Struct, frozen=True):
    """Alarms of one kind whose rebuild has come to one status."""

    kind: str
    status: str
    alarms: int


def alarms_of(client: Client, database: str, user: str) -> list[Alarm]:
    """Every alarm of a person (pseudonym), oldest first."""
    return _alarms(client, _OF_USER, {"database": database, "user": user})


def alarms_of_kind(client: Client, database: str, kind: str) -> list[Alarm]:
    """Every alarm of a kind (``shares``, ``volume`` or ``by_hand``), by person, oldest first."""
    return _alarms(client, _OF_KIND, {"database": database, "kind": kind})


def newest_alarms(client: Client, database: str, limit: int, kind: str = "") -> list[Alarm]:
    """The newest `limit` alarms of everybody by event time, newest first; of one kind if named."""
    return _alarms(client, _NEWEST, {"database": database, "limit": limit, "kind": kind})


def alarm_counts(client: Client, database: str, kind: str = "") -> list[AlarmCount]:
    """Alarms by kind and status, most first; of one kind if named."""
    rows = client.query(_COUNTS, parameters={"database": database, "kind": kind}).result_rows
    return [AlarmCount(*row) for row in rows]


def _alarms(client: Client, query: str, parameters: Mapping[str, Any]) -> list[Alarm]:
    rows = client.query(query, parameters=dict(parameters)).result_rows
    return [
        Alarm(
            user, kind, at_ms, since_ms, generation, number, sure, bits, _changes(rose), _changes(fell), status, factor
        )
        for user, kind, at_ms, since_ms, generation, number, sure, bits, rose, fell, status, factor in rows
    ]


def _changes(named: list[Any]) -> list[tuple[str, float, float]]:
    """Share changes from what the client makes of a tuple with names: a map, or a tuple."""
    return [
        (each["tag"], each["before"], each["since"]) if isinstance(each, dict) else (each[0], each[1], each[2])
        for each in named
    ]
