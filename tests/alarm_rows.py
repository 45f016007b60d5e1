"""Alarms and evidence for tests, written into ClickHouse as the job's sink would."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client

from schemas.outputs import Alarm, FleetAlarm

DAY_MS = 86_400_000
T0_MS = 1_767_225_600_000  # 2026-01-01 UTC
_ALARM_COLUMNS = [
    "user",
    "kind",
    "alarm_at",
    "since",
    "generation",
    "number",
    "evidence",
    "distance_bits",
    "rose",
    "fell",
    "status",
    "factor",
]


def alarm(user: str = "u", day: float = 20.0, since_day: float = 14.0, **changed: object) -> Alarm:
    """An alarm of a person who went from music to games."""
    made: dict[str, object] = {
        "user": user,
        "kind": "shares",
        "at_ms": T0_MS + round(day * DAY_MS),
        "since_ms": T0_MS + round(since_day * DAY_MS),
        "generation": 1,
        "seq": 500,
        "evidence": 1.31,
        "distance_bits": 0.314,
        "rose": [("content:games", 0.02, 0.30), ("content:video", 0.1, 0.12)],
        "fell": [("content:music", 0.35, 0.03)],
        "status": "refined",
        "factor": 0.125,
    }
    return Alarm(**{**made, **changed})  # type: ignore[arg-type]


def write_alarms(client: Client, database: str, alarms: Iterable[Alarm]) -> None:
    rows = [
        [
            each.user,
            each.kind,
            moment(each.at_ms),
            moment(each.since_ms),
            each.generation,
            each.seq,
            each.evidence,
            each.distance_bits,
            each.rose,
            each.fell,
            each.status,
            each.factor,
        ]
        for each in alarms
    ]
    client.insert(f"{database}.drift_alarms", rows, column_names=_ALARM_COLUMNS)


def write_fleet_alarms(client: Client, database: str, run_id: str, alarms: Iterable[FleetAlarm]) -> None:
    rows = [[run_id, each.shard, moment(each.at_ms), each.suspects, each.buckets, each.usual_share] for each in alarms]
    columns = ["run_id", "shard", "alarm_at", "suspects", "buckets", "usual_share"]
    client.insert(f"{database}.fleet_alarms", rows, column_names=columns)


def write_evidence(client: Client, database: str, rows: Iterable[tuple[str, str, int, int, float]]) -> None:
    """Rows of (user, tag, event time in ms, event id, value)."""
    columns = ["user", "tag", "event_time", "event_id", "value", "feed"]
    values = [[user, tag, moment(time_ms), number, value, "dpi"] for user, tag, time_ms, number, value in rows]
    client.insert(f"{database}.tag_evidence", values, column_names=columns)


def switched(user: str, days: int, at_day: int, events: int = 20) -> list[tuple[str, str, int, int, float]]:
    """Evidence of somebody who goes from music to games at a local day (8 hours ahead of UTC); a fifth is news."""
    rows = []
    for number in range(days * events):
        day, turn = divmod(number, events)
        tag = "content:news" if turn % 5 == 0 else "content:games" if day >= at_day else "content:music"
        rows.append((user, tag, T0_MS - 8 * 3_600_000 + day * DAY_MS + turn * 3_600_000, number, 1.0))
    return rows


def moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)
