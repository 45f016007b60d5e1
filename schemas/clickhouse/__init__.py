"""ClickHouse tables: numbered SQL files, applied in order by sinks/clickhouse_schema.py."""

from __future__ import annotations

PERSONAL_TABLES = {
    "tag_evidence": ("user",),
    "dead_letters": ("user",),
    "exports": ("user",),
    "drift_alarms": ("user",),
    "triggers": ("user",),
}
"""Tables with rows about a person -> the columns that name one. A test compares this with the database.

Two tables are none of them, and must stay: ``erasures``, the record that a person was erased, and ``identity_links``,
without which nobody could tell whose later records are.
"""
