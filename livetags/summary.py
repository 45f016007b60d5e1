"""What a person wants to see after a run: the most changed tags."""

from __future__ import annotations

from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

# Total decayed weight of each tag over all users at the newest event, and one half-life before it. Ranked by how much
# of its group the tag gained or lost: units of different groups can't be compared, shares can.
_MOST_CHANGED = """
WITH toUnixTimestamp64Milli((SELECT max(event_time) FROM {database:Identifier}.tag_evidence)) AS newest_ms
SELECT tag, before, now, before_share, now_share, unit
FROM
(
    SELECT
        tag,
        any(unit) AS unit,
        sum(value * exp2(-(newest_ms - toUnixTimestamp64Milli(event_time)) / half_life_ms)) AS now,
        -- the newest time comes from a subquery, so it is Nullable, and a sum over no row would be NULL
        ifNull(sumIf(value * exp2(1 - (newest_ms - toUnixTimestamp64Milli(event_time)) / half_life_ms),
                     toUnixTimestamp64Milli(event_time) <= newest_ms - half_life_ms), 0) AS before,
        sum(now) OVER (PARTITION BY any(tag_group)) AS group_now,
        sum(before) OVER (PARTITION BY any(tag_group)) AS group_before,
        if(group_now = 0, 0, now / group_now) AS now_share,
        if(group_before = 0, 0, before / group_before) AS before_share
    FROM {database:Identifier}.tag_evidence AS e FINAL
    INNER JOIN (SELECT * FROM {database:Identifier}.tag_groups FINAL) AS g ON g.tag_group = e.tag_group
    WHERE g.kind = 'weight'
    GROUP BY tag
)
-- a group nobody had a half-life ago says nothing about change
QUALIFY group_before > 0
ORDER BY abs(now_share - before_share) DESC, tag
LIMIT {count:UInt32}
"""


@dataclass(frozen=True)
class ChangedTag:
    """A tag's total weight over all users and its share of its group, a half-life before the newest event and at it."""

    tag: str
    before: float
    now: float
    before_share: float
    now_share: float
    unit: str


def most_changed_tags(client: Client, database: str, count: int) -> list[ChangedTag]:
    """The tags whose share of their group changed most within their last half-life."""
    rows = client.query(_MOST_CHANGED, parameters={"database": database, "count": count}).result_rows
    return [ChangedTag(*row) for row in rows]
