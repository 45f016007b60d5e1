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


def test_a_group_that_nobody_had_a_half_life_ago_says_nothing_about_change(
    write: ClickHouseHistorySink, clickhouse_client: Client, database: str
) -> None:
    rows: list[Row] = [("dpi", "u", f"app:{name}", T0_MS, n, 1.0) for n, name in enumerate("aaab")]
    write.write_batch([history_of(rows)])
    assert most_changed_tags(clickhouse_client, database, 5) == []
    # another group that has a past is shown, and shows nothing of the first
    long_ago_ms = T0_MS - 31 * MS_PER_DAY
    more: list[Row] = [
        ("household", "u", "spend:x", long_ago_ms, 10, 4.0),
        ("household", "u", "spend:y", T0_MS, 11, 4.0),
    ]
    write.write_batch([history_of(more)])
    first, second = most_changed_tags(clickhouse_client, database, 5)
    assert (first.tag, second.tag) == ("spend:x", "spend:y")
    assert (second.before, second.before_share, second.now) == (0.0, 0.0, 4.0)
    assert first.before_share == 1.0
    assert isclose(first.now_share + second.now_share, 1.0)


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
