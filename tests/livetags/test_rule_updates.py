"""Publishing rules: what becomes news, what is refused, and what the folder then says."""

from __future__ import annotations

from pathlib import Path

import pytest

from livetags.rule_updates import NotPublishable, news, publish, published
from schemas.rule_log import RuleLog
from schemas.rule_update import DamagedRules, RuleUpdate, read_rules
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule
from sources.rule_folder import read_rule_folder


def rule(id_: str = "a", version: int = 1, **fields: object) -> TriggerRule:
    given = {"owner": "growth", "purpose": "marketing", "scene": "s", "shape": "pulse", "on": "app_use"}
    return TriggerRule.model_validate({**given, "id": id_, "version": version, **fields})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "rule-updates"


def test_what_is_published_is_in_force_until_it_is_retired(settings: Settings, folder: Path) -> None:
    assert published(settings).current() == {}
    publish(settings, [rule("a", cooldown="3h", valid_from="2026-01-01"), rule("b")])
    publish(settings, [rule("a", 2)], ["b"])
    log = published(settings)
    assert log.current() == {"a": rule("a", 2)}
    assert log.retired == ("b",)
    assert log.versions("a") == {1: rule("a", cooldown="3h", valid_from="2026-01-01"), 2: rule("a", 2)}
    assert len(list(folder.iterdir())) == 2


def test_one_publication_is_one_line_that_the_jobs_can_read(settings: Settings, folder: Path) -> None:
    update = publish(settings, [rule("a"), rule("b")])
    [file] = folder.iterdir()
    [line] = file.read_text().splitlines()
    assert read_rules(line) == update
    assert len(update.rules) == 2


def test_the_same_again_is_no_news(settings: Settings, folder: Path) -> None:
    publish(settings, [rule("a")])
    again = publish(settings, [rule("a")])
    assert again.rules == ()
    assert len(list(folder.iterdir())) == 1
    publish(settings, [], ["a"])
    assert publish(settings, [], ["a"]).retired == ()
    assert len(list(folder.iterdir())) == 2


def test_a_retired_rule_can_be_published_again_as_it_was(settings: Settings) -> None:
    publish(settings, [rule("a")])
    publish(settings, [], ["a"])
    assert len(publish(settings, [rule("a")]).rules) == 1
    assert published(settings).current() == {"a": rule("a")}


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (rule("a", 2, scene="t"), "version 2 is published with another content: raise version to 3"),
        (rule("a", 2, shadow=True), "version 2 is published with another content: raise version to 3"),
        (rule("a", 1), "version 2 is published, got the older 1: raise version to 3"),
    ],
)
@pytest.mark.parametrize("retired", [False, True])
def test_versions_only_rise_and_are_never_edited(
    settings: Settings, wanted: TriggerRule, reason: str, retired: bool
) -> None:
    publish(settings, [rule("a", 1)])
    publish(settings, [rule("a", 2)])
    if retired:
        publish(settings, [], ["a"])
    with pytest.raises(NotPublishable) as refused:
        publish(settings, [rule("new"), wanted])
    assert refused.value.reasons == {"a": reason}
    assert "new" not in published(settings).current(), "all of it is published, or nothing"


def test_only_what_was_published_can_be_retired(settings: Settings) -> None:
    publish(settings, [rule("a")])
    with pytest.raises(NotPublishable, match="b: never published: expected one of a"):
        publish(settings, [], ["b"])


def test_news_is_newer_than_all_before_it_also_if_the_clock_went_back() -> None:
    log = RuleLog()
    log.take(RuleUpdate(1_000, ()))
    assert news(log, [rule("a")], [], 500).published_ms == 1_001
    assert news(log, [rule("a")], [], 5_000).published_ms == 5_000


def test_a_damaged_file_is_named_and_unfinished_ones_are_left_alone(settings: Settings, folder: Path) -> None:
    publish(settings, [rule("a")])
    (folder / ".part.txt").write_text("half of it")
    assert list(published(settings).current()) == ["a"]
    (folder / "broken.txt").write_bytes(b"\xff\x00")
    with pytest.raises(DamagedRules, match=f"{folder}/broken.txt is damaged"):
        published(settings)


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert read_rule_folder(tmp_path / "none").current() == {}
