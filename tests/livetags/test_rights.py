"""A person's rights, over real stores that hold a whole small city: erased is erased, in every place and for good."""

from __future__ import annotations

import json
import stat
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from city_runs import Person, Search, SmallCity, clickhouse_content, identifiers_of, names_of, redis_content, small_city
from clickhouse_connect.driver.client import Client
from fold_into_stores import fold, history_of

from livetags import cli, ledger
from livetags.key_file import ensure_keys, write_keys
from livetags.log_records import records_of
from livetags.oracle import Record
from livetags.rights import NobodyHeld, Receipt, ReceiptError, erase_person, export_person
from livetags.runner import Progress, prepare_stores
from livetags.verify import Verdict
from livetags.verify_logs import verify_against_logs
from schemas.clickhouse import PERSONAL_TABLES
from schemas.outputs import HotProfile
from schemas.pseudonym_keys import KeysError, new_keys, read_keys
from schemas.redis_keys import evidence_key, identifier_key, profile_key, tombstone_key, trigger_tombstone_key
from schemas.settings import KEYS_FILE, Settings
from serving.erasures import erasures
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.redis_hot import RedisHotSink
from sources.dictionaries import load
from udfs.privacy.pseudonym import KeyedPseudonyms
from udfs.profile.snapshot import version_of
from udfs.tags import GROUPS

pytestmark = pytest.mark.stores

_RECORDS_PER_BATCH = 4_000
_STAYING = (tombstone_key, trigger_tombstone_key, identifier_key)


@dataclass
class Filled:
    """Stores that hold a city."""

    settings: Settings
    city: SmallCity
    client: Client
    hot: redis.Redis
    _unused: list[Person] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pseudonyms = KeyedPseudonyms(ensure_keys(self.settings))

    def look(self) -> None:
        """See who is there."""
        self._unused = [
            person for person in self.city.settled() if self.rows(self.pseudonym(person), "tag_evidence") > 100
        ]

    def someone(self) -> Person:
        """Somebody of whom there is something of every kind, and whom no other test has."""
        return self._unused.pop()

    def pseudonym(self, person: Person) -> str:
        return self.pseudonyms.person(person["person_ref"])

    def fold(self, run_id: str) -> None:
        """The job over all files, to its end."""
        database = self.settings.clickhouse_database
        started = datetime.now(UTC)
        hot = RedisHotSink(self.settings.redis_url.get_secret_value(), self.settings.redis_key_prefix, 5.0, 10.0)
        half_lives_ms = {name: rule.half_life_ms for name, rule in self.settings.rules(GROUPS).groups.items()}
        hot.open(half_lives_ms, GROUPS.values())
        fold(
            self._records(),
            self.settings,
            int(started.timestamp() * 1000),
            hot=hot,
            history=self.history(run_id),
            records_per_batch=_RECORDS_PER_BATCH,
            pseudonyms=self.pseudonyms,
            dictionaries=load(self.settings.dictionaries_folder()),
            erased=erasures(self.client, database),
        )
        listed = [{"feed": source.feed.name, "input": source.name} for source in self.city.inputs]
        ledger.record(self.client, database, ledger.RunRecord(run_id, "profile_update", listed, "finished", started))

    def history(self, run_id: str) -> ClickHouseHistorySink:
        url = self.settings.clickhouse_url.get_secret_value()
        return ClickHouseHistorySink(url, self.settings.clickhouse_database, run_id, 5.0, 10.0)

    def _records(self) -> Iterable[Record]:
        inputs = self.city.inputs
        return records_of(
            [source.as_feed_input() for source in inputs],
            [source.files for source in inputs],
            self.settings.max_record_bytes,
        )

    def verdict(self) -> Verdict:
        return verify_against_logs(self.settings, self.client, self.hot, None, Progress())

    def rows(self, user: str, table: str) -> int:
        statement = f"SELECT count() FROM {self.settings.clickhouse_database}.{table} FINAL WHERE user = '{user}'"
        return int(self.client.query(statement).result_rows[0][0])

    def dead_letters(self, person: Person) -> int:
        """How many name the person."""
        return self.rows(self.pseudonym(person), "dead_letters")

    def content(self) -> Iterator[tuple[str, bytes]]:
        """Where it is, and everything that is there: one piece per Redis key and per row."""
        for piece in redis_content(self.hot, f"{self.settings.redis_key_prefix}*"):
            yield piece.partition(b"\n")[0].decode(), piece
        for table, rows in clickhouse_content(self.client, self.settings.clickhouse_database):
            for row in rows.splitlines():
                yield table, row

    def found(self, person: Person) -> dict[str, set[str]]:
        """Place -> what of the person is there, but for the records of an erasure and whose the identifiers are."""
        search = Search(names_of(person, self.pseudonyms))
        staying = tuple(key(self.settings.redis_key_prefix, "").rstrip("}") for key in _STAYING)
        hits: dict[str, set[str]] = {}
        for place, piece in self.content():
            names = search.found_in(piece)
            if names and place not in ("erasures", "identity_links") and not place.startswith(staying):
                hits.setdefault(place, set()).update(names)
        return hits

    def without(self, person: Person) -> list[bytes]:
        """Everything held of persons that does not name this one."""
        search = Search(names_of(person, self.pseudonyms))
        held = [piece for place, piece in self.content() if place in PERSONAL_TABLES or ":" in place]
        return sorted(piece for piece in held if not search.found_in(piece))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, valkey: str, clickhouse: str) -> Filled:
    folder = tmp_path_factory.mktemp("rights")
    city = small_city(folder / "city", 48, 4, 11)
    name = f"t{uuid.uuid4().hex[:8]}"
    settings = Settings(
        data_dir=folder / "data",
        redis_url=valkey,
        clickhouse_url=clickhouse,
        redis_key_prefix=name,
        clickhouse_database=name,
        dictionaries_dir=city.dictionaries,
    )
    ensure_keys(settings)
    client = prepare_stores(settings)
    stores = Filled(settings, city, client, redis.Redis.from_url(valkey))
    stores.fold("first")
    stores.look()
    return stores


