"""Real Flink and all it leaves behind: no raw number anywhere; withdrawals within a second, erasures, new keys."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from city_runs import (
    DAY_MS,
    T0_MS,
    Person,
    Search,
    SmallCity,
    blobs_in,
    city_settings,
    clickhouse_content,
    erase_records,
    files_below,
    identifiers_of,
    names_of,
    redis_content,
    small_city,
)
from google.protobuf.proto import serialize_length_prefixed
from harness import Job, fresh_settings, hot_client, hot_profiles, run, verified
from pydantic import SecretStr
from rich.console import Console

from livetags.embedded import jars, java, topics
from livetags.embedded.kafka_broker import KafkaBroker
from livetags.inputs import resolve
from livetags.job_process import JobFailed, job_environment
from livetags.progress import ConsoleProgress
from livetags.publishing import publish_in_step
from livetags.rights import erase_person
from livetags.runner import Finished, migrated_clickhouse
from livetags.verify import Verdict
from livetags.whose import whose_is
from schemas import state
from schemas.pb.livetags.v1.consent_pb2 import CONSENT_DECISION_WITHDRAWN, CONSENT_LIST_OPTIONAL, ConsentRecord
from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.pb.livetags.v1.rebuild_pb2 import RebuildRecord
from schemas.pb.livetags.v1.rights_pb2 import RIGHTS_ACTION_EXPORT, RightsRecord
from schemas.pseudonym_keys import KeysError, rotated
from schemas.redis_keys import identifier_key, profile_key, tombstone_key, trigger_tombstone_key
from schemas.settings import KEYS_FILE, Settings
from sources import FEEDS
from udfs.privacy.pseudonym import KeyedPseudonyms
from udfs.tags import GROUPS

pytestmark = [pytest.mark.flink, pytest.mark.stores]

_STAYING = (tombstone_key, trigger_tombstone_key, identifier_key)

_DAYS = 4
_AFTER_MS = T0_MS + _DAYS * DAY_MS


def stores_content(settings: Settings) -> Iterator[tuple[str, bytes]]:
    """Place -> what is there, of both stores."""
    for piece in redis_content(hot_client(settings)):
        key = piece.partition(b"\n")[0].decode()
        yield f"redis {key}", piece
    yield from clickhouse_content(migrated_clickhouse(settings), settings.clickhouse_database)


def hits(content: Iterator[tuple[str, bytes]], search: Search) -> dict[str, set[str]]:
    return {place: found for place, piece in content if (found := search.found_in(piece))}


def folder_content(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file, and everything that is compressed in it."""
    for file in files_below(folder):
        content = file.read_bytes()
        yield str(file.relative_to(folder)), content
        for blob in blobs_in(content):
            yield f"{file.relative_to(folder)}, unpacked", blob


def rebuild_of(person: Person, asked_ms: int, since_ms: int) -> RebuildRecord:
    return RebuildRecord(
        identifier=person["imsi"], record_id=f"rebuild-{asked_ms}", event_time_ms=asked_ms, since_ms=since_ms
    )


# From files


@dataclass
class Left:
    """What a whole run, an erasure, and errors on purpose have left; `failed`: the folder of a job that ended badly."""

    settings: Settings
    city: SmallCity
    verdict: Verdict
    failed: Path
    texts: dict[str, str]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory, valkey: str, clickhouse: str) -> Left:
    folder = tmp_path_factory.mktemp("left")
    city = small_city(folder / "city", 40, _DAYS, 13, erased=3)
    # so that there are alarms, also of who will be erased: in so few days nobody's habits are known
    with (city.folder / "rebuild.pb").open("wb") as stream:
        for person in (*city.erased_in_log, *city.settled()[:4]):
            serialize_length_prefixed(rebuild_of(person, T0_MS + 2 * DAY_MS, T0_MS + DAY_MS), stream)
    options = {"replay_window_records": 2_000, "checkpoint_interval_s": 0.2}
    settings = city_settings(fresh_settings(folder / "data", valkey, clickhouse, **options), city)
    texts: dict[str, str] = {}
    run(settings, city.inputs)
    texts["receipt"] = erase_person(settings, city.settled()[0]["msisdn"], "case").to_json()
    verdict = verified(settings)

    # a damaged profile in the state: the job ends, and its last checkpoint stays
    keys = SecretStr(settings.keys().to_json())
    once = {"restart_attempts": 0, "data_dir": folder / "failed", "pseudonym_keys": keys}
    with pytest.raises(JobFailed) as failed:
        run(
            settings.model_copy(update=once),
            city.inputs,
            program=[str(Path(__file__).with_name("city_runs.py"))],
        )
    texts["damaged state"] = str(failed.value)
    wrong = folder / "wrong.json"
    wrong.write_text(keys.get_secret_value()[:-30])
    with pytest.raises(KeysError) as refused:
        run(settings.model_copy(update={"pseudonym_keys_file": wrong}), city.inputs)
    texts["wrong keys"] = str(refused.value)

    for command in (["status", "--json"], ["rejects", "--last", "500", "--json"]):
        texts[f"livetags {' '.join(command)}"] = _command(settings, *command)
    return Left(settings, city, verdict, folder / "failed", texts)


