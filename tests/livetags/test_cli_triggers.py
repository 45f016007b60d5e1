"""The commands `livetags triggers` and `livetags trigger`, over real stores."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count

import pytest
import redis
from clickhouse_connect.driver.client import Client
from made_triggers import T0_MS, trigger

from livetags.key_file import ensure_keys
from schemas.outputs import HistoryBatch, Receipt
from schemas.redis_keys import identifier_key
from schemas.settings import Settings
from sinks.clickhouse_history import ClickHouseHistorySink
from udfs.privacy.pseudonym import KeyedPseudonyms

pytestmark = pytest.mark.stores

MSISDN = "13800000001"

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def history(clickhouse: str, database: str) -> ClickHouseHistorySink:
    return ClickHouseHistorySink(clickhouse, database, "run", 5.0, 10.0)


@pytest.fixture
def person(command: Command, valkey: str, prefix: str) -> str:
    """Pseudonym of somebody whose number is MSISDN."""
    pseudonyms = KeyedPseudonyms(ensure_keys(Settings()))
    user = pseudonyms.person("ref-1")
    redis.Redis.from_url(valkey).set(identifier_key(prefix, pseudonyms.identifier(MSISDN)), user)
    return user


@pytest.fixture
def fired(history: ClickHouseHistorySink, person: str) -> str:
    """Some receipts of two people: of `often` eight, each slower by 10 ms, of `quiet` two in shadow; whose they are."""
    number = count()
    often = [
        Receipt(made, made.decided_ms + 10 * n)
        for n in range(1, 9)
        for made in [trigger(next(number), person if n > 5 else "somebody", rule="often", scene="[often] here")]
    ]
    quiet = [Receipt(trigger(next(number), person, rule="quiet", shadow=True), 0) for _ in range(2)]
    history.write_batch([HistoryBatch(receipts=often + quiet)])
    return person


def test_without_arguments_it_counts_what_each_rule_fired(command: Command, fired: str) -> None:
    code, out, _ = command("triggers")
    assert code == 0
    assert "10 triggers of 2 rules" in out
    rows = {line.split("│")[1].strip(): line for line in out.splitlines() if "│" in line}
    assert [cell.strip() for cell in rows["often"].split("│")[2:-1]] == ["8", "2", "0", "50 ms", "80 ms"]
    assert [cell.strip() for cell in rows["quiet"].split("│")[2:-1]] == ["2", "1", "2", "", ""]
    told = {each["rule"]: each for each in json.loads(command("triggers", "--json")[1])}
    assert told["often"]["people"] == 2
    assert told["often"]["latency"]["p99_ms"] == 80
    assert told["quiet"]["latency"] is None


def test_the_newest_of_a_person_by_number_and_by_pseudonym(command: Command, fired: str) -> None:
    for who in (MSISDN, fired):
        code, out, _ = command("triggers", who)
        assert code == 0
        assert "id-7" in out
        assert "id-4" not in out
        assert "[often] here" in out
        assert "shadow" in out
        assert MSISDN not in out
    found = json.loads(command("triggers", MSISDN, "--last", "3", "--json")[1])
    assert [each["id"] for each in found] == ["id-9", "id-8", "id-7"]
    assert [each["latency_ms"] for each in found] == [None, None, 80]
    assert {each["user"] for each in found} == {fired}


def test_the_newest_of_a_rule_and_of_everybody(command: Command, fired: str) -> None:
    of_rule = json.loads(command("triggers", "--rule", "often", "--last", "2", "--json")[1])
    assert [each["id"] for each in of_rule] == ["id-7", "id-6"]
    of_all = json.loads(command("triggers", "--last", "9", "--json")[1])
    assert [each["id"] for each in of_all] == [f"id-{n}" for n in range(9, 0, -1)]
    assert of_all[-1]["at_ms"] == T0_MS + 1


def test_nothing_found_is_said(command: Command, fired: str, clickhouse_client: Client, database: str) -> None:
    for arguments in (["nobody"], ["--rule", "unknown"], [MSISDN, "--rule", "unknown"]):
        code, _, err = command("triggers", *arguments)
        assert code == 1
        assert "no such trigger" in err
    clickhouse_client.command("TRUNCATE TABLE {database:Identifier}.triggers", parameters={"database": database})
    code, out, _ = command("triggers")
    assert code == 0
    assert "no rule has fired" in out


def test_a_store_that_is_away_is_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVETAGS_CLICKHOUSE_URL", "http://127.0.0.1:1")
    code, _, err = command("triggers", "--set", "sink_timeout_s=0.5")
    assert code == 2
    assert "ClickHouse at http://127.0.0.1:1 does not answer" in err.replace("\n", " ")
