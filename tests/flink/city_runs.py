"""Small cities for tests: their files with requests for erasure among them, what is raw in them, and a search for that.

Run by path it is the job with a door that damages one blob of its state after some batches.
"""

from __future__ import annotations

import json
import sys
import time
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import redis
import zstandard
from clickhouse_connect.driver.client import Client
from google.protobuf.message import DecodeError
from google.protobuf.proto import serialize_length_prefixed
from pyflink.common import Row
from pyflink.datastream import KeyedProcessFunction

import jobs.profile_update
from city.building import build
from jobs.operators.door import DoorOperator
from livetags.inputs import Input, resolve
from schemas import state
from schemas.pb.livetags.v1.cdr_pb2 import CdrRecord
from schemas.pb.livetags.v1.rights_pb2 import RIGHTS_ACTION_ERASE, RightsRecord
from schemas.settings import Settings
from sources import FEEDS
from sources.records import read_records
from udfs.privacy.pseudonym import KeyedPseudonyms

DAY_MS = 86_400_000
T0_MS = 1_767_225_600_000  # when a city begins

Person = dict[str, Any]
"""A line of ``truth/subscribers.jsonl``."""


@dataclass(frozen=True)
class SmallCity:
    """A city, and who asked in the log to be erased: after three fifths of the time, by every identifier."""

    folder: Path
    erased_in_log: tuple[Person, ...] = ()

    @cached_property
    def people(self) -> list[Person]:
        return [json.loads(line) for line in (self.folder / "truth" / "subscribers.jsonl").read_bytes().splitlines()]

    @property
    def inputs(self) -> list[Input]:
        return resolve("all", str(self.folder))

    @property
    def dictionaries(self) -> Path:
        return self.folder / "dictionaries"

    def settled(self) -> list[Person]:
        """Who has one number from the first minute to the end, has consented to everything, and is not erased."""
        shared = {number for p in self.people if p["number_changed_hands"] for number in numbers_of(p)}
        return [
            person
            for person in self.people
            if all(person["consents"].values())
            and person["from_ms"] < T0_MS + 60_000
            and not shared & set(numbers_of(person))
            and len(person["msisdns"]) == 1
            and person["fraud"] is None
            and person not in self.erased_in_log
        ]

    def raw(self) -> set[str]:
        """Everything in the files that names somebody of the real world, also those who were only called."""
        found = {text for person in self.people for text in raw_of(person)}
        for _, value in read_records(FEEDS["cdr"], self.folder / "cdr.pb", 65_536):
            try:
                found.add(CdrRecord.FromString(value).peer_msisdn)
            except DecodeError:
                continue
        return {text for text in found if len(text) >= 9}

    def cells(self) -> set[str]:
        """Names of the network's cells."""
        lines = (self.dictionaries / "cells.csv").read_text("utf-8").splitlines()
        column = lines[0].split(",").index("cell_id")
        return {line.split(",")[column] for line in lines[1:]}


