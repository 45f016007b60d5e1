"""Real Flink over people who change what they turn to: noticed, down-weighted, re-read from ClickHouse, verified."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.proto import serialize_length_prefixed
from harness import (
    Job,
    assert_same_profiles,
    fresh_settings,
    hot_client,
    hot_profiles,
    run,
    verified,
)
from msgspec.structs import astuple, replace

from livetags.asked_rebuild import newest_event_ms, publish_to, rebuild_record
from livetags.embedded import topics
from livetags.inputs import Input, resolve
from livetags.runner import Finished, migrated_clickhouse
from schemas.outputs import Alarm
from schemas.pb.livetags.v1.consent_pb2 import (
    CONSENT_DECISION_GRANTED,
    CONSENT_LIST_NECESSARY,
    CONSENT_LIST_OPTIONAL,
    ConsentRecord,
)
from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.pb.livetags.v1.link_pb2 import LinkRecord
from schemas.pb.livetags.v1.rights_pb2 import RIGHTS_ACTION_EXPORT, RightsRecord
from schemas.pseudonym_keys import PseudonymKeys
from schemas.redis_keys import DRIFT, DRIFT_SINCE_MS, profile_key
from schemas.settings import Settings
from serving.drift_alarms import alarms_of, newest_alarms
from sources import FEEDS
from udfs.privacy.pseudonym import KeyedPseudonyms

pytestmark = [pytest.mark.flink, pytest.mark.stores]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
T0_MS = 1_748_707_200_000  # 2025-06-01 00:00 in China
DAYS = 38
HOURS_BUSY = (1, 7, 13, 19)  # one in each part of a local day
# What alarms within days; each person on their own, so that a shard's guard sees no crowd.
EARLY: dict[str, Any] = {"drift_min_buckets": 8, "drift_alpha_per_year": 10, "drift_min_days": 2}


@dataclass(frozen=True)
class Someone:
    """A person: (from which day, what they turn to, how often a day), in order."""

    name: str
    habits: tuple[tuple[int, str, int], ...]

    def uses(self, first_day: int, last_day: int) -> Iterator[DpiRecord]:
        for day in range(first_day, last_day):
            _, category, per_day = [each for each in self.habits if each[0] <= day][-1]
            for number in range(per_day):
                part, turn = number % 4, number // 4  # every part of a day alike
                yield DpiRecord(
                    subscriber_id=self.name,
                    record_id=f"{day}-{number}",
                    event_time_ms=T0_MS + day * DAY_MS + HOURS_BUSY[part] * HOUR_MS + turn * 60_000,
                    app=f"{category}.example",
                    # a fifth is something else, so that there is more to tell apart
                    category="weather" if turn % 4 == 1 else category,
                    bytes_down=1_000_000 * (1 + number % 3),
                )


SWITCHING = [Someone(f"switching-{n}", ((0, "music", 8), (9 + n, "games", 8))) for n in range(5)]
TWICE = [Someone("twice", ((0, "news", 8), (10, "video", 8), (21, "property", 8)))]
BUSIER = [Someone("busier", ((0, "video", 8), (23, "video", 300)))]
STEADY = [Someone(f"steady-{n}", ((0, ("video", "music", "news")[n], 8),)) for n in range(3)]
# Nobody is linked to them, so nobody watches them: what keeps the job busy meanwhile.
OTHERS = [Someone(f"other-{n}", ((0, "video", 20),)) for n in range(40)]
PEOPLE = [*SWITCHING, *TWICE, *BUSIER, *STEADY]
EVERYBODY = [*PEOPLE, *OTHERS]


# Whom a shard holds depends on the keys, and so does what its guard sees.
KEYS = PseudonymKeys("k1", {"k1": "07" * 32}, "08" * 32)


def link_of(name: str) -> LinkRecord:
    return LinkRecord(identifier=name, record_id=f"link-{name}", event_time_ms=T0_MS, person_ref=f"ref-{name}")


def consents_of(name: str) -> list[ConsentRecord]:
    common: dict[str, Any] = {
        "msisdn": name,
        "event_time_ms": T0_MS,
        "decision": CONSENT_DECISION_GRANTED,
        "list_version": 1,
    }
    return [
        ConsentRecord(record_id=f"profiling-{name}", list=CONSENT_LIST_OPTIONAL, purpose="profiling", **common),
        ConsentRecord(record_id=f"necessary-{name}", list=CONSENT_LIST_NECESSARY, **common),
    ]


def user_of(settings: Settings, name: str) -> str:
    return KeyedPseudonyms(settings.keys()).person(f"ref-{name}")


def alarms_in(settings: Settings) -> list[Alarm]:
    """Every alarm there is, in an order of its own."""
    found = newest_alarms(migrated_clickhouse(settings), settings.clickhouse_database, 10_000)
    return sorted(found, key=lambda alarm: (alarm.user, alarm.at_ms, alarm.kind))


def but_for_status(alarms: Sequence[Alarm]) -> list[tuple[Any, ...]]:
    return [astuple(replace(alarm, status="noted")) for alarm in alarms]


def apart_in(one: Sequence[Alarm], two: Sequence[Alarm]) -> set[str]:
    """Users of whose alarms not all have come to the same in both."""
    return {a.user for a, b in zip(one, two, strict=True) if a.status != b.status}


def without(profiles: dict[str, dict[str, Any]], users: set[str]) -> dict[str, dict[str, Any]]:
    return {key: fields for key, fields in profiles.items() if key.strip("{}") not in users}


def fleet_alarms_in(settings: Settings) -> list[tuple[Any, ...]]:
    return [
        tuple(row)
        for row in migrated_clickhouse(settings)
        .query(
            "SELECT DISTINCT shard, alarm_at, suspects, buckets, usual_share "
            f"FROM {settings.clickhouse_database}.fleet_alarms ORDER BY shard, alarm_at"
        )
        .result_rows
    ]


# From files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Input]:
    folder = tmp_path_factory.mktemp("people")
    logs: dict[str, list[Message]] = {
        "link": [link_of(person.name) for person in PEOPLE],
        "consent": [record for person in EVERYBODY for record in consents_of(person.name)],
        "dpi": sorted(
            chain.from_iterable(person.uses(0, DAYS) for person in EVERYBODY), key=lambda use: use.event_time_ms
        ),
    }
    for name, records in logs.items():
        with (folder / f"{name}.pb").open("wb") as stream:
            for record in records:
                serialize_length_prefixed(record, stream)
    return resolve("all", str(folder))


def settings_for(folder: Path, valkey: str, clickhouse: str, **more: Any) -> Settings:
    # small windows: the history must have time to answer before the input ends
    given: dict[str, Any] = {"replay_window_records": 100, "history_window_ms": 100, "pseudonym_keys": KEYS.to_json()}
    return fresh_settings(folder, valkey, clickhouse, **(given | EARLY | more))


@pytest.fixture(scope="module")
def plain(
    tmp_path_factory: pytest.TempPathFactory, valkey: str, clickhouse: str, files: list[Input]
) -> tuple[Settings, Finished]:
    """Thread mode, parallelism 1: what the other runs must equal."""
    settings = settings_for(tmp_path_factory.mktemp("plain"), valkey, clickhouse)
    return settings, run(settings, files)


def test_who_changed_is_noticed_and_nobody_else(plain: tuple[Settings, Finished]) -> None:
    settings, finished = plain
    assert finished.totals.balanced
    found: dict[str, list[Alarm]] = {}
    names = {user_of(settings, person.name): person for person in PEOPLE}
    for alarm in alarms_in(settings):
        found.setdefault(names[alarm.user].name, []).append(alarm)
    assert {name: [alarm.kind for alarm in alarms] for name, alarms in found.items()} == {
        **{person.name: ["shares"] * (len(person.habits) - 1) for person in (*SWITCHING, *TWICE)},
        "busier": ["volume"],
    }
    for person in (*SWITCHING, *TWICE):
        for alarm, before, since in zip(found[person.name], person.habits, person.habits[1:]):
            changed_ms = T0_MS + since[0] * DAY_MS
            assert changed_ms < alarm.at_ms < changed_ms + 10 * DAY_MS
            assert abs(alarm.since_ms - changed_ms) < 4 * DAY_MS
            assert (alarm.rose[0][0], alarm.fell[0][0]) == (f"content:{since[1]}", f"content:{before[1]}")
    assert [alarm.generation for alarm in found["twice"]] == [1, 2]
    [busier] = found["busier"]
    assert (busier.status, busier.factor, busier.generation) == ("noted", 1.0, 0)
    assert fleet_alarms_in(settings) == []


def test_rebuilds_are_refined_while_the_replay_goes_on(plain: tuple[Settings, Finished]) -> None:
    settings, finished = plain
    first = [alarm for alarm in alarms_in(settings) if alarm.generation == 1]
    assert len(first) == len(SWITCHING) + len(TWICE)
    print(f"{finished.streaming_s:.1f} s: {[alarm.status for alarm in first]}")
    assert {alarm.status for alarm in first} <= {"refined", "provisional"}
    assert "refined" in {alarm.status for alarm in first}
    # what came since the change counts in full, what was before an eighth
    for alarm in first:
        if alarm.status == "refined" and alarm.rose[0][0] == "content:games":
            hot = hot_profiles(settings)[f"{{{alarm.user}}}"]
            assert hot["content:games"] > 20 * hot["content:music"]


def test_the_hot_profile_says_why_and_since_when(plain: tuple[Settings, Finished]) -> None:
    settings, _ = plain
    profiles = hot_profiles(settings)
    names = {f"{{{user_of(settings, person.name)}}}": person.name for person in PEOPLE}
    newest = {f"{{{alarm.user}}}": alarm for alarm in alarms_in(settings)}
    for key, hot in profiles.items():
        alarm = newest.get(key)
        if alarm is None:
            assert (hot["generation"], DRIFT in hot) == (0, False), names.get(key)
            continue
        assert (hot["generation"], hot[DRIFT_SINCE_MS]) == (alarm.generation, alarm.since_ms)
        [(tag, _, _), *_] = alarm.rose
        told = f"{tag.partition(':')[2]} " if tag else f"{alarm.rose[0][1]:g} -> {alarm.rose[0][2]:g} events a day"
        assert hot[DRIFT].startswith(told)
    assert newest.keys() <= profiles.keys()
    assert len(profiles) == len(EVERYBODY)


def test_both_stores_equal_the_oracle(plain: tuple[Settings, Finished]) -> None:
    settings, _ = plain
    verdict = verified(settings)
    assert verdict.ok, verdict.differences
    assert verdict.alarms == len(alarms_in(settings))


def test_a_replay_at_parallelism_two_notices_the_same(
    plain: tuple[Settings, Finished], files: list[Input], tmp_path: Path, valkey: str, clickhouse: str
) -> None:
    settings, _ = plain
    others = settings_for(tmp_path, valkey, clickhouse, parallelism=2)
    run(others, files)
    alarms, again = alarms_in(settings), alarms_in(others)
    assert but_for_status(again) == but_for_status(alarms)
    assert fleet_alarms_in(others) == fleet_alarms_in(settings)
    # whether a rebuild is refined before the input ends is the clock's business: who differs in that is verified below
    apart = apart_in(alarms, again)
    assert_same_profiles(without(hot_profiles(settings), apart), without(hot_profiles(others), apart))
    verdict = verified(others)
    assert verdict.ok, verdict.differences


def test_a_replay_over_filled_stores_in_process_mode_without_answers_notices_the_same_again(
    plain: tuple[Settings, Finished], files: list[Input]
) -> None:
    """Last of those on files: it writes the stores of the first run again."""
    settings, _ = plain
    alarms, profiles = alarms_in(settings), hot_profiles(settings)
    # so short that the second question already comes too late; all alarms can be read from the first run
    others = settings.model_copy(update={"execution_mode": "process", "rebuild_timeout_s": 1e-9})
    finished = run(others, files)
    assert finished.totals.balanced
    again = alarms_in(others)
    assert but_for_status(again) == but_for_status(alarms)
    assert fleet_alarms_in(others) == fleet_alarms_in(settings)
    statuses = {alarm.status for alarm in again if alarm.kind == "shares"}
    assert "timed_out" in statuses
    assert statuses <= {"timed_out", "provisional"}
    apart = apart_in(alarms, again)
    assert apart
    assert_same_profiles(without(profiles, apart), without(hot_profiles(others), apart))
    verdict = verified(others)
    assert verdict.ok, verdict.differences


# From topics


class Live:
    """Two people whose records come by topic, day by day, and the job that goes on."""

    person = Someone("turning", ((0, "music", 8), (9, "games", 8), (30, "property", 8)))
    other = Someone("staying", ((0, "news", 8),))

    def __init__(self, bootstrap: str, settings: Settings) -> None:
        self.bootstrap, self.settings = bootstrap, settings
        self.user = user_of(settings, self.person.name)
        self.published = 0
        self.day = 0
        # the oracle reads topics one after the other: what is asked for comes after what was done
        feeds = ("link", "consent", "dpi", "rebuild", "rights")
        for name in feeds:
            topics.create_topic(bootstrap, FEEDS[name].topic, 1)
        self._inputs = [source for name in feeds for source in resolve(name, f"kafka://{bootstrap}")]
        self.start()

    def start(self, restore: str = "") -> None:
        self.job = Job(self.settings, self._inputs, restore=restore)

    def publish(self, feed: str, *records: Message) -> None:
        values = [record.SerializeToString() for record in records]
        topics.publish(self.bootstrap, FEEDS[feed].topic, [(FEEDS[feed].subscriber(value), value) for value in values])
        self.published += len(values)

    def days(self, until: int) -> None:
        """Both live on to that day; returns when all of it was counted."""
        for first in range(self.day, until, 4):
            last = min(first + 4, until)
            uses = [*self.person.uses(first, last), *self.other.uses(first, last)]
            self.publish("dpi", *sorted(uses, key=lambda use: use.event_time_ms))
        self.day = until
        self.counted()

    def counted(self) -> None:
        self.job.until(lambda: self.job.events_in() >= self.published, 90)

    def alarms(self) -> list[Alarm]:
        return alarms_of(migrated_clickhouse(self.settings), self.settings.clickhouse_database, self.user)

    def live_on_until(self, status: str, alarms: int) -> list[Alarm]:
        """Days go by until the newest of so many alarms has this status; answers come with the next batch."""
        began = time.monotonic()
        while True:
            found = self.alarms()
            assert len(found) <= alarms
            if len(found) == alarms and found[-1].status == status:
                return found
            assert time.monotonic() - began < 120, [each.status for each in found]
            if len(found) < alarms:
                self.days(self.day + 1)
            else:  # any batch brings the answer; the days must not run away on a slow machine
                self.detectors(f"waiting-{self.published}")
            time.sleep(0.3)

    def asked_for_until(self, status: str, request: str) -> bool:
        """Whether the newest alarm has this status, a request for a copy later: any batch brings the answers."""
        self.detectors(request)
        return self.alarms()[-1].status == status

    def hot(self) -> dict[str, str]:
        key = profile_key(self.settings.redis_key_prefix, self.user)
        return hot_client(self.settings).hgetall(key)  # type: ignore[return-value]

    def version(self) -> tuple[int, int]:
        generation, n = self.hot()["_version"].split("-")
        return int(generation), int(n)

    def detectors(self, request: str) -> dict[str, Any]:
        """What the state holds of the person's detectors, as the job itself says it."""
        self.publish(
            "rights",
            RightsRecord(
                identifier=self.person.name,
                record_id=request,
                event_time_ms=T0_MS + self.day * DAY_MS,
                action=RIGHTS_ACTION_EXPORT,
            ),
        )
        client, database = migrated_clickhouse(self.settings), self.settings.clickhouse_database
        statement = (
            f"SELECT document FROM {database}.exports FINAL WHERE request = '{request}' AND user = '{self.user}'"
        )
        self.job.until(lambda: bool(client.query(statement).result_rows), 120)
        held = json.loads(client.query(statement).result_rows[0][0])
        drift: dict[str, Any] = held["drift"]
        return drift


