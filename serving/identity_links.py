"""Which identifiers belong to whom."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client


def person_now_of(client: Client, database: str, identifiers: list[str]) -> str | None:
    """Pseudonym of the person that the newest link of any of the identifiers' pseudonyms names; None without a link."""
    rows = client.query(
        "SELECT argMax(person, (valid_from, person)) FROM {database:Identifier}.identity_links "
        "WHERE identifier IN {identifiers:Array(String)} HAVING count() > 0",
        parameters={"database": database, "identifiers": identifiers},
    ).result_rows
    return str(rows[0][0]) if rows else None


def identifiers_now_of(client: Client, database: str, person: str) -> list[str]:
    """Pseudonyms of the identifiers whose newest link is to the person."""
    rows = client.query(
        "SELECT identifier FROM {database:Identifier}.identity_links GROUP BY identifier "
        "HAVING argMax(person, (valid_from, person)) = {person:String} ORDER BY identifier",
        parameters={"database": database, "person": person},
    ).result_rows
    return [str(row[0]) for row in rows]
