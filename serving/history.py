"""Reading the history of tags from ClickHouse.

Each function runs one documented query of ``serving/sql/``, with parameters bound by the server, over FINAL rows: what
a replay wrote twice counts once. The arithmetic is that of the living profile; a test proves them equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from clickhouse_connect.driver.client import Client
from msgspec import Struct

from serving.tag_view import TagView


class TimelinePoint(Struct, frozen=True):
    """A tag just after one piece of evidence.

    Attributes
    ----------
    event_time_ms, event_id
        The event, milliseconds since the epoch, and its identity within the user.
    feed
        Where the event came from.
    value
        Undecayed value, in the unit of the tag group.
    weight
        Decayed weight at `event_time_ms`, this evidence included.
    mean
        Of a numeric group, under the same weights; None otherwise.
    """

    event_time_ms: int
    event_id: int
    feed: str
    value: float
    weight: float
    mean: float | None


def query_text(name: str) -> str:
    """Text of the documented query `name`, for example ``timeline``."""
    return (resources.files("serving.sql") / f"{name}.sql").read_text()


def timeline(client: Client, database: str, user: str, tag: str, limit: int = 1_000) -> list[TimelinePoint]:
    """How the tag's weight came to be: a point after every piece of evidence, oldest first.

    Parameters
    ----------
    client, database
        Connection and database of the history.
    user, tag
        Subscriber's id, and the tag as ``<group>:<name>``.
    limit
        The newest so many points; their weights count older evidence all the same.

    Raises
    ------
    DatabaseError
        From the server; says so when the tag's group is not in ``tag_groups``.
    """
    parameters = {"database": database, "user": user, "tag": tag, "limit": limit}
    return [TimelinePoint(*row) for row in _rows(client, "timeline", parameters)]


def profile_as_of(
    client: Client, database: str, user: str, at_ms: int, weight_floor: float = 1e-6
) -> dict[str, TagView]:
    """Every tag of the user as it stood at `at_ms` (milliseconds since the epoch); evidence after it does not count.

    Unlike Redis, knows no cap on the number of tags. Empty for a user without evidence until then.

    Parameters
    ----------
    weight_floor
        Lighter tags are left out (setting ``weight_floor``).

    Raises
    ------
    DatabaseError
        From the server; says so when a tag's group is not in ``tag_groups``.
    """
    parameters = {"database": database, "user": user, "at_ms": at_ms, "weight_floor": weight_floor}
    return {row[0]: TagView(*row) for row in _rows(client, "profile_as_of", parameters)}


def _rows(client: Client, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(query_text(name), parameters=dict(parameters)).result_rows]