def test_the_stores_are_sound_and_name_the_person(filled: Filled) -> None:
    """Without that no test below could fail."""
    verdict = filled.verdict()
    assert verdict.ok, verdict.first
    assert len(filled._unused) >= 12
    person = filled._unused[0]
    places = filled.found(person)
    assert "tag_evidence" in places
    assert any(filled.dead_letters(each) for each in filled.city.people)
    assert any(place.startswith(f"{filled.settings.redis_key_prefix}:p:") for place in places)


def test_a_changed_link_is_found(filled: Filled) -> None:
    """It decides whom an erasure reaches."""
    identifier = filled.pseudonyms.identifier(filled.city.people[0]["imsi"])
    key = identifier_key(filled.settings.redis_key_prefix, identifier)
    was = filled.hot.get(key)
    filled.hot.set(key, "p.somebody-else")
    assert filled.verdict().differences == {"redis_link": 1}
    filled.hot.set(key, was)  # type: ignore[arg-type]
    database = filled.settings.clickhouse_database
    filled.client.insert(
        f"{database}.identity_links", [[identifier, "p.x", 0]], column_names=["identifier", "person", "valid_from"]
    )
    assert filled.verdict().differences == {"link_extra": 1}
    filled.client.command(f"DELETE FROM {database}.identity_links WHERE person = 'p.x'")
    assert filled.verdict().ok


def _by_imsi(filled: Filled, person: Person) -> str:
    return str(person["imsi"])


def _by_msisdn(filled: Filled, person: Person) -> str:
    return str(person["msisdn"])


def _by_account(filled: Filled, person: Person) -> str:
    return str(person["account"])


def _by_pseudonym(filled: Filled, person: Person) -> str:
    return filled.pseudonym(person)


def _by_pseudonym_of_imsi(filled: Filled, person: Person) -> str:
    return filled.pseudonyms.identifier(person["imsi"])


