"""Reading what a person turned to, day by day, from the history."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from clickhouse_connect.driver.client import Client
from msgspec import Struct

from serving.history import query_text


class DayOfTag(Struct, frozen=True):
    """Events of one local day that were evidence for a tag (``<group>:<name>``)."""

    day: date
    tag: str
    events: int


def daily_shares(client: Client, database: str, user: str, groups: Iterable[str], utc_offset_ms: int) -> list[DayOfTag]:
    """Events per local day and tag, by day, most first; a share is a tag's events by those of its day.

    Parameters
    ----------
    user
        Pseudonym.
    groups
        Tag groups that count: those drift is noticed by.
    utc_offset_ms
        Local time minus UTC, milliseconds.
    """
    parameters = {"database": database, "user": user, "groups": sorted(groups), "utc_offset_ms": utc_offset_ms}
    rows = client.query(query_text("daily_shares"), parameters=parameters).result_rows
    return [DayOfTag(*row) for row in rows]
