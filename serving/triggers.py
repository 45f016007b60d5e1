"""Reading from ClickHouse what fired: receipts, counts and latencies of rules, and the rules as they were then."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any

import msgspec
from clickhouse_connect.driver.client import Client
from msgspec import Struct

from schemas.outputs import Receipt, RuleDocument, Trigger

_RECEIPTS = """
SELECT
    id, user, rule, version, scene, purpose, priority, cause, episode, toUnixTimestamp64Milli(arose_at) AS at_ms,
    toUnixTimestamp64Milli(decided_at), shadow, feed, log, partition, offset, event_id, values, payload,
    toUnixTimestamp64Milli(sent_at)
FROM {database:Identifier}.triggers FINAL
"""

_BY_ID = _RECEIPTS + "WHERE id = {id:String} LIMIT 1"

_NEWEST = _RECEIPTS + (
    "WHERE (empty({user:String}) OR user = {user:String}) AND (empty({rule:String}) OR rule = {rule:String}) "
    "ORDER BY at_ms DESC, rule, id LIMIT {limit:UInt32}"
)

_BETWEEN = """
FROM {database:Identifier}.triggers FINAL
WHERE toUnixTimestamp64Milli(arose_at) >= {from_ms:Int64} AND toUnixTimestamp64Milli(arose_at) < {until_ms:Int64}
"""

_COUNTS = f"""
SELECT rule, count() AS fired, uniqExact(user), countIf(shadow)
{_BETWEEN}
GROUP BY rule
ORDER BY fired DESC, rule
"""

_LATENCIES = f"""
SELECT
    rule, count(), quantilesExact(0.5, 0.95, 0.99)(assumeNotNull(decided_to_sent_ms)),
    quantilesExact(0.5, 0.95, 0.99)(assumeNotNull(arose_to_sent_ms))
{_BETWEEN} AND sent_at != 0
GROUP BY rule
ORDER BY rule
"""

_RULE = """
SELECT document FROM {database:Identifier}.trigger_rules FINAL
WHERE rule = {rule:String} AND version = {version:UInt32}
"""


_RULES = """
SELECT rule, version, document FROM {database:Identifier}.trigger_rules FINAL
ORDER BY rule, version
"""


class RuleCount(Struct, frozen=True):
    """How often a rule fired, for how many people, and how many of the times in shadow."""

    rule: str
    fired: int
    people: int
    shadow: int


class Latency(Struct, frozen=True):
    """Milliseconds that half, 95 % and 99 % of the triggers took at most."""

    p50_ms: int
    p95_ms: int
    p99_ms: int


class RuleLatency(Struct, frozen=True):
    """How fast a rule's triggers could be read.

    Attributes
    ----------
    rule
        Which.
    sent
        How many were.
    decided_to_sent
        From the rule's firing; the clocks of the job and of Redis, which may differ.
    arose_to_sent
        From the event, or the instant at which time alone made it fire. Of a replay this is the age of its events.
    """

    rule: str
    sent: int
    decided_to_sent: Latency
    arose_to_sent: Latency


def receipt_of(client: Client, database: str, trigger: str) -> Receipt | None:
    """The receipt of a trigger by its id; None if there is none."""
    found = _receipts(client, _BY_ID, {"database": database, "id": trigger})
    return found[0] if found else None


def newest_receipts(client: Client, database: str, user: str, limit: int, rule: str = "") -> list[Receipt]:
    """The newest `limit` receipts by event time, newest first; of a person (pseudonym) and a rule, empty: of all."""
    return _receipts(client, _NEWEST, {"database": database, "user": user, "rule": rule, "limit": limit})


def rule_counts(client: Client, database: str, from_ms: int, until_ms: int) -> list[RuleCount]:
    """Of every rule that fired between two event times, until exclusive, how often; most first."""
    return [RuleCount(*row) for row in _rows(client, _COUNTS, _span(database, from_ms, until_ms))]


def rule_latencies(client: Client, database: str, from_ms: int, until_ms: int) -> list[RuleLatency]:
    """Of every rule with triggers sent between two event times, until exclusive, how fast they were; by rule."""
    return [
        RuleLatency(rule, sent, Latency(*decided_to_sent), Latency(*arose_to_sent))
        for rule, sent, decided_to_sent, arose_to_sent in _rows(client, _LATENCIES, _span(database, from_ms, until_ms))
    ]


def rule_document(client: Client, database: str, rule: str, version: int) -> str | None:
    """A version of a rule as it was written, JSON; None if it never took effect."""
    rows = _rows(client, _RULE, {"database": database, "rule": rule, "version": version})
    return str(rows[0][0]) if rows else None


def rule_documents(client: Client, database: str) -> list[RuleDocument]:
    """Every version of every rule that was published or took effect, by rule, the lowest version first."""
    return [RuleDocument(*row) for row in _rows(client, _RULES, {"database": database})]


def _span(database: str, from_ms: int, until_ms: int) -> dict[str, Any]:
    return {"database": database, "from_ms": from_ms, "until_ms": until_ms}


def _receipts(client: Client, query: str, parameters: Mapping[str, Any]) -> list[Receipt]:
    return [
        Receipt(Trigger(*(*fields, _read(values), payload)), sent_ms)
        for *fields, values, payload, sent_ms in _rows(client, query, parameters)
    ]


def _read(values: Mapping[str, str]) -> dict[str, str | float | bool]:
    """Values from the JSON in the column, where a number that is not finite is null."""
    read = {name: msgspec.json.decode(text, type=str | float | bool | None) for name, text in values.items()}
    return {name: nan if value is None else value for name, value in read.items()}


def _rows(client: Client, query: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(query, parameters=dict(parameters)).result_rows]