@pytest.mark.parametrize("name", [_by_imsi, _by_msisdn, _by_account, _by_pseudonym, _by_pseudonym_of_imsi])
def test_erasing_takes_everything_of_the_person_and_nothing_of_others(
    filled: Filled, name: Callable[[Filled, Person], str]
) -> None:
    person = filled.someone()
    others = filled.without(person)
    assert filled.found(person)

    receipt = erase_person(filled.settings, name(filled, person), "case")

    assert filled.found(person) == {}
    assert filled.without(person) == others
    assert receipt.users == [filled.pseudonym(person)]
    for place in ("hot_profile", "hot_evidence", "tag_evidence"):
        assert receipt.places[place]["before"] > 0, place
    assert {counts["after"] for counts in receipt.places.values()} == {0}
    assert receipt.check(filled.settings) == []

    again = erase_person(filled.settings, name(filled, person), "case")
    assert {count for counts in again.places.values() for count in counts.values()} == {0}
    assert filled.without(person) == others
    assert again.check(filled.settings) == []
    assert receipt.check(filled.settings) == []


def test_a_person_whose_hot_profile_has_expired_is_still_found_by_pseudonym(filled: Filled) -> None:
    person = filled.someone()
    user = filled.pseudonym(person)
    filled.hot.delete(profile_key(filled.settings.redis_key_prefix, user))
    filled.hot.delete(evidence_key(filled.settings.redis_key_prefix, user))
    receipt = erase_person(filled.settings, user, "case")
    assert receipt.users[0] == user
    assert receipt.places["tag_evidence"]["before"] > 0
    assert filled.found(person) == {}


def test_an_id_that_came_as_a_pseudonym_is_found_by_its_history_and_by_its_erasure(filled: Filled) -> None:
    filled.history("other").write_batch([history_of([("household", "900", "spend:a", 1_767_225_600_000, 1, 1.0)])])
    assert erase_person(filled.settings, "900", "case").users[0] == "900"
    assert filled.rows("900", "tag_evidence") == 0
    assert erase_person(filled.settings, "900", "case").users[0] == "900"


def test_a_raw_number_nobody_has_is_not_written_anywhere(filled: Filled) -> None:
    for nobody in ("8613999999999", " 8613999999999", "acct.ABCDEFGHIJKLMNOPQRST", ""):
        with pytest.raises(NobodyHeld, match="nothing is held"):
            erase_person(filled.settings, nobody, "case")
    search = Search(["8613999999999"])
    assert not [place for place, piece in filled.content() if search.found_in(piece)]


def test_a_receipt_altered_by_one_digit_is_refused(filled: Filled) -> None:
    receipt = erase_person(filled.settings, filled.someone()["imsi"], "case-77")
    assert receipt.check(filled.settings) == []
    fewer = {place: dict(counts) for place, counts in receipt.places.items()}
    fewer["tag_evidence"]["before"] -= 1
    altered: list[dict[str, Any]] = [
        {"erased_ms": receipt.erased_ms - 1},
        {"request": "case-78"},
        {"users": ["p.somebody-else-11111"]},
        {"places": fewer},
        {"digest": receipt.digest[:-1] + ("0" if receipt.digest[-1] != "0" else "1")},
    ]
    for change in [*altered, {"digest": "é"}]:
        problem, *_ = msgspec.structs.replace(receipt, **change).check(filled.settings)
        assert "altered" in problem
    # a time later than the erasure is no record of it either
    later = msgspec.structs.replace(receipt, erased_ms=receipt.erased_ms + 1).check(filled.settings)
    assert "altered" in later[0]
    assert all("no record of the erasure" in problem for problem in later[1:])
    assert len(later) == 1 + len(receipt.users)


def test_a_receipt_of_other_keys_is_refused(filled: Filled, tmp_path: Path) -> None:
    receipt = erase_person(filled.settings, filled.someone()["imsi"], "case")
    others = filled.settings.model_copy(update={"pseudonym_keys_file": tmp_path / "others.json"})
    write_keys(tmp_path / "others.json", new_keys())
    assert "other keys" in receipt.check(others)[0]