def _command(settings: Settings, *arguments: str) -> str:
    environment = {
        **job_environment(settings),
        "LIVETAGS_REDIS_KEY_PREFIX": settings.redis_key_prefix,
        "LIVETAGS_CLICKHOUSE_DATABASE": settings.clickhouse_database,
        "COLUMNS": "300",
    }
    done = subprocess.run(
        [sys.executable, "-m", "livetags.cli", *arguments], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_search_finds_every_raw_identifier_where_they_are(left: Left) -> None:
    """The search below can fail: in the input it finds every one, also as the spool writes it."""
    raw = left.city.raw()
    assert len(raw) > 150
    for person in left.city.people:
        assert set(identifiers_of(person)) <= raw
    feeds = b"".join(file.read_bytes() for file in left.city.folder.glob("*.pb"))
    search = Search(raw)
    assert search.found_in(feeds) == raw
    for before in range(3):
        assert search.found_in(b64encode(bytes(before) + feeds)) == raw
    # and it looks into what is compressed
    profile = state.Profile(links=[(1, next(iter(raw)))])
    [unpacked] = blobs_in(b"before" + state.encode(profile))
    assert search.found_in(unpacked) == {next(iter(raw))}


def test_the_run_went_through_everything(left: Left) -> None:
    assert left.verdict.ok, left.verdict.differences
    rejects = json.loads(left.texts["livetags rejects --last 500 --json"])
    for reason in ("malformed", "erased", "no_consent", "ping_pong"):
        assert reason in json.dumps(rejects)
    assert json.loads(left.texts["livetags status --json"])["ok"] is True
    assert "damage" in left.texts["damaged state"]


def test_no_store_holds_a_raw_identifier(left: Left) -> None:
    assert hits(stores_content(left.settings), Search(left.city.raw())) == {}


def test_alarms_are_searched_too_and_those_of_erased_persons_are_gone(left: Left) -> None:
    settings, city = left.settings, left.city
    pseudonyms = KeyedPseudonyms(settings.keys())
    [rows] = [
        rows
        for table, rows in clickhouse_content(migrated_clickhouse(settings), settings.clickhouse_database)
        if table == "drift_alarms"
    ]
    users = {json.loads(row)["user"] for row in rows.splitlines()}
    alarmed, erased = city.settled()[:4], [*city.erased_in_log, city.settled()[0]]
    assert users == {pseudonyms.person(person["person_ref"]) for person in alarmed if person not in erased}
    for person in erased:
        assert not Search(names_of(person, pseudonyms)).found_in(rows)


def test_no_store_holds_a_cell(left: Left) -> None:
    cells = left.city.cells()
    assert len(cells) > 100
    search = Search(cells)
    assert search.found_in((left.city.folder / "signalling.pb").read_bytes())
    assert hits(stores_content(left.settings), search) == {}


def test_no_file_holds_a_raw_identifier(left: Left) -> None:
    search = Search(left.city.raw())
    for folder in (left.settings.data_dir, left.failed):
        names = [str(file.relative_to(folder)) for file in files_below(folder)]
        assert [name for name in names if name.startswith("logs/") and name.endswith("job.log")]
        assert not [name for name in names if name.startswith("spool/")]
        # of what stays of a failed job the test below speaks
        apart = "checkpoints/" if folder == left.failed else "nowhere/"
        content = ((name, piece) for name, piece in folder_content(folder) if not name.startswith(apart))
        assert hits(content, search) == {}


@pytest.mark.xfail(reason="a checkpoint holds the records of open windows as they came: it stays when a job fails")
def test_no_checkpoint_of_a_failed_job_holds_a_raw_identifier(left: Left) -> None:
    names = [str(file.relative_to(left.failed)) for file in files_below(left.failed / "checkpoints")]
    assert names
    assert hits(folder_content(left.failed / "checkpoints"), Search(left.city.raw())) == {}


def test_no_text_holds_a_raw_identifier(left: Left) -> None:
    search = Search(left.city.raw())
    assert hits(((name, text.encode()) for name, text in left.texts.items()), search) == {}


def test_the_keys_are_in_their_file_only(left: Left) -> None:
    folder, keys = left.settings.data_dir, left.settings.keys()
    search = Search([*keys.keys.values(), keys.person_key])
    assert list(hits(folder_content(folder), search)) == [KEYS_FILE]
    assert hits(folder_content(left.failed), search) == {}
    assert hits(stores_content(left.settings), search) == {}
    assert not [name for name, text in left.texts.items() if search.found_in(text.encode())]


# From topics


@dataclass
class Live:
    """A city whose records have come by topic, and the job that goes on."""

    city: SmallCity
    bootstrap: str
    job: Job
    published: int
    _unused: list[Person]
    _numbers: Iterator[int]
    finished: Finished | None = None
    continued: Finished | None = None

    def __post_init__(self) -> None:
        self._client = hot_client(self.settings)

    @property
    def settings(self) -> Settings:
        return self.job.settings

    @property
    def pseudonyms(self) -> KeyedPseudonyms:
        return KeyedPseudonyms(self.settings.keys())

    def someone(self) -> Person:
        return self._unused.pop()

    def next_ms(self) -> int:
        """Later than everything before."""
        return _AFTER_MS + next(self._numbers) * 1_000

    def publish(self, feed: str, *records: Any) -> float:
        """Publish records keyed by their first field; returns the seconds until the broker had them."""
        began = time.monotonic()
        values = [record.SerializeToString() for record in records]
        topics.publish(self.bootstrap, FEEDS[feed].topic, [(FEEDS[feed].subscriber(value), value) for value in values])
        self.published += len(values)
        return time.monotonic() - began

    def use(self, person: Person) -> DpiRecord:
        now_ms = self.next_ms()
        return DpiRecord(
            subscriber_id=person["imsi"],
            record_id=f"later-{now_ms}",
            event_time_ms=now_ms,
            app="video.example",
            category="video",
            bytes_up=1,
            bytes_down=2,
        )

    def all_counted(self) -> bool:
        return self.job.events_in() >= self.published

    def hot(self, person: Person) -> dict[str, str]:
        user = self.pseudonyms.person(person["person_ref"])
        return self._client.hgetall(profile_key(self.settings.redis_key_prefix, user))  # type: ignore[return-value]

    def hot_groups(self, person: Person) -> set[str]:
        return {name.partition(":")[0] for name in self.hot(person) if not name.startswith("_")}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, valkey: str, clickhouse: str) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    city = small_city(folder / "city", 30, _DAYS, 17)
    settings = city_settings(
        fresh_settings(folder / "data", valkey, clickhouse, window_ms=50, history_window_ms=200), city
    )
    kafka = KafkaBroker(folder / "kafka", java.java_home(), jars.fetch("kafka-broker", jars.DEFAULT_FOLDER))
    with kafka as broker, ConsoleProgress(Console(quiet=True)) as progress:
        inputs = [source for source in resolve("all", f"kafka://{broker.bootstrap}") if source.feed.linked]
        for source in inputs:
            topics.create_topic(broker.bootstrap, source.topic, 4)
        # topics keep no order among themselves: who somebody is and has consented to comes before what they do
        first = [source for source in city.inputs if source.feed.name in ("link", "registration", "consent")]
        rest = [source for source in city.inputs if source not in first]
        published = publish_in_step(first, f"kafka://{broker.bootstrap}", progress)
        job = Job(settings, inputs)
        numbers = iter(range(1, 1_000))
        running = Live(city, broker.bootstrap, job, published, city.settled(), numbers)
        try:
            job.until(running.all_counted, 90)
            running.published += publish_in_step(rest, f"kafka://{broker.bootstrap}", progress)
            job.until(running.all_counted, 60)
            yield running
        finally:
            if running.finished is None:
                job.stop()


