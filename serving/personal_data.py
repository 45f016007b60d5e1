"""Everything held of one pseudonym, for its owner's copy and for the receipt of an erasure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import redis
from clickhouse_connect.driver.client import Client

from schemas.clickhouse import PERSONAL_TABLES
from schemas.redis_keys import (
    evidence_key,
    identifier_key,
    profile_key,
    tombstone_key,
    trigger_entries_key,
    trigger_stream_key,
)

_MS = "toUnixTimestamp64Milli({0}) AS {0}_ms".format

# Of an earlier copy its name only: copies within copies would double with each
_COLUMNS = {
    "tag_evidence": ("feed", "tag", _MS("event_time"), "event_id", "value", _MS("ingested_at")),
    "dead_letters": ("feed", "log", "partition", "offset", "reason", _MS("rejected_at")),
    "exports": ("request", "part", _MS("written_at")),
    "drift_alarms": (
        "kind",
        _MS("alarm_at"),
        _MS("since"),
        "generation",
        "number",
        "evidence",
        "distance_bits",
        "rose",
        "fell",
        "status",
        "factor",
        _MS("written_at"),
    ),
    "triggers": (
        "id",
        "rule",
        "version",
        "scene",
        "purpose",
        "priority",
        "cause",
        "episode",
        _MS("arose_at"),
        _MS("decided_at"),
        _MS("sent_at"),
        "shadow",
        "feed",
        "log",
        "partition",
        "offset",
        "event_id",
        "values",
        "payload",
        _MS("written_at"),
    ),
    "identity_links": ("identifier", "person", _MS("valid_from"), _MS("written_at")),
    "erasures": (_MS("erased_at"), "request", _MS("written_at")),
}


def collect(clickhouse: Client, database: str, redis_client: redis.Redis, prefix: str, user: str) -> dict[str, Any]:
    """Everything the stores hold of the pseudonym, as JSON can hold it.

    Returns
    -------
    found
        ``hot_profile`` (fields as text), ``hot_evidence`` (tag -> time of the newest evidence), ``hot_identifier`` (the
        person it belongs to, None unless it is an identifier), ``trigger_stream`` (triggers as they were sent), a list
        of objects for each table, and ``erased_ms``, the tombstone in Redis (None without one). Times are milliseconds
        since the epoch.
    """
    # MULTI/EXEC: profile and evidence must be of one version
    pipeline = redis_client.pipeline(transaction=True)
    pipeline.hgetall(profile_key(prefix, user))
    pipeline.get(evidence_key(prefix, user))
    pipeline.get(identifier_key(prefix, user))
    pipeline.get(tombstone_key(prefix, user))
    fields, evidence, person, tombstone = pipeline.execute()
    found: dict[str, Any] = {
        "hot_profile": {_text(name): _text(value) for name, value in fields.items()},
        "hot_evidence": json.loads(evidence or "{}"),
        "hot_identifier": None if person is None else _text(person),
        "trigger_stream": _sent(redis_client, prefix, user),
    }
    for table, columns in _COLUMNS.items():
        found[table] = _rows(clickhouse, database, table, columns, user)
    found["erased_ms"] = None if tombstone is None else int(tombstone)
    return found


def held(clickhouse: Client, database: str, redis_client: redis.Redis, prefix: str, user: str) -> dict[str, int]:
    """Place -> how much of the pseudonym is there: keys in Redis, entries in the stream, rows of each table.

    All 0: nothing but the records of an erasure. The places are those of the receipt of `sinks.erasure.erase`.
    """
    counts = {
        "hot_profile": cast(int, redis_client.exists(profile_key(prefix, user))),
        "hot_evidence": cast(int, redis_client.exists(evidence_key(prefix, user))),
        "trigger_stream": cast(int, redis_client.llen(trigger_entries_key(prefix, user))),
    }
    for table in PERSONAL_TABLES:
        counts[table] = clickhouse.query(
            f"SELECT count() FROM {{database:Identifier}}.{table} FINAL WHERE {_named(table)}",
            parameters={"database": database, "user": user},
        ).result_rows[0][0]
    return counts


def _sent(client: redis.Redis, prefix: str, user: str) -> list[dict[str, Any]]:
    """The user's triggers that are in the stream, oldest first."""
    pipeline = client.pipeline(transaction=False)
    for entry in cast(list[bytes | str], client.lrange(trigger_entries_key(prefix, user), 0, -1)):
        # a client that decodes would stumble over the field that is no text
        pipeline.execute_command("XRANGE", trigger_stream_key(prefix), entry, entry, NEVER_DECODE=True)  # type: ignore[no-untyped-call]
    return [json.loads(fields[b"json"]) for entries in pipeline.execute() for _, fields in entries]


def _rows(client: Client, database: str, table: str, columns: Sequence[str], user: str) -> list[dict[str, Any]]:
    rows = client.query(
        f"SELECT {', '.join(columns)} FROM {{database:Identifier}}.{table} FINAL WHERE {_named(table)} ORDER BY ALL",
        parameters={"database": database, "user": user},
    )
    return list(rows.named_results())


def _named(table: str) -> str:
    columns = ("identifier", "person") if table == "identity_links" else ("user",)
    return " OR ".join(f"{column} = {{user:String}}" for column in columns)


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()
