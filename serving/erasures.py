"""Who has been erased, and up to when."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client


def erasures(
    client: Client, database: str, written_before_ms: int | None = None, *, requested: bool = False
) -> dict[str, int]:
    """Pseudonym -> time up to which everything was erased, milliseconds since the epoch.

    Parameters
    ----------
    written_before_ms
        Only those known before this time; None: all.
    requested
        Only those asked for with `livetags erase`, not those the log itself says.
    """
    rows = client.query(
        "SELECT user, toUnixTimestamp64Milli(erased_at) FROM {database:Identifier}.erasures FINAL "
        "WHERE ({before_ms:Int64} < 0 OR toUnixTimestamp64Milli(written_at) < {before_ms:Int64}) "
        "AND (NOT {requested:Bool} OR notEmpty(request))",
        parameters={
            "database": database,
            "before_ms": -1 if written_before_ms is None else written_before_ms,
            "requested": requested,
        },
    ).result_rows
    return {str(user): int(erased_ms) for user, erased_ms in rows}
