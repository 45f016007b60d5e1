"""What a person wants to see after a run: the most changed tags."""

from __future__ import annotations

from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

# Total decayed weight of each tag over all users at the newest event, and one half-life before it.
_MOST_CHANGED = """
WITH (SELECT max(event_time) FROM {database:Identifier}.tag_evidence) AS newest
SELECT
    tag,
    sum(value * exp2(-(toUnixTimestamp64Milli(newest) - toUnixTimestamp64Milli(event_time)) / half_life_ms)) AS now,
    sumIf(value * exp2(1 - (toUnixTimestamp64Milli(newest) - toUnixTimestamp64Milli(event_time)) / half_life_ms),
          toUnixTimestamp64Milli(event_time) <= toUnixTimestamp64Milli(newest) - half_life_ms) AS before,
    any(unit) AS unit
FROM {database:Identifier}.tag_evidence AS e FINAL
INNER JOIN (SELECT * FROM {database:Identifier}.tag_groups FINAL) AS g ON g.tag_group = e.tag_group
WHERE g.kind = 'weight'
GROUP BY tag
ORDER BY abs(now - before) DESC
LIMIT {count:UInt32}
"""


@dataclass(frozen=True)
class ChangedTag:
    """A tag's total weight over all users, one half-life before the newest event and at it."""

    tag: str
    before: float
    now: float
    unit: str


def most_changed_tags(client: Client, database: str, count: int) -> list[ChangedTag]:
    """The tags whose total weight changed most within their last half-life."""
    rows = client.query(_MOST_CHANGED, parameters={"database": database, "count": count}).result_rows
    return [ChangedTag(tag, before, now, unit) for tag, now, before, unit in rows]
