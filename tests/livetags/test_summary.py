"""The tags that changed most, on logs short and long."""

from __future__ import annotations

from math import isclose

import pytest
from clickhouse_connect.driver.client import Client
from fold_into_stores import history_of

from livetags.summary import most_changed_tags
from schemas.tag_group import MS_PER_DAY
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.clickhouse_schema import publish_groups
from udfs.tags import GROUPS

pytestmark = pytest.mark.stores

T0_MS = 1_767_225_600_000
Row = tuple[str, str, str, int, int, float]


@pytest.fixture
def write(clickhouse: str, clickhouse_client: Client, database: str) -> ClickHouseHistorySink:
    publish_groups(clickhouse_client, database, GROUPS, {name: group.half_life_ms for name, group in GROUPS.items()})
    return ClickHouseHistorySink(clickhouse, database, "run", 5.0, 10.0)


def test_where_all_happened_within_a_half_life_every_share_begins_at_nothing(
    write: ClickHouseHistorySink, clickhouse_client: Client, database: str
) -> None:
    rows: list[Row] = [("dpi", "u", f"app:{name}", T0_MS, n, 1.0) for n, name in enumerate("aaab")]
    write.write_batch([history_of(rows)])
    first, second = most_changed_tags(clickhouse_client, database, 5)
    assert (first.tag, first.before, first.before_share, first.now, first.now_share) == ("app:a", 0.0, 0.0, 3.0, 0.75)
    assert (second.tag, second.now_share) == ("app:b", 0.25)


def test_a_new_tag_that_took_over_comes_first(
    write: ClickHouseHistorySink, clickhouse_client: Client, database: str
) -> None:
    week_ms = 7 * MS_PER_DAY
    rows: list[Row] = [("dpi", "u", "app:old", T0_MS - week_ms, n, 1.0) for n in range(8)]
    rows += [("dpi", "u", "app:other", T0_MS - week_ms, 100 + n, 1.0) for n in range(8)]
    rows += [("dpi", "u", "app:new", T0_MS, 200 + n, 1.0) for n in range(24)]
    write.write_batch([history_of(rows)])
    changed = most_changed_tags(clickhouse_client, database, 3)
    assert [(tag.tag, tag.before, tag.now) for tag in changed] == [
        ("app:new", 0.0, 24.0),
        ("app:old", 8.0, 4.0),
        ("app:other", 8.0, 4.0),
    ]
    assert isclose(changed[0].now_share, 0.75)
    assert isclose(changed[1].before_share, 0.5)


def test_of_no_evidence_nothing_changed(write: ClickHouseHistorySink, clickhouse_client: Client, database: str) -> None:
    assert most_changed_tags(clickhouse_client, database, 5) == []
