"""Settings: who wins, what is refused, and that no secret shows."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from schemas.dictionaries import Dictionaries
from schemas.pseudonym_keys import KeysError, new_keys, rotated
from schemas.settings import KEYS_FILE, Settings, masked_url
from schemas.tag_group import Stores, TagGroup, half_life_ms
from udfs.tags import GROUPS

PASSWORD = "s3cr3t-w0rd"
REDIS = f"redis://reader:{PASSWORD}@cache.example:6379/0"
CLICKHOUSE = f"https://writer:{PASSWORD}@history.example:8443/livetags"


@pytest.fixture(autouse=True)
def only_what_the_test_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("LIVETAGS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "settings.yaml"
    file.write_text("")
    monkeypatch.setenv("LIVETAGS_SETTINGS", str(file))
    return file


def test_argument_wins_over_environment_over_file_over_default(
    settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings().window_ms == 200
    settings_file.write_text("window_ms: 301\n")
    assert Settings().window_ms == 301
    monkeypatch.setenv("LIVETAGS_WINDOW_MS", "302")
    assert Settings().window_ms == 302
    assert Settings(window_ms=303).window_ms == 303


def test_each_source_gives_only_what_stronger_ones_leave_open(
    settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_file.write_text("shards: 8\nhistory_writers: 2\nredis_key_prefix: file\n")
    monkeypatch.setenv("LIVETAGS_HISTORY_WRITERS", "3")
    settings = Settings(redis_key_prefix="flag")
    assert (settings.shards, settings.history_writers, settings.redis_key_prefix) == (8, 3, "flag")


def test_half_lives_are_read_from_environment_and_file(settings_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings_file.write_text("half_life_days:\n  app: 3\n")
    assert Settings().half_life_days == {"app": 3.0}
    monkeypatch.setenv("LIVETAGS_HALF_LIFE_DAYS", '{"spend": 0.5}')
    assert Settings().half_life_days["spend"] == 0.5


def test_a_settings_file_that_is_not_there_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVETAGS_SETTINGS", "/no/such/settings.yaml")
    with pytest.raises(FileNotFoundError, match=r"LIVETAGS_SETTINGS .*/no/such/settings\.yaml"):
        Settings()


def test_an_unknown_key_is_refused_with_its_name_in_arguments_and_file(settings_file: Path) -> None:
    with pytest.raises(ValidationError, match="windows_ms"):
        Settings(windows_ms=5)
    settings_file.write_text("paralelism: 4\n")
    with pytest.raises(ValidationError, match="paralelism"):
        Settings()


def test_an_unknown_variable_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVETAGS_PARALELISM", "4")
    with pytest.raises(ValueError, match=r"(?i)paralelism"):
        Settings()


@pytest.mark.parametrize("days", [0, -1, 1e-12, float("nan"), "soon", None])
def test_a_half_life_that_is_no_positive_number_is_refused(days: object) -> None:
    with pytest.raises(ValidationError, match="half_life_days"):
        Settings(half_life_days={"app": days})


def test_an_infinite_half_life_is_refused_as_any_other_bad_one() -> None:
    with pytest.raises(ValidationError, match="half_life_days"):
        Settings(half_life_days={"app": float("inf")})


@pytest.mark.parametrize(("days", "ms"), [(1 / 1440, 60_000), (7, 604_800_000), (10_000, 864_000_000_000)])
def test_half_lives_are_whole_milliseconds(days: float, ms: int) -> None:
    assert half_life_ms(days) == ms


def test_an_unknown_tag_group_is_refused_with_its_name_and_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"\['spendd'\].*'spend'"):
        Settings(half_life_days={"spendd": 3}).rules(GROUPS)


def test_rules_take_the_groups_half_lives_unless_told_otherwise() -> None:
    rules = Settings(
        half_life_days={"app": 0.5}, dedup_horizon_hours=5, dedup_bucket_minutes=120, future_tolerance_minutes=1.5
    ).rules(GROUPS)
    assert rules.groups.keys() == GROUPS.keys()
    assert rules.groups["app"].half_life_ms == 43_200_000
    assert rules.groups["content"].half_life_ms == 7 * 86_400_000
    assert rules.groups["flow_mb"].numeric
    assert not rules.groups["app"].numeric
    assert (rules.dedup_bucket_ms, rules.dedup_buckets) == (7_200_000, 3)
    assert rules.future_tolerance_ms == 90_000


def test_rules_take_what_the_groups_declare_and_the_settings_of_privacy_and_place() -> None:
    dictionaries = Dictionaries(version="v")
    rules = Settings(utc_offset_hours=5.5, consent_list_version=3).rules(GROUPS, dictionaries)
    for name, group in GROUPS.items():
        rule = rules.groups[name]
        assert (rule.numeric, rule.fact, rule.purpose) == (group.kind == "numeric", group.kind == "fact", group.purpose)
        assert (rule.hot, rule.history) == (group.stores != "history", group.stores != "hot")
    assert (rules.utc_offset_ms, rules.consent_list_version) == (19_800_000, 3)
    assert rules.dictionaries is dictionaries


@pytest.mark.parametrize(
    ("stores", "hot", "history"), [("both", True, True), ("hot", True, False), ("history", False, True)]
)
def test_a_group_goes_to_the_stores_it_names(stores: Stores, hot: bool, history: bool) -> None:
    group = TagGroup("g", "weight", "uses", 1.0, "Meaning.", stores=stores)
    rule = Settings().rules({"g": group}).groups["g"]
    assert (rule.hot, rule.history) == (hot, history)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("parallelism", 0),
        ("shards", 40_000),
        ("window_ms", 0),
        ("execution_mode", "fiber"),
        ("weight_floor", 0),
        ("replay_window_records", 0),
        ("utc_offset_hours", 15),
        ("consent_list_version", 0),
    ],
)
def test_values_out_of_their_range_are_refused_with_the_settings_name(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(**{name: value})


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().window_ms = 5  # type: ignore[misc]


def test_passwords_of_the_stores_show_nowhere() -> None:
    settings = Settings(redis_url=REDIS, clickhouse_url=CLICKHOUSE, kafka_properties={"sasl.password": "k4fk4"})
    shown = [repr(settings), str(settings), settings.model_dump_json(), settings.public(), str(settings.masked())]
    for text in shown:
        assert PASSWORD not in text
    assert "k4fk4" not in settings.public()
    assert "k4fk4" not in str(settings.masked())
    assert settings.masked()["redis_url"] == "redis://***@cache.example:6379/0"
    assert settings.masked()["kafka_properties"] == {"sasl.password": "***"}
    assert settings.redis_url.get_secret_value() == REDIS


def test_passwords_of_kafka_show_nowhere() -> None:
    settings = Settings(kafka_properties={"sasl.password": "k4fk4"})
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert "k4fk4" not in text


@pytest.mark.parametrize("wrong", [{"redis_uri": REDIS}, {"kafka_properties": [PASSWORD]}], ids=["key", "type"])
def test_errors_show_no_secret(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as error:
        Settings(**wrong)
    assert PASSWORD not in str(error.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("embedded", "embedded"),
        ("redis://cache.example:6379/0", "redis://cache.example:6379/0"),
        (f"redis://:{PASSWORD}@cache.example", "redis://***@cache.example"),
        (f"redis://u:p@{PASSWORD}@cache.example/1", "redis://***@cache.example/1"),
    ],
)
def test_a_masked_url_has_no_user_and_no_password(url: str, shown: str) -> None:
    assert masked_url(url) == shown


def test_a_worker_gets_the_settings_as_submitted_and_the_secrets_from_its_own_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submitted = Settings(window_ms=77, half_life_days={"app": 3}, data_dir="/data", redis_url=REDIS)
    monkeypatch.setenv("LIVETAGS_WINDOW_MS", "5000")
    monkeypatch.setenv("LIVETAGS_REDIS_URL", "redis://worker.example")
    worker = Settings.on_worker(submitted.public())
    assert worker.redis_url.get_secret_value() == "redis://worker.example"
    own = {
        "redis_url",
        "clickhouse_url",
        "kafka_properties",
        "pseudonym_keys",
        "pseudonym_keys_file",
        "data_dir",
        "jars_dir",
    }
    assert worker.model_dump(exclude=own) == submitted.model_dump(exclude=own)
    assert worker.public() == submitted.public()


def test_what_travels_holds_every_setting_but_the_secrets() -> None:
    travelling = set(json.loads(Settings().public()))
    private = {"redis_url", "clickhouse_url", "kafka_properties", "pseudonym_keys", "pseudonym_keys_file"}
    assert private.isdisjoint(travelling)
    places = {"data_dir", "jars_dir", "api_keys_file", "audience_words"}
    assert travelling == Settings.model_fields.keys() - private - places
    assert {"window_ms", "half_life_days", "max_record_bytes", "weight_floor"} <= travelling


def test_this_machines_own_paths_do_not_travel() -> None:
    here = "/home/somebody"
    settings = Settings(data_dir=f"{here}/livetags", jars_dir=f"{here}/jars", pseudonym_keys_file=f"{here}/keys.json")
    assert here not in settings.public()


def test_no_pseudonym_key_shows_anywhere(tmp_path: Path) -> None:
    keys = rotated(new_keys())
    secrets = [*keys.keys.values(), keys.person_key]
    assert len(secrets) == 3
    file = tmp_path / "keys.json"
    file.write_text(keys.to_json())
    for settings in (Settings(pseudonym_keys=keys.to_json()), Settings(pseudonym_keys_file=file)):
        assert settings.keys() == keys
        shown = [
            repr(settings),
            str(settings),
            settings.model_dump_json(),
            settings.public(),
            str(settings.masked()),
            json.dumps(settings.masked()),
            repr(settings.keys()),
            str(settings.keys()),
        ]
        for text in shown:
            assert not [secret for secret in secrets if secret in text]
    assert Settings(pseudonym_keys=keys.to_json()).masked()["pseudonym_keys"] == "***"
    assert Settings().masked()["pseudonym_keys"] == ""


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document[:-2],
        lambda document: document.replace('"person_key"', '"person_keys"'),
        lambda document: document.replace('"active": "k1"', '"active": "k9"'),
        lambda document: json.dumps({**json.loads(document), "previous": "k9"}),
        lambda document: json.dumps({**json.loads(document), "keys": {"k1": json.loads(document)["person_key"][:-2]}}),
        lambda document: json.dumps({**json.loads(document), "person_key": "x" + json.loads(document)["person_key"]}),
        lambda document: "[]",
    ],
    ids=["cut", "unknown field", "unknown active", "unknown previous", "short", "not hex", "no object"],
)
def test_unusable_keys_are_refused_and_the_error_shows_none(spoil: Callable[[str], str]) -> None:
    keys = new_keys()
    with pytest.raises(KeysError) as error:
        Settings(pseudonym_keys=spoil(keys.to_json())).keys()
    told = f"{error.value!r} {error.value.__cause__!r}"
    for secret in (keys.keys["k1"], keys.person_key):
        assert secret not in told
        assert secret[:-2] not in told


def test_keys_that_are_nowhere_are_an_error_that_says_how_to_give_them(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="LIVETAGS_PSEUDONYM_KEYS"):
        Settings(data_dir=tmp_path).keys()


def test_keys_come_from_the_document_before_the_file_before_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, named, made = new_keys(), new_keys(), new_keys()
    file = tmp_path / "named.json"
    file.write_text(named.to_json())
    (tmp_path / KEYS_FILE).write_text(made.to_json())
    assert Settings(data_dir=tmp_path).keys() == made
    assert Settings(data_dir=tmp_path, pseudonym_keys_file=file).keys() == named
    monkeypatch.setenv("LIVETAGS_PSEUDONYM_KEYS", document.to_json())
    assert Settings(data_dir=tmp_path, pseudonym_keys_file=file).keys() == document
    # a worker has its own
    assert Settings.on_worker(Settings(pseudonym_keys=made.to_json()).public()).keys() == document


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_says_why(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description
    assert len(description) > 20


def test_every_setting_has_a_default() -> None:
    assert not [name for name, field in Settings.model_fields.items() if field.is_required()]


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:1/0?password=hunter2",
        "http://usr:12#hunter2@h:1",
        "http://usr:a/hunter2@h:1",
        "redis://usr:a@b/hunter2@h/0",
    ],
)
def test_a_masked_url_hides_the_password_however_it_is_written(url: str) -> None:
    assert "hunter2" not in masked_url(url)


@pytest.mark.parametrize("topic", ["", "kafka://h:9092/triggers", "kafka://a:1,b:2/live.tags_1-x"])
def test_triggers_go_to_a_topic_or_to_none(topic: str) -> None:
    assert Settings(trigger_topic=topic).trigger_topic == topic


@pytest.mark.parametrize(
    "topic", ["triggers", "kafka://h:1", "kafka://h:1/", "kafka://h/t", "kafka://u:p@h:1/t", "x://h:1/t"]
)
def test_a_topic_that_is_none_is_refused_with_what_was_expected(topic: str) -> None:
    with pytest.raises(ValidationError, match=r"trigger_topic\n.*expected kafka://host:port"):
        Settings(trigger_topic=topic)