def small_city(folder: Path, subscribers: int, days: int, seed: int, erased: int = 0) -> SmallCity:
    """Build a city, with so many requests for erasure in its log."""
    build(folder, subscribers, days, seed)
    chosen = tuple(SmallCity(folder).settled()[:erased])
    if chosen:
        with (folder / "rights.pb").open("wb") as stream:
            for number, person in enumerate(chosen):
                for value in erase_records(person, f"in-log-{number}", T0_MS + days * DAY_MS * 3 // 5):
                    serialize_length_prefixed(value, stream)
    return SmallCity(folder, chosen)


def erase_records(person: Person, request: str, time_ms: int) -> Iterator[RightsRecord]:
    """A person's request, one record for each of their identifiers."""
    for identifier in identifiers_of(person):
        yield RightsRecord(identifier=identifier, record_id=request, event_time_ms=time_ms, action=RIGHTS_ACTION_ERASE)


def numbers_of(person: Person) -> list[str]:
    return [number["msisdn"] for number in person["msisdns"]]


def identifiers_of(person: Person) -> list[str]:
    return [person["imsi"], *numbers_of(person), person["account"]]


def raw_of(person: Person) -> list[str]:
    return [*identifiers_of(person), person["person_ref"], person["registrant_ref"]]


def names_of(person: Person, pseudonyms: KeyedPseudonyms) -> set[str]:
    """Everything a person could be found by: raw, and as pseudonyms."""
    identifiers = [pseudonyms.identifier(raw) for raw in (*identifiers_of(person), person["registrant_ref"])]
    return {*raw_of(person), *identifiers, pseudonyms.person(person["person_ref"])}


class Search:
    """Looks for texts in bytes: as they are, and in base64 at whatever place in what was encoded."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._needles = {
            needle: text for text in texts for needle in (text.encode(), *_in_base64(text.encode())) if len(needle) >= 6
        }

    def found_in(self, content: bytes) -> set[str]:
        return {text for needle, text in self._needles.items() if needle in content}

    def found_in_folder(self, folder: Path) -> dict[str, set[str]]:
        """File -> texts found in it, in every file below the folder."""
        hits = {str(file.relative_to(folder)): self.found_in(file.read_bytes()) for file in files_below(folder)}
        return {name: texts for name, texts in hits.items() if texts}


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _in_base64(text: bytes) -> Iterator[bytes]:
    """The characters that are the same whatever stands before and after, for each of the three alignments."""
    for before in range(3):
        encoded = b64encode(bytes(before) + text)
        yield encoded[-(-before * 4 // 3) : (before + len(text)) * 4 // 3]


def redis_content(client: redis.Redis, pattern: str = "*") -> Iterator[bytes]:
    """Every key and value of a Redis, whatever its type; one piece of bytes per key."""
    options = client.connection_pool.connection_kwargs | {"decode_responses": False}
    raw = redis.Redis(connection_pool=redis.ConnectionPool(**options))
    for key in raw.scan_iter(pattern, count=1_000):
        kind = raw.type(key)
        if kind == b"hash":
            parts = [part for pair in raw.hgetall(key).items() for part in pair]
        elif kind == b"string":
            parts = [raw.get(key)]
        elif kind == b"list":
            parts = raw.lrange(key, 0, -1)
        elif kind == b"stream":
            parts = [part for _, fields in raw.xrange(key) for pair in fields.items() for part in pair]
        elif kind == b"none":
            continue  # it has gone meanwhile
        else:
            raise AssertionError(f"a key of type {kind.decode()}: nobody said how to read it")
        yield b"\n".join([key, *(part or b"" for part in parts)])
    raw.close()


def clickhouse_content(client: Client, database: str) -> Iterator[tuple[str, bytes]]:
    """Every row of every table, deleted and repeated ones left out only if the table leaves them out itself."""
    for table in sorted(row[0] for row in client.query(f"SHOW TABLES FROM {database}").result_rows):
        yield table, client.raw_query(f"SELECT * FROM {database}.{table} FORMAT JSONEachRow")


def blobs_in(content: bytes) -> Iterator[bytes]:
    """What is compressed in the bytes: profiles and batches, unpacked. Neither can be read without that."""
    at = content.find(zstandard.FRAME_HEADER)
    while at >= 0:
        for dictionary in (state._dictionaries[state.SCHEMA_VERSION], None):
            try:
                yield zstandard.ZstdDecompressor(dict_data=dictionary).decompressobj().decompress(content[at:])
                break
            except zstandard.ZstdError:
                continue
        at = content.find(zstandard.FRAME_HEADER, at + 1)


class DamagesState(DoorOperator):
    """After a complete checkpoint, one bit of every blob of a shard is another."""

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        yield from super().process_element(value, ctx)
        time.sleep(0.05)  # so that there is a checkpoint before the input ends, on a fast machine too
        if list(self.settings.data_dir.glob("checkpoints/*/chk-*/_metadata")):
            self.states._cache.clear()
            for user, blob in list(self.states._blobs.items()):
                self.states._blobs.put_all({user: blob[:-5] + bytes([blob[-5] ^ 1]) + blob[-4:]})


def city_settings(settings: Settings, city: SmallCity) -> Settings:
    """The settings, with the city's dictionaries."""
    return settings.model_copy(update={"dictionaries_dir": city.dictionaries.absolute()})


if __name__ == "__main__":
    # by its importable name, so that workers find the class
    import city_runs

    jobs.profile_update.DoorOperator = city_runs.DamagesState  # type: ignore[misc]
    jobs.profile_update.main(sys.argv[1:])
