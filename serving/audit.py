"""The audit trail of reads: who read whose profile, when and what for.

A stream in the same Redis, ``<prefix>:audit``. The record is added in the very transaction that reads, before what it
reads, so no reader gets an answer without its record: if the record can't be added, nothing is read. The trail names
persons by pseudonyms. Its length is bounded: each record that is added may push out the oldest.

Not here: whoever has the password of Redis can read without this client, or trim the stream. Give services users with
rules of their own (docs/reading-redis.md), or HTTP.
"""

from __future__ import annotations

from typing import Any

import redis
from msgspec import Struct

from schemas.redis_keys import audit_key
from serving.reader import Reader

Command = tuple[str | int, ...]
"""A Redis command, as words."""

KEPT_RECORDS = 200_000
"""How many of the newest records stay, unless told otherwise: measured, some 30 MB of reads of one person each."""


class AuditRecord(Struct, frozen=True):
    """One read.

    Attributes
    ----------
    id
        Of the stream's entry: the server's clock in milliseconds, and a number within it.
    reader, purpose, sensitive
        Who read, what for, and whether sensitive groups were among it.
    operation
        ``profile``, ``profiles``, ``tags``, ``has``, ``whose`` or ``as_of``.
    users
        Pseudonyms of whom.
    """

    id: str
    reader: str
    purpose: str
    sensitive: bool
    operation: str
    users: tuple[str, ...]

    @property
    def at_ms(self) -> int:
        """When, by the server's clock, milliseconds since the epoch."""
        return int(self.id.partition("-")[0])


def audit_command(prefix: str, kept_records: int, reader: Reader, operation: str, users: tuple[str, ...]) -> Command:
    """The command that adds a record; to be sent in the transaction that reads, before the reads."""
    return (
        *("XADD", audit_key(prefix), "MAXLEN", "~", kept_records, "*"),
        *("reader", reader.name, "purpose", reader.purpose, "sensitive", int(reader.sensitive)),
        *("operation", operation, "people", len(users), "users", " ".join(users)),
    )


def newest_records(client: redis.Redis, prefix: str, count: int) -> list[AuditRecord]:
    """The newest so many records, newest first.

    Parameters
    ----------
    client
        Connection of a user who may read the trail; decoding replies or not.
    """
    entries: Any = client.xrevrange(audit_key(prefix), count=count)
    return [_record(entry, {_text(name): _text(value) for name, value in fields.items()}) for entry, fields in entries]


def lost_records(client: redis.Redis, prefix: str) -> int:
    """How many records were pushed out of the trail, or deleted, since it began."""
    if not client.exists(audit_key(prefix)):
        return 0
    known: Any = client.xinfo_stream(audit_key(prefix))
    return int(known["entries-added"]) - int(known["length"])


def _record(entry: bytes | str, fields: dict[str, str]) -> AuditRecord:
    return AuditRecord(
        id=_text(entry),
        reader=fields["reader"],
        purpose=fields["purpose"],
        sensitive=fields["sensitive"] == "1",
        operation=fields["operation"],
        users=tuple(fields["users"].split()),
    )


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()
