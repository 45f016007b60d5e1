"""Creating and migrating the project's tables.

Numbered SQL files in ``schemas/clickhouse/`` are applied in order, once, each recorded with its checksum. Statements
are written to be repeatable, so two workers migrating at once do no harm. Alembic was considered; see
docs/decisions/0005-migrations.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from importlib import resources

from clickhouse_connect.driver.client import Client

from schemas.outputs import RuleDocument
from schemas.tag_group import TagGroup


class MigrationError(RuntimeError):
    """The database was migrated by a newer build, or an applied file was edited."""


def migrate(client: Client, database: str) -> list[str]:
    """Bring the database to the newest version; returns the names of the files applied now."""
    scope = {"database": database}
    client.command("CREATE DATABASE IF NOT EXISTS {database:Identifier}", parameters=scope)
    client.command(
        "CREATE TABLE IF NOT EXISTS {database:Identifier}.schema_migrations (name String, checksum String, "
        "applied_at DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = ReplacingMergeTree(applied_at) ORDER BY name",
        parameters=scope,
    )
    recorded = client.query(
        "SELECT name, checksum FROM {database:Identifier}.schema_migrations FINAL", parameters=scope
    )
    applied: dict[str, str] = {str(row[0]): str(row[1]) for row in recorded.result_rows}
    files = sorted(
        (f for f in resources.files("schemas.clickhouse").iterdir() if f.name.endswith(".sql")), key=lambda f: f.name
    )
    unknown = sorted(set(applied) - {f.name for f in files})
    if unknown:
        msg = f"database {database} holds migrations this build does not know: {unknown}; run the newer build"
        raise MigrationError(msg)
    done = []
    for file in files:
        text = file.read_text()
        checksum = sha256(text.encode()).hexdigest()
        if applied.get(file.name) == checksum:
            continue
        if file.name in applied:
            msg = f"migration {file.name} was edited after it was applied to {database}: put changes into a new file"
            raise MigrationError(msg)
        for statement in text.split(";\n"):
            if statement.strip():
                client.command(statement, parameters=scope)
        client.insert(f"{database}.schema_migrations", [[file.name, checksum]], column_names=["name", "checksum"])
        done.append(file.name)
    return done


def publish_groups(client: Client, database: str, groups: dict[str, TagGroup], half_lives_ms: dict[str, int]) -> None:
    """Write the catalogue of tag groups with the half-lives in force; the documented queries join it."""
    rows = [
        {
            "tag_group": g.name,
            "kind": g.kind,
            "half_life_ms": half_lives_ms[g.name],
            "unit": g.unit,
            "meaning": g.meaning,
            "family": g.family,
            "purpose": g.purpose,
            "sensitivity": g.sensitivity,
            "version": g.version,
            "sources": list(g.sources),
            "stores": g.stores,
            "rebuilt": g.drift != "",
        }
        for g in groups.values()
    ]
    if rows:
        client.insert(f"{database}.tag_groups", [list(row.values()) for row in rows], column_names=list(rows[0]))


def publish_rules(client: Client, database: str, rules: Sequence[RuleDocument]) -> None:
    """Write versions of trigger rules, so that their triggers can be explained; a repeated one replaces itself."""
    if rules:
        client.insert(f"{database}.trigger_rules", rules, column_names=list(RuleDocument._fields))