@pytest.mark.kafka
def test_people_drift_live_and_go_on_from_a_savepoint(
    bootstrap: str, tmp_path: Path, valkey: str, clickhouse: str
) -> None:
    settings = settings_for(tmp_path, valkey, clickhouse, window_ms=50, dedup_horizon_hours=24 * 90)
    live = Live(bootstrap, settings)
    try:
        for person in (live.person, live.other):
            live.publish("link", link_of(person.name))
            live.publish("consent", *consents_of(person.name))
        live.counted()
        live.days(12)
        assert live.alarms() == []
        [alarm] = live.live_on_until("refined", 1)
        assert (alarm.kind, alarm.generation, alarm.rose[0][0]) == ("shares", 1, "content:games")
        assert live.version()[0] == 1
        assert live.hot()[DRIFT].startswith("games ")
        memory = live.detectors("before")
        assert memory["pending"] is None
        assert memory["alarms_ms"] == [alarm.at_ms]
        assert memory["numbers"].keys() > {"content:games"}
        n = live.version()[1]
        finished = live.job.stop()
        assert finished.totals.balanced
    except BaseException:
        live.job.stop()
        raise
    verdict = verified(settings)
    assert verdict.ok, verdict.differences

    live.start(finished.savepoint)
    try:
        assert live.detectors("after") == memory
        live.days(live.day + 5)
        assert live.alarms() == [alarm], "the same change is not noticed twice"
        assert live.version() == (1, n + 40)

        # the memory from before the savepoint tells the next change as if nothing had been
        assert live.day < 30
        live.days(34)
        _, again = live.live_on_until("refined", 2)
        assert (again.kind, again.generation, again.rose[0][0]) == ("shares", 2, "content:property")
        assert live.version()[0] == 2

        now_ms = newest_event_ms(migrated_clickhouse(settings), settings.clickhouse_database, live.user)
        assert now_ms is not None
        asked = rebuild_record(settings, live.person.name, "by-hand", now_ms, now_ms - 2 * DAY_MS)
        publish_to(f"kafka://{bootstrap}", asked)
        live.published += 1
        live.counted()
        numbers = iter(range(100))
        live.job.until(lambda: live.asked_for_until("refined", f"copy-{next(numbers)}"), 120)
        *_, hand = live.alarms()
        assert (hand.kind, hand.generation, hand.at_ms, hand.since_ms) == ("by_hand", 3, now_ms, now_ms - 2 * DAY_MS)
        assert live.hot()[DRIFT] == "by hand"
        assert live.version()[0] == 3
    finally:
        live.job.stop()
    verdict = verified(settings)
    assert verdict.ok, verdict.differences
    assert verdict.alarms == 3
