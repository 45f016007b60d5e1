"""ClickHouse tables: numbered SQL files, applied in order by sinks/clickhouse_schema.py."""

from __future__ import annotations

PERSONAL_TABLES = {
    "tag_evidence": ("user",),
    "dead_letters": ("user",),
    "exports": ("user",),
    "identity_links": ("identifier", "person"),
}
"""Tables with rows about a person -> the columns that name one. A test compares this with the database.

The table ``erasures`` is none of them: the record that a person was erased must stay.
"""