_PROFILING = {name for name, group in GROUPS.items() if group.purpose == "profiling"}


@pytest.mark.kafka
def test_a_withdrawal_takes_effect_within_a_second(live: Live) -> None:
    for _ in range(3):
        _withdraw(live, live.someone())


def _withdraw(live: Live, person: Person) -> None:
    assert {"content", "app"} <= live.hot_groups(person) & _PROFILING
    others = live.hot_groups(person) - _PROFILING
    assert others
    withdrawn_ms = live.next_ms()
    withdrawal = ConsentRecord(
        msisdn=person["msisdn"],
        record_id=f"withdrawn-{withdrawn_ms}",
        event_time_ms=withdrawn_ms,
        list=CONSENT_LIST_OPTIONAL,
        purpose="profiling",
        decision=CONSENT_DECISION_WITHDRAWN,
        list_version=1,
    )
    publishing_s = live.publish("consent", withdrawal)
    after_s = live.job.until(lambda: not live.hot_groups(person) & _PROFILING, 30, every_s=0.002)
    print(f"published in {publishing_s * 1000:.0f} ms, gone from Redis {after_s * 1000:.0f} ms later")
    assert after_s <= 1.0
    assert live.hot_groups(person) == others

    # what they do from now on is refused, and brings nothing back
    def refused() -> int:
        return _rows_of(live, person, "dead_letters", " AND reason = 'no_consent'")

    before = refused()
    live.publish("dpi", live.use(person))
    live.job.until(lambda: refused() == before + 1, 20)
    assert live.hot_groups(person) == others
    assert not _rows_of(live, person, "tag_evidence", f" AND tag_group IN {tuple(sorted(_PROFILING))}")
    assert _rows_of(live, person, "tag_evidence")


