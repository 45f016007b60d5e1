"""Migrating a database that holds data, and the published catalogue."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas.outputs import DeadLetter, HistoryBatch, Removal, ShardCounts
from schemas.tag_group import FOREVER_DAYS, TagGroup
from sinks import clickhouse_schema
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.clickhouse_schema import migrate, publish_groups

pytestmark = pytest.mark.stores

T0_MS = 1_767_225_600_000
OLD_LETTER = "'dpi', 'log', 0, 7, 'malformed'"


@pytest.fixture
def old_database(clickhouse_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database made by the first migration alone, with a row in each table."""
    name = f"t{uuid.uuid4().hex[:8]}"
    first = "0001_first_tables.sql"
    (tmp_path / first).write_text((resources.files("schemas.clickhouse") / first).read_text())
    with monkeypatch.context() as patched:
        patched.setattr(clickhouse_schema.resources, "files", lambda package: tmp_path)
        assert migrate(clickhouse_client, name) == [first]
    for statement in (
        "tag_groups (tag_group, kind, half_life_ms) VALUES ('app', 'numeric', 5)",
        f"tag_evidence (user, tag, event_time, event_id) VALUES ('u', 'app:a', {T0_MS / 1000:.3f}, 1)",
        f"dead_letters (feed, log, partition, offset, reason) VALUES ({OLD_LETTER})",
        "run_counts (run_id, shard, events_in, rejected) VALUES ('old', 0, 1, map('dpi/malformed', 1))",
    ):
        clickhouse_client.command(f"INSERT INTO {name}.{statement}")
    yield name
    clickhouse_client.command(f"DROP DATABASE {name}")


def rows(client: Client, database: str, table: str, columns: str) -> list[tuple[Any, ...]]:
    return [tuple(r) for r in client.query(f"SELECT {columns} FROM {database}.{table} FINAL ORDER BY ALL").result_rows]


def test_a_database_with_data_is_migrated(clickhouse: str, clickhouse_client: Client, old_database: str) -> None:
    assert "0002_privacy_and_facts.sql" in migrate(clickhouse_client, old_database)
    assert migrate(clickhouse_client, old_database) == []
    assert rows(clickhouse_client, old_database, "dead_letters", "offset, user") == [(7, "")]
    assert rows(clickhouse_client, old_database, "run_counts", "events_in, rejected, corrected") == [
        (1, {"dpi/malformed": 1}, {})
    ]
    assert rows(clickhouse_client, old_database, "tag_groups", "tag_group, kind, version, sources, stores") == [
        ("app", "numeric", 0, [], "")
    ]
    assert rows(clickhouse_client, old_database, "tag_evidence", "event_id, number") == [(1, 0)]
    sink = ClickHouseHistorySink(clickhouse, old_database, "new", 5.0, 10.0)
    sink.write_batch(
        [
            HistoryBatch(
                dead_letters=[DeadLetter("dpi", "log", 0, 7, "malformed", "u")],
                counts=ShardCounts(1, 2, 2, corrected={"dpi/cell_moved": 2}),
            )
        ]
    )
    assert rows(clickhouse_client, old_database, "dead_letters", "offset, user") == [(7, "u")]
    assert rows(clickhouse_client, old_database, "run_counts", "run_id, corrected") == [
        ("new", {"dpi/cell_moved": 2}),
        ("old", {}),
    ]
    sink.write_batch([HistoryBatch(removals=[Removal("erase", "u", time_ms=T0_MS)])])
    assert rows(clickhouse_client, old_database, "tag_evidence", "user") == []
    assert "u" not in str(rows(clickhouse_client, old_database, "dead_letters", "user"))


def test_the_statements_are_repeatable(clickhouse_client: Client, old_database: str) -> None:
    """Two workers may migrate at once, and one may die between two statements."""
    migrate(clickhouse_client, old_database)
    clickhouse_client.command(f"TRUNCATE TABLE {old_database}.schema_migrations")
    assert {"0001_first_tables.sql", "0002_privacy_and_facts.sql"} <= set(migrate(clickhouse_client, old_database))
    assert rows(clickhouse_client, old_database, "dead_letters", "offset, user") == [(7, "")]


def test_the_catalogue_says_everything_of_a_group(clickhouse_client: Client, database: str) -> None:
    plan = TagGroup(
        "plan",
        "fact",
        "present",
        FOREVER_DAYS,
        "what the person pays for",
        family="base",
        sources=("billing", "order"),
        purpose="service",
        sensitivity="low",
        stores="history",
        version=3,
    )
    watched = TagGroup("seen", "weight", "events", 7.0, "what a person turns to", drift="watched")
    groups = {group.name: group for group in (plan, watched)}
    publish_groups(clickhouse_client, database, groups, {name: group.half_life_ms for name, group in groups.items()})
    columns = "kind, half_life_ms, unit, meaning, family, purpose, sensitivity, version, sources, stores"
    found = rows(clickhouse_client, database, "tag_groups", f"tag_group, {columns}")
    assert [row[1:] for row in found if row[0] == "plan"] == [
        (
            "fact",
            86_400_000_000_000,
            "present",
            "what the person pays for",
            "base",
            "service",
            "low",
            3,
            ["billing", "order"],
            "history",
        )
    ]
    flags = dict(rows(clickhouse_client, database, "tag_groups", "tag_group, rebuilt"))
    assert (flags["plan"], flags["seen"]) == (False, True)
    publish_groups(clickhouse_client, database, {}, {})


def test_the_newest_erasure_stays_rather_with_its_request(clickhouse_client: Client, database: str) -> None:
    """Whatever the order of writing, as two writers at once may have it."""
    for at_ms, request in ((5_000, ""), (9_000, "r-1"), (9_000, ""), (7_000, "r-0"), (-5, "")):
        clickhouse_client.insert(
            f"{database}.erasures",
            [["u", at_ms, request]],
            column_names=["user", "erased_at", "request"],
            column_type_names=["String", "DateTime64(3, 'UTC')", "String"],
        )
    columns = "user, toUnixTimestamp64Milli(erased_at), request"
    assert rows(clickhouse_client, database, "erasures", columns) == [("u", 9_000, "r-1")]
