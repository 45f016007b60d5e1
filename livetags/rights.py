"""A person's rights over what is held of them: erasure, with a receipt that can be checked, and export."""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from clickhouse_connect.driver.client import Client
from msgspec import Struct

from livetags.embedded import topics
from livetags.inputs import resolve
from livetags.key_file import ensure_keys
from livetags.private_file import write_private
from livetags.reach import reach_redis
from livetags.runner import migrated_clickhouse
from livetags.whose import identifiers_of
from schemas.pb.livetags.v1.rights_pb2 import RIGHTS_ACTION_ERASE, RightsRecord
from schemas.settings import Settings
from serving.erasures import erasures
from serving.identity_links import identifiers_now_of, person_now_of
from serving.personal_data import collect, held
from sinks.erasure import erase


class NobodyHeld(ValueError):
    """Nothing is held under what was given, so there is nothing to erase, and nothing to write a receipt for."""


class ReceiptError(ValueError):
    """The file is no receipt of an erasure; the text says what was expected."""


class Receipt(Struct, forbid_unknown_fields=True):
    """What an erasure did.

    Attributes
    ----------
    request
        Name of the request.
    users
        Pseudonym erased: the person's, or that of an identifier nobody is linked to.
    erased_ms
        Everything up to this time was erased, milliseconds since the epoch.
    places
        Place -> rows or keys before and after.
    digest
        HMAC-SHA-256 of all that, under the person key: whoever hasn't the keys can't alter a receipt unnoticed.
    """

    request: str
    users: list[str]
    erased_ms: int
    places: dict[str, dict[str, int]]
    digest: str = ""

    def signed(self, settings: Settings) -> Receipt:
        """The same with its digest."""
        return msgspec.structs.replace(self, digest=self._digest(settings))

    def to_json(self) -> str:
        """The receipt as a JSON document."""
        return msgspec.json.format(msgspec.json.encode(self)).decode()

    def write(self, file: Path) -> None:
        """Write it to a file that only its owner can read."""
        write_private(file, self.to_json() + "\n")

    @classmethod
    def read(cls, file: Path) -> Receipt:
        """The receipt in a file.

        Raises
        ------
        ReceiptError
            When it is none.
        """
        try:
            return msgspec.json.decode(file.read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError):
            msg = f"{file} is not a receipt: expected the JSON document that `livetags erase --receipt` writes"
            raise ReceiptError(msg) from None

    def check(self, settings: Settings) -> list[str]:
        """What is wrong, nothing if the receipt holds: its digest, the tombstones, and that the stores hold nothing."""
        problems = []
        if not hmac.compare_digest(self.digest.encode(), self._digest(settings).encode()):
            problems.append("the receipt was altered, or made with other keys: its digest does not fit")
        client = migrated_clickhouse(settings)
        database = settings.clickhouse_database
        known = erasures(client, database)
        for user in self.users:
            if known.get(user, 0) < self.erased_ms:
                problems.append(f"{user}: the stores have no record of the erasure")
            found = held(client, database, reach_redis(settings), settings.redis_key_prefix, user)
            problems += [f"{user}: {count:,} in {place}" for place, count in found.items() if count]
        return problems

    def _digest(self, settings: Settings) -> str:
        body = msgspec.json.encode(msgspec.structs.replace(self, digest=""))
        return hmac.digest(settings.keys().person_secret(), body, "sha256").hex()


def erase_person(settings: Settings, text: str, request: str, brokers: str = "") -> Receipt:
    """Erase a person from both stores, now and for good.

    Parameters
    ----------
    text
        Pseudonym, or a raw identifier of the person.
    request
        Name of the request.
    brokers
        ``kafka://host:port`` of a running job: the request is published to its topic of rights, keyed by `text`, which
        must be a raw identifier then.

    Notes
    -----
    A job that runs from files, or starts later, is told of all erasures when it starts.
    """
    ensure_keys(settings)  # without them there would be no receipt, once everything is gone
    client = migrated_clickhouse(settings)
    user = _whose(settings, client, text)
    if user is None:
        msg = (
            "nothing is held of that identifier or pseudonym, and nobody was erased under it: nothing to erase. Is it "
            "written as in the feeds, without blanks, and are the keys those of the job?"
        )
        raise NobodyHeld(msg)
    erased_ms = int(time.time() * 1000)
    places = erase(
        client,
        settings.clickhouse_database,
        reach_redis(settings),
        settings.redis_key_prefix,
        user,
        erased_ms,
        request,
    )
    if brokers:
        _publish(brokers, text, request, erased_ms)
    return Receipt(request, [user], erased_ms, places).signed(settings)


def export_person(settings: Settings, text: str) -> dict[str, Any]:
    """Everything the stores hold of a person; empty when that is nothing."""
    client = migrated_clickhouse(settings)
    hot = reach_redis(settings)
    user = _whose(settings, client, text)
    if user is None:
        return {}
    return {user: collect(client, settings.clickhouse_database, hot, settings.redis_key_prefix, user)}


def _whose(settings: Settings, client: Client, text: str) -> str | None:
    """Pseudonym of whom something is, or was, held under `text`: a pseudonym or a raw identifier; None: of nobody.

    The links in ClickHouse decide: Redis may have lost its data, and an erasure that goes by it would miss the person.
    """
    database = settings.clickhouse_database
    if not text.strip():
        return None
    known = [text, *(each for each in identifiers_of(settings, text) if each != text)]
    person = person_now_of(client, database, known)
    if person is not None:
        return person
    erased = erasures(client, database)
    for user in reversed(known):
        found = held(client, database, reach_redis(settings), settings.redis_key_prefix, user)
        if user in erased or any(found.values()) or identifiers_now_of(client, database, user):
            return user
    return None


def _publish(brokers: str, identifier: str, request: str, erased_ms: int) -> None:
    [source] = resolve("rights", brokers)
    record = RightsRecord(identifier=identifier, record_id=request, event_time_ms=erased_ms, action=RIGHTS_ACTION_ERASE)

    def records() -> Iterator[tuple[bytes | None, bytes | None]]:
        yield identifier.encode(), record.SerializeToString()

    topics.publish(source.bootstrap, source.topic, records(), lambda done: None)
