"""The commands `livetags triggers`, `livetags trigger` and `livetags rules backtest`, over real stores."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
import redis
from clickhouse_connect.driver.client import Client
from made_triggers import T0_MS, trigger
from msgspec.structs import replace as altered

from city.building import build
from livetags import cli_backtest, ledger
from livetags.backtest import Backtest, Overlap, RuleBacktest
from livetags.checked_rules import checked_rules
from livetags.contact_caps import ContactCaps
from livetags.in_process import replay
from livetags.inputs import resolve
from livetags.key_file import ensure_keys
from livetags.scenes import scenes_folder
from schemas.outputs import HistoryBatch, Receipt, Removal, RuleDocument, Trigger
from schemas.pseudonym_keys import PseudonymKeys, new_keys
from schemas.redis_keys import identifier_key
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.trigger_message import as_json
from sources.dictionaries import load
from udfs.privacy.pseudonym import KeyedPseudonyms
from udfs.tags import GROUPS
from udfs.triggers.rule_set import RuleSet

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


@pytest.mark.parametrize("columns", [80, 120])
def test_the_list_says_who_and_fits_the_terminal(
    command: Command, fired: str, history: ClickHouseHistorySink, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    made = trigger(50, fired, id="f" * 32, rule="a-rule-with-quite-a-long-name-of-its-own")
    history.write_batch([HistoryBatch(receipts=[Receipt(made, made.decided_ms + 1_234)])])
    monkeypatch.setenv("COLUMNS", str(columns))
    out = command("triggers", "--rule", made.rule)[1]
    assert max(map(len, out.splitlines())) <= columns
    for whole in (fired, made.id, "2026-01-01 00:00:00", "pulse, 1,234 ms"):
        assert whole in out
    cells = [line.split("│")[2].strip() for line in out.splitlines() if "│" in line]
    assert "".join(cells).startswith(made.rule)
    assert made.scene in " ".join(cells)


def test_the_identity_of_an_event_is_text_as_in_the_stream(
    command: Command, person: str, history: ClickHouseHistorySink
) -> None:
    made = trigger(1, person, event_id=2**64 - 1)
    history.write_batch([HistoryBatch(receipts=[Receipt(made, 7)])])
    in_stream = json.loads(as_json(made))["event_id"]
    assert in_stream == "18446744073709551615"
    [listed] = json.loads(command("triggers", "--last", "1", "--json")[1])
    assert listed["event_id"] == in_stream
    assert json.loads(command("trigger", made.id, "--json")[1])["receipt"]["event_id"] == in_stream


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


# A small city under the shipped scenes


@dataclass
class City:
    """A city's files, the keys of its pseudonyms, and what the shipped scenes fire in it."""

    folder: Path
    keys: PseudonymKeys
    rules: list[TriggerRule]
    fired: list[Trigger]

    def first_of(self, rule: str) -> Trigger:
        return next(each for each in self.fired if each.rule == rule)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    folder = tmp_path_factory.mktemp("city")
    build(folder, 40, 10, 1)
    settings = Settings(data_dir=folder / "data", dictionaries_dir=folder / "dictionaries")
    keys, rules = new_keys(), [each.rule for each in checked_rules([scenes_folder()], settings)]
    rule_set = RuleSet(settings.rules(GROUPS).groups)
    rule_set.replace(rules)
    dictionaries = load(settings.dictionaries_folder())
    inputs, now_ms = resolve("all", str(folder)), T0_MS + 400 * 86_400_000
    replayed = replay(inputs, settings, KeyedPseudonyms(keys), dictionaries, now_ms, rule_set=rule_set, settle=True)
    return City(folder, keys, rules, replayed.triggers)


