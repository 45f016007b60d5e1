"""Which identifiers belong to whom."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client


def identifiers_now_of(client: Client, database: str, person: str) -> list[str]:
    """Pseudonyms of the identifiers whose newest link is to the person."""
    rows = client.query(
        "SELECT identifier FROM {database:Identifier}.identity_links GROUP BY identifier "
        "HAVING argMax(person, (valid_from, person)) = {person:String} ORDER BY identifier",
        parameters={"database": database, "person": person},
    ).result_rows
    return [str(row[0]) for row in rows]
