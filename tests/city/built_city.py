"""A city read back from its files, with the job's own message classes and nothing of the city's code."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from schemas.pb.livetags.v1.billing_pb2 import BillingRecord
from schemas.pb.livetags.v1.cdr_pb2 import CdrRecord
from schemas.pb.livetags.v1.consent_pb2 import ConsentRecord
from schemas.pb.livetags.v1.contact_pb2 import ContactRecord
from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.pb.livetags.v1.link_pb2 import LinkRecord
from schemas.pb.livetags.v1.order_pb2 import OrderRecord
from schemas.pb.livetags.v1.registration_pb2 import RegistrationRecord
from schemas.pb.livetags.v1.signalling_pb2 import SignallingRecord

MESSAGES: dict[str, Any] = {
    "link": LinkRecord,
    "registration": RegistrationRecord,
    "consent": ConsentRecord,
    "signalling": SignallingRecord,
    "dpi": DpiRecord,
    "cdr": CdrRecord,
    "billing": BillingRecord,
    "order": OrderRecord,
    "contact": ContactRecord,
}
KINDS = {
    "duplicate", "garbage", "ping_pong", "drift", "late", "shuffled", "missing", "outlier", "counter_reset", "alias",
}  # fmt: skip


@dataclass
class BuiltCity:
    """The files of a city."""

    folder: Path
    people: list[dict[str, Any]]
    dirt: list[dict[str, Any]]
    summary: dict[str, Any]
    by_person: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    """Feed -> person -> records, as far as a test has sorted them so."""

    @classmethod
    def of(cls, folder: Path) -> BuiltCity:
        truth = folder / "truth"
        return cls(
            folder,
            _lines(truth / "subscribers.jsonl"),
            _lines(truth / "dirt.jsonl"),
            json.loads((truth / "summary.json").read_text("utf-8")),
        )

    @cached_property
    def raw(self) -> dict[str, list[bytes]]:
        """Every feed's records as they lie in its file."""
        return {feed: list(_delimited((self.folder / f"{feed}.pb").read_bytes())) for feed in MESSAGES}

    @cached_property
    def marks(self) -> dict[str, dict[int, list[str]]]:
        """Feed -> record number -> kinds of dirt."""
        marks: dict[str, dict[int, list[str]]] = {feed: {} for feed in MESSAGES}
        for line in self.dirt:
            marks[line["feed"]].setdefault(line["record"], []).append(line["kind"])
        return marks

    def marked(self, feed: str, kind: str) -> list[tuple[int, str]]:
        """Number and detail of the records of a feed with a kind of dirt."""
        return [(line["record"], line["detail"]) for line in self.dirt if line["feed"] == feed and line["kind"] == kind]

    def parsed(self, feed: str, number: int) -> Any:
        """One record; None when it can't be parsed."""
        try:
            return MESSAGES[feed].FromString(self.raw[feed][number - 1])
        except DecodeError:
            return None

    def records(self, feed: str, without: set[str] = frozenset()) -> Iterator[tuple[int, Any]]:  # type: ignore[assignment]
        """Number and message of every record that is no garbage and of none of the kinds."""
        for number in range(1, len(self.raw[feed]) + 1):
            kinds = self.marks[feed].get(number, ())
            if "garbage" not in kinds and without.isdisjoint(kinds):
                yield number, self.parsed(feed, number)

    @cached_property
    def trails(self) -> dict[str, list[tuple[int, str, list[str]]]]:
        """IMSI -> (time, cell, kinds of dirt) in order of time, without repeats."""
        trails: dict[str, list[tuple[int, str, list[str]]]] = defaultdict(list)
        for number, seen in self.records("signalling", {"duplicate"}):
            trails[seen.imsi].append((seen.event_time_ms, seen.cell_id, self.marks["signalling"].get(number, [])))
        for trail in trails.values():
            trail.sort()
        return trails

    def dictionary(self, name: str) -> list[dict[str, str]]:
        with (self.folder / "dictionaries" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _delimited(content: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        length = shift = 0
        while True:
            byte = content[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        assert at + length <= len(content)
        yield content[at : at + length]
        at += length
