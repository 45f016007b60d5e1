"""Reading the dead letters from ClickHouse: how many for which reason, and where they lie. Never what they said."""

from __future__ import annotations

from datetime import datetime

from clickhouse_connect.driver.client import Client
from msgspec import Struct

_COUNTS = """
SELECT feed, reason, count() AS records
FROM {database:Identifier}.dead_letters FINAL
WHERE {feed:String} = '' OR feed = {feed:String}
GROUP BY feed, reason
ORDER BY records DESC, feed, reason
"""

_NEWEST = """
SELECT feed, reason, log, partition, offset, rejected_at
FROM {database:Identifier}.dead_letters FINAL
WHERE {feed:String} = '' OR feed = {feed:String}
ORDER BY rejected_at DESC, feed, log, partition, offset DESC
LIMIT {last:UInt32}
"""


class RejectCount(Struct, frozen=True):
    """Records of one feed refused for one reason."""

    feed: str
    reason: str
    records: int


class RejectedRecord(Struct, frozen=True):
    """Where one refused record lies, and why it was refused."""

    feed: str
    reason: str
    log: str
    partition: int
    offset: int
    rejected_at: datetime


def reject_counts(client: Client, database: str, feed: str = "") -> list[RejectCount]:
    """Dead letters by feed and reason, most first; of one feed if named."""
    rows = client.query(_COUNTS, parameters={"database": database, "feed": feed}).result_rows
    return [RejectCount(*row) for row in rows]


def newest_rejects(client: Client, database: str, last: int, feed: str = "") -> list[RejectedRecord]:
    """The newest `last` dead letters; of one feed if named."""
    rows = client.query(_NEWEST, parameters={"database": database, "feed": feed, "last": last}).result_rows
    return [RejectedRecord(*row) for row in rows]
