"""Reading back what the rebuilds of profiles need: the evidence since a change, and which alarms the history shows.

The history sink writes evidence before alarms, so once an alarm is seen here, so is everything that was folded before
it. Both functions take many users at once: one query for each few hundred, with parameters bound by the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

# Parameters travel in the request line, some 60 bytes for a user; it has at most 64 KiB.
_AT_ONCE = 300

# The bound on event_time for all of them is what lets the server skip whole months
_EVIDENCE = """
SELECT
    e.user,
    tag_group,
    substring(tag, length(tag_group) + 2),
    toUnixTimestamp64Milli(event_time) AS time_ms,
    value,
    -- 1 before the others: the product of no numbers is 0 here
    arrayProduct(arrayPushFront(arrayMap(
        a -> if(
            tupleElement(a, 1) < transform(e.user, {users:Array(String)}, {generations:Array(UInt64)}, toUInt64(0))
                AND number <= tupleElement(a, 2) AND time_ms < tupleElement(a, 3),
            tupleElement(a, 4), 1), alarms), 1)) AS kept
FROM
(
    SELECT user, tag_group, tag, event_time, event_id, value, number
    FROM {database:Identifier}.tag_evidence FINAL
    WHERE user IN {users:Array(String)} AND tag_group IN {groups:Array(String)}
        AND event_time >= fromUnixTimestamp64Milli({earliest_ms:Int64}, 'UTC')
        AND toUnixTimestamp64Milli(event_time)
            >= transform(user, {users:Array(String)}, {since_ms:Array(Int64)}, toInt64(0))
        AND number <= transform(user, {users:Array(String)}, {numbers:Array(UInt64)}, toUInt64(0))
) AS e
LEFT JOIN
(
    SELECT
        user,
        groupArray((
            generation,
            number,
            if(status = 'refined', toUnixTimestamp64Milli(since), toInt64(9223372036854775807)),
            factor)) AS alarms
    FROM {database:Identifier}.drift_alarms FINAL
    WHERE user IN {users:Array(String)} AND factor < 1
    GROUP BY user
) AS a ON a.user = e.user
ORDER BY e.user, event_time, tag, event_id
"""

_ALARMS = """
SELECT DISTINCT user, kind, toUnixTimestamp64Milli(alarm_at) AS alarm_ms
FROM {database:Identifier}.drift_alarms
WHERE user IN {users:Array(String)}
    AND (user, kind, alarm_ms) IN arrayZip({users:Array(String)}, {kinds:Array(String)}, {alarms_ms:Array(Int64)})
"""


class Wanted(NamedTuple):
    """Evidence of a user, of events from `since_ms` on and numbered up to `number` (`schemas.outputs.FoldedEvent`).

    `generation` is the profile's from the alarm on: alarms of earlier ones have down-weighted some of it before.
    """

    user: str
    since_ms: int
    number: int
    generation: int


class PastEvidence(NamedTuple):
    """A piece of evidence; the tag is without its group, the value undecayed, in the unit of the group.

    `kept` is what earlier rebuilds have left of it, 1 for all.
    """

    tag_group: str
    tag: str
    event_time_ms: int
    value: float
    kept: float


class AlarmKey(NamedTuple):
    """What names an alarm (`schemas.outputs.Alarm`)."""

    user: str
    kind: str
    at_ms: int


def evidence_since_many(
    client: Client, database: str, wanted: Sequence[Wanted], groups: Sequence[str]
) -> dict[str, list[PastEvidence]]:
    """Every user's wanted evidence in these tag groups, oldest first; a user without any has an empty list.

    Over FINAL rows: what a replay wrote twice is there once. Rows from before the history kept numbers have number 0.

    Raises
    ------
    ValueError
        When a user is wanted twice.
    DatabaseError
        From the server.
    """
    found: dict[str, list[PastEvidence]] = {each.user: [] for each in wanted}
    if len(found) < len(wanted):
        msg = f"evidence of {len(found)} users is wanted {len(wanted)} times: expected each user once"
        raise ValueError(msg)
    for first in range(0, len(wanted), _AT_ONCE):
        part = wanted[first : first + _AT_ONCE]
        users, since_ms, numbers, generations = (list(column) for column in zip(*part, strict=True))
        parameters = {
            "database": database,
            "groups": list(groups),
            "users": users,
            "since_ms": since_ms,
            "numbers": numbers,
            "generations": generations,
            "earliest_ms": min(since_ms),
        }
        for user, *piece in client.query(_EVIDENCE, parameters=parameters).result_rows:
            found[user].append(PastEvidence(*piece))
    return found


def alarms_written(client: Client, database: str, keys: Sequence[AlarmKey]) -> set[AlarmKey]:
    """Those of the alarms that the history shows by now.

    Raises
    ------
    DatabaseError
        From the server.
    """
    found: set[AlarmKey] = set()
    for first in range(0, len(keys), _AT_ONCE):
        users, kinds, alarms_ms = (list(column) for column in zip(*keys[first : first + _AT_ONCE], strict=True))
        parameters = {"database": database, "users": users, "kinds": kinds, "alarms_ms": alarms_ms}
        found.update(AlarmKey(*row) for row in client.query(_ALARMS, parameters=parameters).result_rows)
    return found
