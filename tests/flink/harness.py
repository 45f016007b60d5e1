"""Running the real job in a test: a corner of the stores of its own, inputs with known dirt, what the stores hold."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import redis
from google.protobuf.proto import serialize_length_prefixed

from livetags import ledger
from livetags.inputs import Input, resolve
from livetags.runner import Finished, Progress, migrated_clickhouse, run_profile_update
from livetags.verify import Verdict
from livetags.verify_logs import verify_against_logs
from schemas.pb.livetags.v1.consent_pb2 import CONSENT_DECISION_GRANTED, CONSENT_LIST_OPTIONAL, ConsentRecord
from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.redis_keys import DRIFT
from schemas.settings import Settings
from sources import FEEDS

_BEFORE_THE_FLOWS_MS = 1_767_225_600_000 - 1_000

_numbers = itertools.count()


def fresh_settings(folder: Path, redis_url: str, clickhouse_url: str, **more: Any) -> Settings:
    """Settings of a test's own corner of the shared stores."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "data_dir": folder,
        "redis_url": redis_url,
        "clickhouse_url": clickhouse_url,
        "redis_key_prefix": f"t{number}",
        "clickhouse_database": f"flink_{number}",
        "checkpoint_interval_s": 1.0,
        "replay_window_ms": 500,
        "replay_window_records": 5_000,
        "history_window_ms": 500,
        "restart_attempts": 3,
        "restart_delay_s": 0.2,
        "shards": 8,
    }
    return Settings(**(values | more))


def run(settings: Settings, inputs: Sequence[Input], **options: Any) -> Finished:
    """The job over the inputs, to their end."""
    return run_profile_update(settings, list(inputs), Progress(), **options)


def verified(settings: Settings) -> Verdict:
    """Both stores against the oracle over the logs in the ledger."""
    client = migrated_clickhouse(settings)
    return verify_against_logs(settings, client, hot_client(settings), None, Progress())


def with_keys_of(settings: Settings, other: Settings) -> Settings:
    """The settings, with the same persons under the same pseudonyms."""
    return settings.model_copy(
        update={"pseudonym_keys": Settings(pseudonym_keys=other.keys().to_json()).pseudonym_keys}
    )


def hot_client(settings: Settings) -> redis.Redis:
    """Client of the test's Redis."""
    return redis.Redis.from_url(settings.redis_url.get_secret_value(), decode_responses=True)


def hot_profiles(settings: Settings) -> dict[str, dict[str, Any]]:
    """Every hot profile: user -> field -> number, the version as its two numbers; `DRIFT` is text."""
    client = hot_client(settings)
    prefix = f"{settings.redis_key_prefix}:p:"
    profiles: dict[str, dict[str, Any]] = {}
    for key in client.scan_iter(f"{prefix}*", count=1_000):
        fields: dict[str, str] = client.hgetall(key)  # type: ignore[assignment]
        generation, n = fields.pop("_version").split("-")
        profiles[key.removeprefix(prefix)] = {"generation": int(generation), "n": int(n)} | {
            name: value if name == DRIFT else float(value) for name, value in fields.items()
        }
    return profiles


def assert_same_profiles(one: dict[str, dict[str, Any]], two: dict[str, dict[str, Any]]) -> None:
    """Same users, same fields, numbers equal to 1e-9 relative (sums in another order differ by rounding)."""
    assert one.keys() == two.keys()
    for user, fields in one.items():
        assert fields.keys() == two[user].keys(), f"fields of user number {sorted(one).index(user)} differ"
        for name, value in fields.items():
            if name == DRIFT:
                assert value == two[user][name]
                continue
            assert abs(value - two[user][name]) <= 1e-9 * max(abs(value), 1.0), name


@dataclass
class Job:
    """The job over topics, in a thread, until it is told to stop."""

    settings: Settings
    inputs: list[Input]
    restore: str = ""
    _stop: Event = field(default_factory=Event)
    _finished: list[Finished] = field(default_factory=list)
    _failed: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._thread = Thread(target=self._run, name="job")
        self._thread.start()

    def _run(self) -> None:
        try:
            options: dict[str, Any] = {"bounded": False, "restore": self.restore}
            self._finished.append(run(self.settings, self.inputs, interrupted=lambda _: self._stop.is_set(), **options))
        except BaseException as error:
            self._failed.append(error)

    def stop(self) -> Finished:
        self._stop.set()
        self._thread.join(120)
        if self._failed:
            raise self._failed[0]
        return self._finished[0]

    def events_in(self) -> int:
        client = migrated_clickhouse(self.settings)
        database = self.settings.clickhouse_database
        runs = ledger.runs(client, database)
        return ledger.totals(client, database, runs[-1].run_id).events_in if runs else 0

    def until(self, what: Callable[[], bool], seconds: float, every_s: float = 0.1) -> float:
        """Wait; returns the seconds it took."""
        began = time.monotonic()
        while not what():
            assert not self._failed, self._failed
            assert time.monotonic() - began < seconds, f"not within {seconds} s"
            time.sleep(every_s)
        return time.monotonic() - began


