"""Reading shifts of everybody: several shards noticing the same thing at about the same time are one."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client
from msgspec import Struct, field

from schemas.outputs import FleetAlarm

TOGETHER_MS = 3 * 86_400_000
"""Alarms of several shards within so much event time of the first are one shift."""

# several runs over the same log notice the same; shards and times are then the same too
_ALARMS = """
SELECT
    shard, toUnixTimestamp64Milli(alarm_at) AS at_ms, argMax(suspects, written_at), argMax(buckets, written_at),
    argMax(usual_share, written_at)
FROM {database:Identifier}.fleet_alarms FINAL
GROUP BY shard, at_ms
ORDER BY at_ms, shard
"""


class FleetShift(Struct):
    """A shift of everybody (a holiday, a new dictionary of apps): nobody's profile is rebuilt for it.

    Attributes
    ----------
    from_ms, to_ms
        Event time of the first and of the last shard's alarm.
    shards
        Who noticed.
    suspects
        People under suspicion at once; where a shard noticed twice, the more of the two.
    """

    from_ms: int
    to_ms: int
    shards: list[int] = field(default_factory=list)
    suspects: int = 0


def fleet_shifts(client: Client, database: str) -> list[FleetShift]:
    """Every shift, oldest first."""
    rows = client.query(_ALARMS, parameters={"database": database}).result_rows
    return together([FleetAlarm(*row) for row in rows])


def together(alarms: list[FleetAlarm]) -> list[FleetShift]:
    """Alarms, in the order of time, as shifts."""
    shifts: list[FleetShift] = []
    suspects: dict[int, int] = {}
    for alarm in alarms:
        if not shifts or alarm.at_ms - shifts[-1].from_ms > TOGETHER_MS:
            shifts.append(FleetShift(alarm.at_ms, alarm.at_ms))
            suspects = {}
        suspects[alarm.shard] = max(alarm.suspects, suspects.get(alarm.shard, 0))
        shift = shifts[-1]
        shift.to_ms, shift.shards, shift.suspects = alarm.at_ms, sorted(suspects), sum(suspects.values())
    return shifts
