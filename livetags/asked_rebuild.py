"""Asking for a person's profile to be rebuilt: one record of the feed `rebuild`, to a topic or a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from clickhouse_connect.driver.client import Client
from google.protobuf.proto import serialize_length_prefixed

from livetags.embedded import topics
from livetags.inputs import resolve
from livetags.whose import identifiers_of
from schemas.pb.livetags.v1.rebuild_pb2 import RebuildRecord
from schemas.settings import Settings
from sources.rebuild import FEED

_NEWEST_EVENT = """
SELECT toUnixTimestamp64Milli(max(event_time)) AS newest_ms
FROM {database:Identifier}.tag_evidence
WHERE user = {user:String}
HAVING count() > 0
"""


def newest_event_ms(client: Client, database: str, user: str) -> int | None:
    """Time of the person's newest evidence, milliseconds since the epoch; None when there is none."""
    rows = client.query(_NEWEST_EVENT, parameters={"database": database, "user": user}).result_rows
    return int(rows[0][0]) if rows else None


def rebuild_record(settings: Settings, identifier: str, request: str, asked_ms: int, since_ms: int) -> RebuildRecord:
    """The record that asks for it.

    Parameters
    ----------
    identifier
        A raw IMSI, MSISDN or account of the person.
    request
        Identity of the request.
    asked_ms
        In the time of the person's events: dated now, a request over old data would make all their other events late.
    since_ms
        Since when the person behaves as now.

    Raises
    ------
    ValueError
        For a pseudonym, from which no identifier can be told, and for a time after `asked_ms`.
    """
    if identifiers_of(settings, identifier) == [identifier]:
        msg = "a rebuild is asked for by an IMSI, MSISDN or account, as the feeds have it, and the keys must be there"
        raise ValueError(msg)
    if not 0 < since_ms <= asked_ms:
        msg = "--since is later than the person's newest event, so nothing would be left: expected a time before it"
        raise ValueError(msg)
    return RebuildRecord(identifier=identifier, record_id=request, event_time_ms=asked_ms, since_ms=since_ms)


def publish_to(brokers: str, record: RebuildRecord) -> None:
    """Publish it to the feed's topic at ``kafka://host:port``, keyed by the identifier.

    Raises
    ------
    TopicError
        When the broker is away or has no such topic.
    """
    [source] = resolve(FEED.name, brokers)

    def records() -> Iterator[tuple[bytes | None, bytes | None]]:
        yield record.identifier.encode(), record.SerializeToString()

    topics.publish(source.bootstrap, source.topic, records())


def append_to(file: Path, record: RebuildRecord) -> None:
    """Append it to a file of the feed, which is made, readable by its owner only, if it is not there.

    Raises
    ------
    ValueError
        When the file is not named as the feed's: a run over its folder would not read it, or another feed would.
    """
    if not file.name.startswith(FEED.name) or file.suffix != FEED.file_suffix:
        msg = f"--out expects a file named {FEED.name}*{FEED.file_suffix}, got {file}"
        raise ValueError(msg)
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    framed = BytesIO()
    serialize_length_prefixed(record, framed)
    # in one write: two requests at a time don't mix
    with os.fdopen(descriptor, "ab") as stream:
        stream.write(framed.getvalue())
