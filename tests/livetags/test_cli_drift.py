"""The commands `livetags drift` and `livetags rebuild`, over real stores."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from alarm_rows import DAY_MS, T0_MS, alarm, switched, write_alarms, write_evidence, write_fleet_alarms
from clickhouse_connect.driver.client import Client

from livetags.embedded import jars, java, topics
from livetags.embedded.kafka_broker import KafkaBroker
from livetags.key_file import ensure_keys
from schemas.events import Rebuild
from schemas.outputs import FleetAlarm
from schemas.redis_keys import identifier_key
from schemas.settings import Settings
from sources.rebuild import FEED
from sources.records import read_records
from udfs.privacy.pseudonym import KeyedPseudonyms

MSISDN = "13800000001"
NEWEST_MS = T0_MS - 8 * 3_600_000 + 29 * DAY_MS + 19 * 3_600_000

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def person(command: Command, valkey: str, prefix: str, clickhouse_client: Client, database: str) -> str:
    """Pseudonym of somebody who went from music to games, and whose number is MSISDN."""
    pseudonyms = KeyedPseudonyms(ensure_keys(Settings()))
    user = pseudonyms.person("ref-1")
    redis.Redis.from_url(valkey).set(identifier_key(prefix, pseudonyms.identifier(MSISDN)), user)
    write_evidence(clickhouse_client, database, switched(user, 30, 14))
    return user


pytestmark = pytest.mark.stores


def test_a_persons_drift_is_shown_by_number_and_by_pseudonym(
    command: Command, person: str, clickhouse_client: Client, database: str, tmp_path: Path
) -> None:
    write_alarms(clickhouse_client, database, [alarm(user=person)])
    picture = tmp_path / "drift.svg"
    for who in (MSISDN, person):
        code, out, _ = command("drift", who, "--out", str(picture))
        assert code == 0
        assert "games 2 % -> 30 %" in out
        assert "◆ change" in out
        assert "▲ ↻ generation 1, refined" in out
        assert MSISDN not in out.partition("drawn in")[0]
    assert person[:8] in picture.read_text()
    code, out, _ = command("drift", person, "--json")
    found = json.loads(out)
    assert found["user"] == person
    assert found["alarms"][0]["rose"][0] == {"tag": "content:games", "before": 0.02, "since": 0.3}
    assert found["events_by_day"]["2026-01-14"] == {"content:music": 16, "content:news": 4}
    assert found["events_by_day"]["2026-01-15"] == {"content:games": 16, "content:news": 4}


def test_who_did_not_change_is_shown_too_and_a_stranger_is_not_found(command: Command, person: str) -> None:
    code, out, _ = command("drift", person)
    assert code == 0
    assert "no change was noticed" in out
    code, _, err = command("drift", "nobody")
    assert code == 1
    assert "nothing of that user" in err


def test_without_a_user_the_newest_alarms_and_shifts_of_everybody(
    command: Command, clickhouse_client: Client, database: str
) -> None:
    code, out, _ = command("drift")
    assert code == 0
    assert "no change of anybody" in out
    write_alarms(clickhouse_client, database, [alarm(user=f"u{day}", day=day) for day in (20, 21)])
    write_alarms(clickhouse_client, database, [alarm(user="v", kind="volume", day=9, status="noted")])
    shift = [FleetAlarm(shard, T0_MS + shard * DAY_MS, 40, 300, 0.01) for shard in (1, 2)]
    write_fleet_alarms(clickhouse_client, database, "run", shift)
    code, out, _ = command("drift")
    assert code == 0
    assert "shares refined 2, volume noted 1" in out
    assert "80 people under suspicion at once in 2 shards (1, 2)" in out
    newest = json.loads(command("drift", "--json", "--last", "1", "--kind", "shares")[1])
    assert [each["user"] for each in newest["newest"]] == ["u21"]
    assert newest["fleet_shifts"][0]["shards"] == [1, 2]


def test_a_request_is_appended_to_a_file_that_the_feed_reads(command: Command, person: str, tmp_path: Path) -> None:
    file = tmp_path / "rebuild.pb"
    code, out, _ = command("rebuild", MSISDN, "--out", str(file))
    assert code == 0
    assert "counts 1/8" in out or "count 1/8" in out
    assert f"livetags drift {person}" in out
    told = json.loads(command("rebuild", MSISDN, "--since", "2026-01-15", "--out", str(file), "--json")[1])
    assert told["since_ms"] == T0_MS + 14 * DAY_MS
    values = [value for _, value in read_records(FEED, file, 1 << 20)]
    pseudonyms = KeyedPseudonyms(Settings().keys())
    events = [FEED.decode(FEED.subscriber(value) or b"", value, pseudonyms) for value in values]
    assert [type(event) for event in events] == [Rebuild, Rebuild]
    assert {(event.user, event.event_time_ms) for event in events} == {(pseudonyms.identifier(MSISDN), NEWEST_MS)}
    assert [event.since_ms for event in events] == [NEWEST_MS - 14 * DAY_MS, T0_MS + 14 * DAY_MS]
    assert len({event.event_id for event in events}) == 2
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["rebuild", MSISDN], 2, "--brokers kafka://host:port, or to a file"),
        (["rebuild", MSISDN, "--out", "rebuild.pb", "--brokers", "kafka://h:1"], 2, "or to a file"),
        (["rebuild", MSISDN, "--out", "rights.pb"], 2, "rebuild*.pb"),
        (["rebuild", MSISDN, "--out", "rebuild.pb", "--since", "lately"], 2, "--since expects an ISO 8601 time"),
        (
            ["rebuild", MSISDN, "--out", "rebuild.pb", "--since", "2026-03-01"],
            2,
            "later than the person's newest event",
        ),
        (["rebuild", "13800000002", "--out", "rebuild.pb"], 1, "no history of that person"),
        (["rebuild", "PERSON", "--out", "rebuild.pb"], 2, "an IMSI, MSISDN or account"),
        (["drift", "--out", "drift.svg"], 2, "name a USER"),
        (["drift", "--kind", "moods"], 2, "shares, volume, by_hand"),
        (["drift", "PERSON", "--out", "drift.pdf"], 2, "ends in .svg or .png"),
    ],
)
def test_a_mistake_is_one_clear_line_and_writes_nothing(
    command: Command,
    person: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    got, _, err = command(*[person if argument == "PERSON" else argument for argument in arguments])
    assert got == code
    assert expected in err.replace("\n", " ")
    assert not list(tmp_path.glob("*.*"))


@pytest.mark.kafka
def test_a_request_is_published_keyed_by_the_identifier(command: Command, person: str, tmp_path: Path) -> None:
    kafka_jars = jars.fetch("kafka-broker", jars.DEFAULT_FOLDER)
    with KafkaBroker(tmp_path / "kafka", java.java_home(), kafka_jars) as broker:
        topics.create_topic(broker.bootstrap, FEED.topic, 1)
        code, out, _ = command("rebuild", MSISDN, "--brokers", f"kafka://{broker.bootstrap}", "--json")
        [(_, _, key, value)] = list(topics.read_all(broker.bootstrap, FEED.topic))
    assert key == MSISDN.encode()
    assert code == 0
    event = FEED.decode(key or b"", value or b"", KeyedPseudonyms(Settings().keys()))
    assert event.since_ms == json.loads(out)["since_ms"]