@pytest.fixture
def in_city(command: Command, city: City, history: ClickHouseHistorySink, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command where the city's triggers are in the history."""
    monkeypatch.setenv("LIVETAGS_PSEUDONYM_KEYS", city.keys.to_json())
    monkeypatch.setenv("LIVETAGS_DICTIONARIES_DIR", str(city.folder / "dictionaries"))
    documents = [RuleDocument(rule.id, rule.version, json.dumps(rule.document())) for rule in city.rules]
    receipts = [Receipt(each, 0 if each.shadow else each.decided_ms + 7) for each in city.fired]
    history.write_batch([HistoryBatch(rules=documents, receipts=receipts)])
    return command


def test_a_receipt_is_shown_in_full(in_city: Command, city: City) -> None:
    fired = city.first_of("traffic-80-used")
    code, out, _ = in_city("trigger", fired.id)
    assert code == 0
    for told in (fired.user, "traffic-80-used, version 1", fired.episode, "7 ms later", "remaining_share", fired.log):
        assert told in out
    assert "confirmed" not in out
    report = json.loads(in_city("trigger", fired.id, "--json")[1])
    assert report["receipt"]["values"] == fired.values
    assert "explanation" not in report


def test_every_scene_s_decision_is_explained(in_city: Command, city: City) -> None:
    rules = {each.rule for each in city.fired}
    assert len(rules) > 15
    for rule in sorted(rules):
        code, out, _ = in_city("trigger", city.first_of(rule).id, "--explain")
        assert code == 0, (rule, out)
        assert out.splitlines()[-1] == "the decision is confirmed, as far as the receipt goes"
    report = json.loads(in_city("trigger", city.first_of("traffic-80-used").id, "--explain", "--json")[1])
    assert report["explanation"]["confirmed"]
    assert any("remaining_share <= 0.2 is true" in step["text"] for step in report["explanation"]["steps"])


def test_an_explanation_says_what_was_made_again_and_what_was_not(in_city: Command, city: City) -> None:
    def scope(rule: str) -> tuple[str, str]:
        told = json.loads(in_city("trigger", city.first_of(rule).id, "--explain", "--json")[1])["explanation"]
        assert told["replayed"] is None
        return "; ".join(told["made_again"]), "; ".join(told["taken_as_recorded"])

    again, recorded = scope("traffic-80-used")  # by an event
    assert "its conditions on the values of the receipt" in again
    assert "the values, as the job had worked them out" in recorded
    again, recorded = scope("mall-stay")  # by time alone
    assert "its conditions on the event that began it" in again
    assert "when the situation began, and that it lasted" in recorded
    again, recorded = scope("contact-rested")  # a fading has no event
    assert "conditions" not in again
    assert "the half-life's closed form, to a part in a billion" in again
    assert "that the tag had been above before" in recorded
    assert "the events that were counted before the last one" in scope("games-binge")[1]
    out = " ".join(in_city("trigger", city.first_of("mall-stay").id, "--explain")[1].split())
    assert "made again, bit for bit: the rule's text, its conditions on the event that began it, the episode" in out
    assert "taken as recorded: the values, as the job had worked them out; when the situation began" in out
    assert "--input FOLDER" in out


def test_a_replay_fires_the_very_same_trigger(in_city: Command, city: City) -> None:
    fired = city.first_of("contact-rested")  # by time alone
    code, out, err = in_city("trigger", fired.id, "--input", str(city.folder), "--json")
    assert json.loads(out)["explanation"]["taken_as_recorded"] == [], "the replay makes all of it again"
    records = sum(json.loads((city.folder / "truth" / "summary.json").read_text())["events"].values())
    assert f"replaying all {records:,} records" in err, "what there is to wait for is said beforehand"
    code, out, _ = in_city("trigger", fired.id, "--explain", "--input", str(city.folder))
    assert code == 0, out
    assert "the replay fires the very same trigger" in out


def test_an_altered_receipt_is_not_confirmed(in_city: Command, city: City, history: ClickHouseHistorySink) -> None:
    fired = city.first_of("traffic-80-used")
    history.write_batch(
        [HistoryBatch(receipts=[Receipt(altered(fired, values={**fired.values, "remaining_share": 0.9}), 7)])]
    )
    code, out, _ = in_city("trigger", fired.id, "--explain")
    assert code == 1
    assert "NOT confirmed: when: remaining_share <= 0.2 is false, with remaining_share = 0.9" in out
    # a value under which the rule fires as well is seen by the replay alone
    history.write_batch(
        [HistoryBatch(receipts=[Receipt(altered(fired, values={**fired.values, "remaining_share": 0.01}), 7)])]
    )
    assert in_city("trigger", fired.id, "--explain")[0] == 0
    code, out, _ = in_city("trigger", fired.id, "--input", str(city.folder))
    assert code == 1
    assert "values.remaining_share is 0.01, replayed" in out
    assert "NOT confirmed: the replay says otherwise" in out


def test_values_emptied_by_a_withdrawal_are_said(in_city: Command, city: City, history: ClickHouseHistorySink) -> None:
    fired = city.first_of("traffic-80-used")
    history.write_batch([HistoryBatch(removals=[Removal("forget", fired.user, groups=("usage_mb",))])])
    code, out, _ = in_city("trigger", fired.id, "--explain")
    assert code == 1
    assert "NOT confirmed: its values were emptied when the person withdrew a consent" in out
    assert json.loads(in_city("trigger", fired.id, "--explain", "--json")[1])["explanation"]["emptied"]


def test_what_can_t_be_explained_is_said(in_city: Command, city: City, history: ClickHouseHistorySink) -> None:
    code, _, err = in_city("trigger", "unknown")
    assert code == 1
    assert "no such trigger" in err
    stray = altered(city.fired[0], id="stray", version=9)
    history.write_batch([HistoryBatch(receipts=[Receipt(stray, 0)])])
    code, out, _ = in_city("trigger", "stray", "--explain")
    assert code == 1
    assert "was never published" in out
    code, _, err = in_city("trigger", "stray", "--input", "kafka://localhost:1")
    assert code == 2
    assert "this replays files" in err.replace("\n", " ")


# Rules tried out on the same city


@pytest.fixture
def tried(in_city: Command, city: City, tmp_path: Path) -> Path:
    """A next version of a scene in force, which asks for a shorter stay."""
    assert in_city("rules", "publish", str(scenes_folder()))[0] == 0
    text = (scenes_folder() / "mall-stay.yaml").read_text()
    file = tmp_path / "mall-stay.yaml"
    file.write_text(text.replace("version: 2", "version: 3").replace("hold: 30m", "hold: 21m"))
    return file


def test_a_rule_is_tried_out_beside_those_in_force(in_city: Command, city: City, tried: Path) -> None:
    whole = ("--days", "30", "--input", str(city.folder))
    code, out, _ = in_city("rules", "backtest", str(tried), "school-stay", *whole, "--json")
    assert code == 0
    told = json.loads(out)
    stay, school = told["rules"]
    was = [each for each in city.fired if each.rule == "mall-stay" and each.at_ms <= told["until_ms"]]
    assert (stay["rule"], stay["version"], stay["fired_before"]) == ("mall-stay", 3, len(was))
    assert stay["fired"] > stay["fired_before"]
    assert stay["people"] >= len({each.user for each in was})
    assert (school["fired"], school["version"]) == (school["fired_before"], 2)
    assert told["days"] == pytest.approx(10.0, abs=0.1)
    assert 0 < stay["contacts"] < stay["fired"]
    overlap = {each["rule"]: each["people"] for each in stay["overlaps"]}["video-music-opened"]
    assert 0 < overlap <= stay["people"]

    code, out, _ = in_city(
        "rules", "backtest", str(tried), *whole, "--max-a-day", "9", "--max-a-week", "99", "--quiet", "0-0"
    )
    assert code == 0
    assert "10.0 days of event time" in out
    assert "mall-stay and video-music-opened: " in out
    shown = next(line for line in out.splitlines() if "mall-stay" in line and "│" in line)
    cells = [cell.strip() for cell in shown.split("│")[1:-1]]
    assert cells[2] == cells[6] == str(stay["fired"])  # nearly no caps: every trigger is a contact


@pytest.mark.parametrize(("number", "said"), [(1, "1 person, 1 time within"), (2, "2 people, 2 times within")])
def test_one_is_no_plural(capsys: pytest.CaptureFixture[str], number: int, said: str) -> None:
    rule = RuleBacktest("a", 1, number, number, None, 1.0, 1, [Overlap("b", number, number)])
    cli_backtest._show(Backtest(0, 1, 1.0, [rule], 0, 1), ContactCaps(1, 3, 22, 8, 0))
    assert f"a and b: {said} an hour" in capsys.readouterr().out


def test_it_finds_what_the_runs_have_read(
    in_city: Command, city: City, tried: Path, clickhouse_client: Client, database: str
) -> None:
    code, _, err = in_city("rules", "backtest", str(tried))
    assert code == 2
    assert "the ledger holds no run" in err
    started = datetime.fromtimestamp((T0_MS + 400 * 86_400_000) / 1000, UTC)
    inputs = resolve("all", str(city.folder))
    ledger.record(clickhouse_client, database, ledger.RunRecord("r", "profile_update", [], "finished", started), inputs)
    code, out, err = in_city("rules", "backtest", str(tried), "--days", "2", "--json")
    assert code == 0
    records = sum(json.loads((city.folder / "truth" / "summary.json").read_text())["events"].values())
    assert f"replaying all {records:,} records under 27 rules" in err, "26 scenes, one of them in two versions"
    told = json.loads(out)
    assert told["days"] == 2.0
    begin, end = told["from_ms"], told["until_ms"]
    was = sum(each.rule == "mall-stay" and begin <= each.at_ms <= end for each in city.fired)
    assert told["rules"][0]["fired_before"] == was


def test_who_was_erased_is_in_no_count(
    in_city: Command,
    city: City,
    tried: Path,
    history: ClickHouseHistorySink,
    clickhouse_client: Client,
    database: str,
) -> None:
    started = datetime.fromtimestamp((T0_MS + 400 * 86_400_000) / 1000, UTC)
    run = ledger.RunRecord("r", "profile_update", [], "finished", started)
    ledger.record(clickhouse_client, database, run, resolve("all", str(city.folder)))
    gone = city.first_of("mall-stay").user
    history.write_batch([HistoryBatch(removals=[Removal("erase", gone, time_ms=T0_MS + 300 * 86_400_000)])])
    told = json.loads(in_city("rules", "backtest", "mall-stay", "--days", "30", "--json")[1])
    left = {each.user for each in city.fired if each.rule == "mall-stay" and each.at_ms <= told["until_ms"]} - {gone}
    assert told["rules"][0]["people"] == len(left)


def test_what_can_t_be_tried_out_is_refused(in_city: Command, tried: Path, city: City) -> None:
    tried.write_text(tried.read_text() + "colour: red\n")
    code, _, err = in_city("rules", "backtest", str(tried), "--input", str(city.folder))
    assert code == 1
    assert f"{tried}:" in err
    assert "colour: unknown" in err
    for arguments, said in (
        (["unheard-of"], "no such file, and no such rule was published"),
        (["mall-stay", "--quiet", "night"], "--quiet expects local hours such as 22-8"),
        (["mall-stay", "--input", "kafka://localhost:1"], "this replays files"),
    ):
        code, _, err = in_city("rules", "backtest", *arguments)
        assert code == 2
        assert said in err.replace("\n", " ")