def _rows_of(live: Live, person: Person, table: str, more: str = "") -> int:
    user = live.pseudonyms.person(person["person_ref"])
    statement = f"SELECT count() FROM {live.settings.clickhouse_database}.{table} FINAL WHERE user = '{user}'{more}"
    return int(migrated_clickhouse(live.settings).query(statement).result_rows[0][0])


@pytest.mark.kafka
def test_a_request_to_be_erased_empties_both_stores_and_the_state(live: Live) -> None:
    person = live.someone()
    search = Search(names_of(person, live.pseudonyms))
    prefix = live.settings.redis_key_prefix
    # and whose the identifiers are
    staying = tuple(f"redis {key(prefix, '').rstrip('}')}" for key in _STAYING)

    def places() -> set[str]:
        found = hits(stores_content(live.settings), search)
        tables = {"erasures", "identity_links"}
        return {place for place in found if place not in tables and not place.startswith(staying)}

    _alarm(live, person)
    time.sleep(2)
    live.publish("dpi", live.use(person))  # brings what the history has answered
    live.job.until(lambda: _rows_of(live, person, "drift_alarms", " AND status = 'refined'") == 1, 20)
    assert {"tag_evidence", "drift_alarms"} <= places()
    live.publish("rights", *erase_records(person, "case", live.next_ms()))
    took_s = live.job.until(lambda: not places(), 20)
    print(f"gone from both stores after {took_s:.1f} s")
    assert took_s < 10

    # the job itself says what it holds
    live.publish(
        "rights",
        RightsRecord(
            identifier=person["imsi"], record_id="ask", event_time_ms=live.next_ms(), action=RIGHTS_ACTION_EXPORT
        ),
    )
    live.job.until(lambda: _rows_of(live, person, "exports") == 1, 20)
    user = live.pseudonyms.person(person["person_ref"])
    held = json.loads(
        migrated_clickhouse(live.settings)
        .query(f"SELECT document FROM {live.settings.clickhouse_database}.exports FINAL WHERE user = '{user}'")
        .result_rows[0][0]
    )
    assert (held["n"], held["groups"], held["consents"], held["memory"], held["links"]) == (0, {}, {}, None, [])
    assert held["drift"] is None
    assert held["erased_ms"] > _AFTER_MS

    # and what they do from now on needs a new consent
    live.publish("dpi", live.use(person))
    live.job.until(lambda: _rows_of(live, person, "dead_letters") == 1, 20)
    assert live.hot(person) == {}
    assert not _rows_of(live, person, "tag_evidence")


