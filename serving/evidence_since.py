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
    user,
    tag_group,
    substring(tag, length(tag_group) + 2),
    toUnixTimestamp64Milli(event_time) AS time_ms,
    value
FROM {database:Identifier}.tag_evidence FINAL
WHERE user IN {users:Array(String)} AND tag_group IN {groups:Array(String)}
    AND event_time >= fromUnixTimestamp64Milli({earliest_ms:Int64}, 'UTC')
    AND time_ms >= transform(user, {users:Array(String)}, {since_ms:Array(Int64)}, toInt64(0))
    AND number <= transform(user, {users:Array(String)}, {numbers:Array(UInt64)}, toUInt64(0))
ORDER BY user, event_time, tag, event_id
"""

_ALARMS = """
SELECT DISTINCT user, kind, toUnixTimestamp64Milli(alarm_at) AS alarm_ms
FROM {database:Identifier}.drift_alarms
WHERE user IN {users:Array(String)}
    AND (user, kind, alarm_ms) IN arrayZip({users:Array(String)}, {kinds:Array(String)}, {alarms_ms:Array(Int64)})
"""


class Wanted(NamedTuple):
    """Evidence of a user, of events from `since_ms` on and numbered up to `number` (`schemas.outputs.FoldedEvent`)."""

    user: str
    since_ms: int
    number: int


class PastEvidence(NamedTuple):
    """A piece of evidence; the tag is without its group, the value undecayed, in the unit of the group."""

    tag_group: str
    tag: str
    event_time_ms: int
    value: float


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
        users, since_ms, numbers = (list(column) for column in zip(*wanted[first : first + _AT_ONCE], strict=True))
        parameters = {
            "database": database,
            "groups": list(groups),
            "users": users,
            "since_ms": since_ms,
            "numbers": numbers,
            "earliest_ms": min(since_ms),
        }
        for user, *piece in client.query(_EVIDENCE, parameters=parameters).result_rows:
            found[user].append(PastEvidence(*piece))
    return found


def evidence_since(
    client: Client, database: str, user: str, since_ms: int, number: int, groups: Sequence[str]
) -> list[PastEvidence]:
    """`evidence_since_many` of one user."""
    return evidence_since_many(client, database, [Wanted(user, since_ms, number)], groups)[user]


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