def test_a_receipt_says_when_a_stale_writer_has_brought_rows_back(filled: Filled) -> None:
    person = filled.someone()
    receipt = erase_person(filled.settings, person["msisdn"], "case")
    user, prefix = filled.pseudonym(person), filled.settings.redis_key_prefix

    hot = RedisHotSink(filled.settings.redis_url.get_secret_value(), prefix, 5.0, 10.0)
    stale = HotProfile(user, version_of(9, 9), 1, int(time.time() * 1000) + 60_000, {"content:a": 1.0}, {}, {})
    assert hot.write_batch([stale]) == (0, 1), "Redis refuses what doesn't know of the erasure"
    assert receipt.check(filled.settings) == []

    filled.history("stale").write_batch([history_of([("dpi", user, "content:a", 1_767_225_600_000, 1, 1.0)])])
    assert receipt.check(filled.settings) == [f"{user}: 1 in tag_evidence"]
    filled.hot.hset(profile_key(prefix, user), "_version", "x")
    assert sorted(receipt.check(filled.settings)) == [f"{user}: 1 in hot_profile", f"{user}: 1 in tag_evidence"]

    again = erase_person(filled.settings, user, "case")
    assert again.places["tag_evidence"] == {"before": 1, "after": 0}
    assert receipt.check(filled.settings) == []
    filled.hot.delete(*filled.hot.keys(f"{prefix}:x:*{user}*"))


def test_no_receipt_can_be_read_from_something_else(tmp_path: Path) -> None:
    for content in (
        "",
        "{",
        "[]",
        '{"request": 1}',
        '{"request": "a", "users": [], "erased_ms": 1, "places": {}, "x": 1}',
    ):
        (tmp_path / "receipt.json").write_text(content)
        with pytest.raises(ReceiptError, match="livetags erase --receipt"):
            Receipt.read(tmp_path / "receipt.json")
    with pytest.raises(ReceiptError):
        Receipt.read(tmp_path / "nowhere.json")


def test_an_export_has_everything(filled: Filled) -> None:
    person = filled.someone()
    user = filled.pseudonym(person)
    found = export_person(filled.settings, person["account"])
    assert next(iter(found)) == user
    assert set(found) == {user}
    mine = found[user]
    assert mine["hot_profile"]["_version"]
    assert any(name.startswith("content:") for name in mine["hot_profile"])
    assert set(mine["hot_evidence"]) <= {row["tag"] for row in mine["tag_evidence"]}
    assert len(mine["tag_evidence"]) == filled.rows(user, "tag_evidence") > 100
    assert len(mine["dead_letters"]) == filled.dead_letters(person)
    assert {row["identifier"] for row in mine["identity_links"]} == {
        filled.pseudonyms.identifier(raw) for raw in identifiers_of(person)
    }
    assert mine["erased_ms"] is None
    # it is a copy: asking changes nothing, and it can be written down
    again = export_person(filled.settings, person["imsi"])
    assert again.keys() == found.keys()
    assert again[user] == mine
    assert json.loads(json.dumps(found, default=str))[user]["tag_evidence"] == mine["tag_evidence"]


def test_an_export_of_nobody_is_empty(filled: Filled) -> None:
    assert export_person(filled.settings, "8613999999999") == {}


def test_erasing_needs_keys_before_it_deletes_anything(filled: Filled, tmp_path: Path) -> None:
    person = filled._unused[0]
    before = filled.rows(filled.pseudonym(person), "tag_evidence")
    gone = filled.settings.model_copy(update={"pseudonym_keys_file": tmp_path / "nowhere.json"})
    with pytest.raises(KeysError):
        erase_person(gone, filled.pseudonym(person), "case")
    assert filled.rows(filled.pseudonym(person), "tag_evidence") == before > 0


def test_the_same_log_again_brings_nobody_back(filled: Filled) -> None:
    person = filled.someone()
    receipt = erase_person(filled.settings, person["msisdn"], "case")
    verdict = filled.verdict()
    assert verdict.ok, verdict.first
    users = verdict.users

    filled.fold("again")

    assert filled.found(person) == {}
    assert receipt.check(filled.settings) == []
    verdict = filled.verdict()
    assert verdict.ok, verdict.first
    assert verdict.users == users
    reasons = filled.client.query(
        f"SELECT count(), countIf(notEmpty(user)) FROM {filled.settings.clickhouse_database}.dead_letters FINAL "
        "WHERE reason = 'erased'"
    ).result_rows[0]
    assert reasons[0] > 100
    assert reasons[1] == 0, "a dead letter of an erased person names nobody"


