"""Rules that read well and still can't be compiled are refused at the line of the field concerned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from livetags.checked_rules import RulesRefused, checked_rules
from livetags.dictionary_updates import publish_dictionaries
from livetags.scenes import scenes_folder
from schemas.settings import Settings

HEAD = "id: {id}\nversion: 1\nowner: growth\npurpose: marketing\nscene: watches video\nshape: pulse\non: app_use\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rules.yaml"


@pytest.mark.parametrize(
    ("extra", "line", "field", "reason"),
    [
        ("when: flow_mb >\n", 8, "when", "can't be read after 'flow_mb >': expected a value"),
        (
            "when: >\n  flow_mb > 2.0 &&\n  flow > 3.0\n",
            8,
            "when",
            "unknown flow: did you mean flow_mb. a rule on app_use knows app, ",
        ),
        ("when: flow_mb + 1.0\n", 8, "when", "expected true or false, got a number, such as flow_mb > 1.5"),
        (
            "tags:\n  video: content:video\n  games: contents:games\n",
            10,
            "tags.games",
            "unknown tag group 'contents': did you mean content",
        ),
        ("tags:\n  night: rhythm:nigth\n", 9, "tags.night", "did you mean rhythm:night"),
        ("tags:\n  video: content:vidio\n", 9, "tags.video", "content:video.; a new one is put into the dictionary"),
        ("tags: {video: video}\n", 8, "tags.video", "expected <group>:<tag>"),
        ("match:\n  app: [x]\n  flow_mb: ['1']\n", 10, "match.flow_mb", "expected one of app, category"),
    ],
)
def test_what_does_not_compile_is_said_with_its_line(
    file: Path, extra: str, line: int, field: str, reason: str
) -> None:
    file.write_text(HEAD.format(id="a") + extra)
    with pytest.raises(RulesRefused) as refused:
        checked_rules([file], Settings())
    [fault] = refused.value.faults
    assert (fault.line, fault.field) == (line, field)
    assert re.search(reason, fault.reason)
    assert str(refused.value).startswith(f"{file}:{line}: {field}: ")


@pytest.mark.parametrize("tag", ["content:shows", "app:Neu", "intent:show_tickets_budget"])
def test_the_dictionaries_in_force_say_which_tags_there_are(file: Path, tmp_path: Path, tag: str) -> None:
    """Those of the settings, and once others were published those."""
    settings = Settings(data_dir=tmp_path / "data")
    file.write_text(HEAD.format(id="a") + f"tags: {{x: '{tag}'}}\n")
    with pytest.raises(RulesRefused, match=rf"{file}:8: tags.x: unknown tag"):
        checked_rules([file], settings)
    assert not settings.data_dir.exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "apps.csv").write_text("alias,app,category\nneu,Neu,shows\n")
    (mine / "keywords.csv").write_text("keyword,intent\ntickets,show_tickets\n")
    chosen = settings.model_copy(update={"dictionaries_dir": mine})
    assert len(checked_rules([file], chosen)) == 1
    publish_dictionaries(settings, mine)
    assert len(checked_rules([file], settings)) == 1
    publish_dictionaries(settings, scenes_folder().parent / "sources" / "data")
    with pytest.raises(RulesRefused):
        checked_rules([file], chosen)


@pytest.mark.parametrize("tag", ["offer:anything", "device_brand:Neu", "home:nowhere", "product:x"])
def test_where_anything_can_be_nothing_is_refused(file: Path, tmp_path: Path, tag: str) -> None:
    file.write_text(HEAD.format(id="a") + f"tags: {{x: '{tag}'}}\n")
    assert len(checked_rules([file], Settings(data_dir=tmp_path / "data"))) == 1


def test_the_line_of_what_must_not_follow(file: Path) -> None:
    absence = HEAD.format(id="a").replace("pulse", "absence")
    file.write_text(absence + "within: 30m\nunless:\n  on: order\n  match:\n    produkt: [video_pass]\n")
    with pytest.raises(RulesRefused, match=rf"{file}:12: unless.match.produkt: expected one of product for order"):
        checked_rules([file], Settings())


def test_faults_of_all_rules_are_said_in_the_order_of_their_lines(file: Path) -> None:
    file.write_text(
        "---\n".join(
            (
                HEAD.format(id="a") + "when: nothing_known\n",
                HEAD.format(id="b") + "x: 1\n",
                HEAD.format(id="c"),
                HEAD.format(id="d") + "tags: {x: y}\n",
            )
        )
    )
    with pytest.raises(RulesRefused) as refused:
        checked_rules([file], Settings())
    assert [fault.line for fault in refused.value.faults] == [8, 17, 34]


def test_rules_that_can_be_used_come_back(file: Path) -> None:
    file.write_text(HEAD.format(id="a") + "tags: {video: 'content:video'}\nwhen: video > 2.0 && flow_mb > 1.0\n")
    assert [each.rule.id for each in checked_rules([file], Settings())] == ["a"]