BAD_HOUSEHOLD = {
    b"": "value_missing",
    b"not json": "malformed",
    b'{"household_id": "1"}': "malformed",
    b'{"household_id": "1", "basket_id": "x", "product_id": 2, "quantity": 1, "sales_value": 1, "event_time_ms": 3}': (
        "malformed"
    ),
    b"[" * 50_000: "malformed",
    b"x" * 10_000_000: "record_too_large",
    b'{"household_id": "1\xff\xfe", "basket_id": 1}': "malformed",
    b'{"basket_id":1,"product_id":2,"category":"A","quantity":1,"sales_value":1,"event_time_ms":1483271606000}': (
        "key_missing"
    ),
    b'{"household_id":"1","basket_id":1,"product_id":2,"category":"A","quantity":1,"sales_value":1,"event_time_ms":'
    b"-5}": "time_before_minimum",
    b'{"household_id":"1","basket_id":1,"product_id":2,"category":"A","quantity":1,"sales_value":1,"event_time_ms":'
    b"253402300800000}": "time_in_future",
    b'{"household_id":"1","basket_id":1,"product_id":2,"category":null,"quantity":1,"sales_value":1,"event_time_ms":'
    b"1483271606000}": "tag_missing",
    b'{"household_id":"1","basket_id":1,"product_id":2,"category":"A","quantity":-1,"sales_value":1,"event_time_ms":'
    b"1483271606000}": "value_negative",
}


def household_lines(events: int, repeats_every: int = 50) -> list[bytes]:
    """Real purchase lines, every `repeats_every`-th one twice."""
    lines: list[bytes] = []
    for number, value in enumerate(FEEDS["household"].sample(events, 0)):
        lines.append(value)
        if number % repeats_every == 0:
            lines.append(value)
    return lines


def with_dirt(values: list[bytes], dirt: Iterable[bytes]) -> list[bytes]:
    """The values with the dirt spread evenly among them."""
    dirty = list(dirt)
    step = len(values) // len(dirty)
    mixed = list(values)
    for number, bad in enumerate(dirty):
        mixed.insert(number * (step + 1), bad)
    return mixed


def consents(flows: Iterable[bytes]) -> list[ConsentRecord]:
    """The consent of every subscriber of these flows, from before the first of them."""
    return [
        ConsentRecord(
            msisdn=name,
            record_id=name,
            event_time_ms=_BEFORE_THE_FLOWS_MS,
            list=CONSENT_LIST_OPTIONAL,
            purpose="profiling",
            decision=CONSENT_DECISION_GRANTED,
            list_version=1,
        )
        for name in sorted({DpiRecord.FromString(value).subscriber_id for value in flows})
    ]


def write_folder(folder: Path, events: int) -> tuple[list[Input], dict[str, int]]:
    """A folder with households, flows and consent to them, and dirt; returns the inputs and the dirt by feed/reason."""
    folder.mkdir(parents=True)
    lines = with_dirt(household_lines(events), BAD_HOUSEHOLD)
    (folder / "household.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    with (folder / "consent.pb").open("wb") as stream:
        for consent in consents(FEEDS["dpi"].sample(events, 7)):
            serialize_length_prefixed(consent, stream)
    with (folder / "dpi.pb").open("wb") as stream:
        for value in FEEDS["dpi"].sample(events, 7):
            serialize_length_prefixed(DpiRecord.FromString(value), stream)
        serialize_length_prefixed(DpiRecord(subscriber_id="s1", event_time_ms=1_767_225_600_000, app="a"), stream)
        stream.write(b"\x03\xff\xff\xff")  # garbage of a right length
        stream.write(b"\x7f\x0a")  # the file ends inside a record
    dirt: dict[str, int] = {"dpi/event_id_missing": 1, "dpi/malformed": 2}
    for reason in BAD_HOUSEHOLD.values():
        dirt[f"household/{reason}"] = dirt.get(f"household/{reason}", 0) + 1
    return resolve("all", str(folder)), dirt
