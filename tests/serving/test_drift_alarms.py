"""Alarms, shifts of everybody and daily shares, as they are read back from ClickHouse."""

from __future__ import annotations

from datetime import date

import pytest
from alarm_rows import DAY_MS, T0_MS, alarm, write_alarms, write_evidence, write_fleet_alarms
from clickhouse_connect.driver.client import Client

from schemas.outputs import FleetAlarm
from serving.daily_shares import DayOfTag, daily_shares
from serving.drift_alarms import AlarmCount, alarm_counts, alarms_of, alarms_of_kind, newest_alarms
from serving.fleet_shifts import FleetShift, fleet_shifts, together

pytestmark = pytest.mark.stores

HOUR_MS = 3_600_000
OFFSET_MS = 8 * HOUR_MS


def test_a_persons_alarms_come_back_as_written_oldest_first(clickhouse_client: Client, database: str) -> None:
    volume = alarm(kind="volume", day=5, since_day=3, rose=[], fell=[("", 30.0, 8.0)], status="noted", factor=1.0)
    written = [alarm(day=40, since_day=33), alarm(), volume]
    write_alarms(clickhouse_client, database, [*written, alarm(user="v")])
    assert alarms_of(clickhouse_client, database, "u") == [volume, alarm(), alarm(day=40, since_day=33)]
    assert alarms_of(clickhouse_client, database, "nobody") == []
    assert alarms_of_kind(clickhouse_client, database, "volume") == [volume]


def test_the_newest_word_on_an_alarm_counts(clickhouse_client: Client, database: str) -> None:
    write_alarms(clickhouse_client, database, [alarm(status="provisional")])
    write_alarms(clickhouse_client, database, [alarm(status="refined")])
    assert [each.status for each in alarms_of(clickhouse_client, database, "u")] == ["refined"]
    assert alarm_counts(clickhouse_client, database) == [AlarmCount("shares", "refined", 1)]


def test_newest_alarms_and_their_counts(clickhouse_client: Client, database: str) -> None:
    write_alarms(clickhouse_client, database, [alarm(user=f"u{day}", day=day) for day in (20, 22, 21)])
    write_alarms(clickhouse_client, database, [alarm(kind="volume", day=30, status="noted")])
    assert [each.user for each in newest_alarms(clickhouse_client, database, 2)] == ["u", "u22"]
    assert [each.user for each in newest_alarms(clickhouse_client, database, 9, "shares")] == ["u22", "u21", "u20"]
    counts = [AlarmCount("shares", "refined", 3), AlarmCount("volume", "noted", 1)]
    assert alarm_counts(clickhouse_client, database) == counts
    assert alarm_counts(clickhouse_client, database, "volume") == counts[1:]


def test_days_are_local_and_each_piece_of_evidence_counts_once(clickhouse_client: Client, database: str) -> None:
    before_midnight, after_midnight = T0_MS + 16 * HOUR_MS - 1, T0_MS + 16 * HOUR_MS
    rows = [
        ("u", "content:games", before_midnight, 1, 1.0),
        ("u", "content:games", after_midnight, 2, 7.5),
        ("u", "content:games", after_midnight, 3, 1.0),
        ("u", "content:music", after_midnight, 4, 1.0),
        ("u", "content:music", after_midnight, 5, 0.0),  # worth nothing
        ("u", "app:x", after_midnight, 4, 1.0),  # not watched
        ("v", "content:games", after_midnight, 1, 1.0),
    ]
    write_evidence(clickhouse_client, database, rows)
    write_evidence(clickhouse_client, database, rows)  # a replay
    assert daily_shares(clickhouse_client, database, "u", {"content", "quantity"}, OFFSET_MS) == [
        DayOfTag(date(2026, 1, 1), "content:games", 1),
        DayOfTag(date(2026, 1, 2), "content:games", 2),
        DayOfTag(date(2026, 1, 2), "content:music", 1),
    ]
    assert daily_shares(clickhouse_client, database, "nobody", {"content"}, OFFSET_MS) == []


def test_shards_that_notice_together_are_one_shift(clickhouse_client: Client, database: str) -> None:
    alarms = [
        FleetAlarm(3, T0_MS, 40, 300, 0.01),
        FleetAlarm(1, T0_MS + 2 * DAY_MS, 30, 300, 0.01),
        FleetAlarm(3, T0_MS + 3 * DAY_MS, 10, 300, 0.01),
        FleetAlarm(1, T0_MS + 3 * DAY_MS + 1, 5, 300, 0.01),
    ]
    expected = [
        FleetShift(T0_MS, T0_MS + 3 * DAY_MS, [1, 3], 70),
        FleetShift(T0_MS + 3 * DAY_MS + 1, T0_MS + 3 * DAY_MS + 1, [1], 5),
    ]
    assert together(alarms) == expected
    assert fleet_shifts(clickhouse_client, database) == []
    for run in ("first", "again"):
        write_fleet_alarms(clickhouse_client, database, run, alarms)
    assert fleet_shifts(clickhouse_client, database) == expected