# The commands


@pytest.fixture
def livetags(filled: Filled, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Runs the command over the filled stores; returns exit code, standard output, standard error."""
    for name in ("data_dir", "redis_key_prefix", "clickhouse_database", "dictionaries_dir"):
        monkeypatch.setenv(f"LIVETAGS_{name.upper()}", str(getattr(filled.settings, name)))
    for name in ("redis_url", "clickhouse_url"):
        monkeypatch.setenv(f"LIVETAGS_{name.upper()}", getattr(filled.settings, name).get_secret_value())
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["livetags", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return call


def only_its_owners(file: Path) -> bool:
    return stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_commands_erase_and_check_receipt(filled: Filled, livetags, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    person, file = filled.someone(), tmp_path / "receipt.json"
    code, out, _ = livetags("erase", person["msisdn"], "--receipt", str(file))
    assert code == 0
    assert "tag_evidence" in out
    assert "0 after" in out
    assert "check-receipt" in out
    assert only_its_owners(file)
    assert not Search(names_of(person, filled.pseudonyms) - set(Receipt.read(file).users)).found_in(file.read_bytes())
    assert filled.found(person) == {}

    code, out, _ = livetags("check-receipt", str(file))
    assert (code, "holds" in out) == (0, True)

    document = json.loads(file.read_text())
    file.write_text(json.dumps(document | {"erased_ms": document["erased_ms"] - 1}))
    code, out, _ = livetags("check-receipt", str(file))
    assert (code, "altered" in out) == (1, True)

    file.write_text("no receipt")
    code, _, err = livetags("check-receipt", str(file))
    assert (code, "is not a receipt" in err) == (2, True)
    assert "Traceback" not in err

    code, out, _ = livetags("erase", filled.someone()["imsi"], "--json")
    assert code == 0
    assert json.loads(out)["places"]["tag_evidence"]["after"] == 0


def test_the_command_export(filled: Filled, livetags, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    person, file = filled._unused[0], tmp_path / "copy.json"
    code, out, _ = livetags("export", person["msisdn"])
    assert code == 0
    document = json.loads(out)
    assert document[filled.pseudonym(person)]["tag_evidence"]

    code, out, _ = livetags("export", person["msisdn"], "--out", str(file))
    assert (code, str(file) in out.replace("\n", "")) == (0, True)
    assert only_its_owners(file)
    assert json.loads(file.read_text()) == document

    code, out, err = livetags("export", "8613999999998")
    assert (code, out) == (1, "")
    assert "nothing is held" in err


def test_the_commands_about_keys(livetags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("LIVETAGS_DATA_DIR", str(tmp_path))
    file = tmp_path / KEYS_FILE
    code, _, err = livetags("keys", "rotate")
    assert (code, "keys new" in err.replace("\n", " ")) == (2, True)

    code, out, _ = livetags("keys", "new")
    assert (code, str(file) in out.replace("\n", "")) == (0, True)
    assert only_its_owners(file)
    first = read_keys(file.read_text())

    code, _, err = livetags("keys", "new")
    assert (code, "keys rotate" in err.replace("\n", " ")) == (2, True)
    assert read_keys(file.read_text()) == first

    shown = []
    for number in (2, 3):
        code, out, _ = livetags("keys", "rotate")
        assert code == 0
        assert f"active key k{number}, previous k{number - 1}" in out
        assert only_its_owners(file)
        shown.append(out)
    last = read_keys(file.read_text())
    assert (last.active, last.previous, set(last.keys)) == ("k3", "k2", {"k2", "k3"})
    assert last.person_key == first.person_key
    assert sorted(path.name for path in tmp_path.iterdir()) == [KEYS_FILE]
    for secret in (*first.keys.values(), *last.keys.values(), last.person_key):
        assert secret not in "".join(shown)

    file.write_text('{"active": "k1", "keys": {"k1": "abcdef"}, "person_key": "abcdef"}')
    code, _, err = livetags("keys", "rotate")
    assert code == 2
    assert "at least 32 bytes" in err.replace("\n", " ")
    assert "abcdef" not in err
