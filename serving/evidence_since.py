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
    number,
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


class Since(NamedTuple):
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


AlarmKey = tuple[str, str, int]
"""(user, kind, event time in ms) of an alarm, see `schemas.outputs.Alarm`"""


def evidence_since_many(
    client: Client, database: str, requests: Sequence[Since], groups: Sequence[str]
) -> list[list[PastEvidence]]:
    """To each request the evidence in these tag groups, oldest first.

    Over FINAL rows: what a replay wrote twice is there once. Rows from before the history kept numbers have number 0.
    Several requests may be of one user.

    Raises
    ------
    DatabaseError
        From the server.
    """
    answers: list[list[PastEvidence]] = []
    for first in range(0, len(requests), _AT_ONCE):
        part = requests[first : first + _AT_ONCE]
        found = _widest(client, database, part, groups)
        answers += [
            [
                piece
                for number, piece in found.get(request.user, [])
                if number <= request.number and piece.event_time_ms >= request.since_ms
            ]
            for request in part
        ]
    return answers


def evidence_since(
    client: Client, database: str, user: str, since_ms: int, number: int, groups: Sequence[str]
) -> list[PastEvidence]:
    """`evidence_since_many` of one request."""
    return evidence_since_many(client, database, [Since(user, since_ms, number)], groups)[0]


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
        for user, kind, alarm_ms in client.query(_ALARMS, parameters=parameters).result_rows:
            found.add((user, kind, alarm_ms))
    return found


def _widest(
    client: Client, database: str, requests: Sequence[Since], groups: Sequence[str]
) -> dict[str, list[tuple[int, PastEvidence]]]:
    """User -> evidence with its number, all that any of the user's requests asks for."""
    bounds: dict[str, Since] = {}
    for each in requests:
        known = bounds.get(each.user, each)
        bounds[each.user] = Since(each.user, min(each.since_ms, known.since_ms), max(each.number, known.number))
    parameters = {
        "database": database,
        "groups": list(groups),
        "users": list(bounds),
        "since_ms": [each.since_ms for each in bounds.values()],
        "numbers": [each.number for each in bounds.values()],
        "earliest_ms": min(each.since_ms for each in requests),
    }
    found: dict[str, list[tuple[int, PastEvidence]]] = {}
    for user, number, *piece in client.query(_EVIDENCE, parameters=parameters).result_rows:
        found.setdefault(user, []).append((number, PastEvidence(*piece)))
    return found
