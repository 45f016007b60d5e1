"""The history as the rebuild reader asks it, against the embedded ClickHouse."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from jobs.operators.rebuild_history import RebuildHistory, history_of_alarms
from jobs.operators.rebuild_reader import key_of
from schemas.outputs import Alarm, AlarmKind, AlarmStatus, FoldedEvent, HistoryBatch
from schemas.settings import Settings
from sinks.clickhouse_client import connect
from sinks.clickhouse_history import ClickHouseHistorySink
from udfs.tags import GROUPS

pytestmark = pytest.mark.stores

T0_MS = 1_767_225_600_000
HOUR_MS = 3_600_000


@pytest.fixture
def sink(clickhouse: str, database: str) -> ClickHouseHistorySink:
    return ClickHouseHistorySink(clickhouse, database, "run", 5.0, 10.0)


def alarm_of(
    user: str,
    since_hour: int,
    seq: int,
    generation: int = 1,
    status: AlarmStatus = "provisional",
    kind: AlarmKind = "shares",
) -> Alarm:
    at_ms = T0_MS + 99 * HOUR_MS + generation
    since_ms = T0_MS + since_hour * HOUR_MS
    return Alarm(user, kind, at_ms, since_ms, generation, seq, 2.0, 0.3, status=status, factor=0.125)


def event_of(user: str, hour: int, number: int) -> FoldedEvent:
    evidence = [("content", "games", 1.0), ("flow_mb", "all", 2.0 + hour), ("traffic", "up", 3.0)]
    return ("dpi", user, T0_MS + hour * HOUR_MS, number, evidence, number)


def test_what_was_folded_before_and_happened_since_in_the_groups_that_are_rebuilt(
    sink: ClickHouseHistorySink, clickhouse: str, database: str
) -> None:
    settings = Settings(clickhouse_url=SecretStr(clickhouse), clickhouse_database=database)
    history = history_of_alarms(settings, GROUPS)
    # the hours of events numbered 1, 2 ...: the third came late, the last after the alarm
    hours = {"u": [1, 5, 2, 9, 6], "v": [3]}
    sink.write_batch([HistoryBatch([event_of(u, hour, n) for u in hours for n, hour in enumerate(hours[u], 1)])])
    alarms = [alarm_of("u", 5, 4), alarm_of("v", 3, 1), alarm_of("w", 0, 7)]
    found = history.recent(alarms)
    assert set(found) == {key_of(alarm) for alarm in alarms}

    def pieces(hour: int) -> list[tuple[str, str, int, float, float]]:
        time_ms = T0_MS + hour * HOUR_MS
        return [("content", "games", time_ms, 1.0, 1.0), ("flow_mb", "all", time_ms, 2.0 + hour, 1.0)]

    of_u, of_v, of_w = (sorted(tuple(piece) for piece in found[key_of(alarm)]) for alarm in alarms)
    assert of_u == sorted([*pieces(5), *pieces(9)])
    assert of_v == sorted(pieces(3))
    assert of_w == []
    history.close()


def test_an_alarm_is_written_once_it_can_be_read(sink: ClickHouseHistorySink, clickhouse: str, database: str) -> None:
    history = RebuildHistory(connect(clickhouse, 5.0), database, ["content"])
    alarms = [alarm_of("u", 5, 4), alarm_of("u", 5, 4, kind="by_hand"), alarm_of("v", 5, 4)]
    assert history.written(alarms) == set()
    assert history.written([]) == set()
    sink.write_batch([HistoryBatch(alarms=[alarms[0], alarms[2]])])
    assert history.written(alarms) == {key_of(alarms[0]), key_of(alarms[2])}
    assert history.written([alarm_of("u", 5, 4, generation=2)]) == set(), "another time"
    history.close()


def test_what_earlier_rebuilds_have_left_is_said_and_their_own_alarm_takes_nothing(
    sink: ClickHouseHistorySink, clickhouse_client: Client, database: str
) -> None:
    history = RebuildHistory(clickhouse_client, database, ["content"])
    earlier, mine = alarm_of("u", 5, 2, 1, "refined"), alarm_of("u", 1, 4, 2)
    events = [event_of("u", hour, number) for number, hour in enumerate((1, 5, 2, 9), 1)]
    sink.write_batch([HistoryBatch(events, alarms=[earlier, mine])])
    kept = {piece[2]: piece[4] for piece in history.recent([mine])[key_of(mine)]}
    assert kept == {T0_MS + hour * HOUR_MS: left for hour, left in ((1, 0.125), (5, 1.0), (2, 1.0), (9, 1.0))}