def _alarm(live: Live, person: Person) -> None:
    """An alarm of the person in the history."""
    asked_ms = live.next_ms()
    live.publish("rebuild", rebuild_of(person, asked_ms, asked_ms - DAY_MS))
    live.job.until(lambda: _rows_of(live, person, "drift_alarms") == 1, 20)


@pytest.mark.kafka
def test_an_erasure_right_after_an_alarm_takes_it_too(live: Live) -> None:
    person = live.someone()
    _alarm(live, person)
    time.sleep(2)  # the history answers; the next batch, that of the erasure, takes it up
    live.publish("rights", *erase_records(person, "at-once", live.next_ms()))
    live.job.until(lambda: _rows_of(live, person, "erasures") == 1 and live.all_counted(), 20)
    time.sleep(1)
    assert _rows_of(live, person, "drift_alarms") == 0


@pytest.fixture(scope="module")
def stopped(live: Live) -> Live:
    """The same, the job stopped with a savepoint."""
    live.finished = live.job.stop()
    assert live.finished.totals.balanced
    assert live.finished.totals.events_in == live.published
    return live


@pytest.mark.kafka
def test_neither_savepoint_nor_checkpoint_nor_log_holds_a_raw_identifier(stopped: Live) -> None:
    folder = stopped.settings.data_dir
    names = [str(file.relative_to(folder)) for file in files_below(folder)]
    assert [name for name in names if name.startswith("savepoints/")]
    found = list(folder_content(folder))
    assert sum(name.endswith("unpacked") for name, _ in found) > len(stopped.city.people), "profiles were looked into"
    assert hits(iter(found), Search(stopped.city.raw())) == {}
    assert hits(stores_content(stopped.settings), Search(stopped.city.raw())) == {}


@pytest.mark.kafka
def test_with_new_keys_everybody_goes_on(stopped: Live) -> None:
    assert stopped.finished is not None
    person, unseen = stopped.someone(), stopped.someone()
    before, people = stopped.hot(person), set(hot_profiles(stopped.settings))
    old = stopped.pseudonyms
    keys = rotated(stopped.settings.keys())
    settings = stopped.settings.model_copy(update={"pseudonym_keys": SecretStr(keys.to_json())})
    user = old.person(person["person_ref"])
    stopped.job = job = Job(settings, stopped.job.inputs, restore=stopped.finished.savepoint)
    new = stopped.pseudonyms
    assert new.person(person["person_ref"]) == user
    client, prefix = hot_client(settings), settings.redis_key_prefix
    imsi = person["imsi"]
    try:
        stopped.publish("dpi", stopped.use(person), stopped.use(person))
        job.until(lambda: _n(stopped.hot(person)) >= _n(before) + 2, 90)
    finally:
        stopped.continued = job.stop()

    assert _n(stopped.hot(person)) == _n(before) + 2
    assert set(hot_profiles(settings)) == people, "no second profile of anybody"
    assert client.get(identifier_key(prefix, new.identifier(imsi))) == user
    assert client.get(identifier_key(prefix, old.identifier(imsi))) is None
    # an identifier not yet seen is still found by what it was
    number = unseen["msisdn"]
    assert client.get(identifier_key(prefix, old.identifier(number))) == new.person(unseen["person_ref"])
    assert whose_is(settings, number) == new.person(unseen["person_ref"])
    assert whose_is(settings, imsi) == user


@pytest.mark.kafka
def test_the_totals_of_the_run_that_goes_on_are_those_of_all_its_records(stopped: Live) -> None:
    if stopped.continued is None:
        pytest.skip("needs the run of the test before")
    assert stopped.continued.totals.events_in == stopped.published
    assert stopped.continued.totals.balanced


def _n(fields: dict[str, str]) -> int:
    return int(fields["_version"].split("-")[1])
