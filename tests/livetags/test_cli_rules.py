"""The commands `livetags rules ...`, as whoever writes rules uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from livetags.cli_rules import rules_app
from livetags.scenes import scenes_folder
from sources.trigger_rules import read_rules
from udfs.tags import purchases

Command = Callable[..., tuple[int, str, str]]

RULE = """\
id: {id}
version: {version}
owner: growth
purpose: marketing
scene: watches [video]
shape: pulse
on: app_use
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def written(id_: str = "video-fan", version: int = 1, extra: str = "") -> Path:
        file = tmp_path / "scenes" / f"{id_}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(RULE.format(id=id_, version=version) + extra)
        return file

    return written


Write = Callable[..., Path]
PANEL_GROUP = purchases.GROUPS[0].name


def in_force(livetags: Command) -> dict[str, dict[str, object]]:
    code, out, _ = livetags("rules", "list", "--json")
    assert code == 0
    return {rule["id"]: rule for rule in json.loads(out)}


@pytest.mark.parametrize("name", [c.name or c.callback.__name__ for c in rules_app.registered_commands if c.callback])
def test_every_command_has_help_with_an_example(livetags: Command, name: str) -> None:
    code, out, _ = livetags("rules", name, "--help")
    assert code == 0
    assert f"livetags rules {name}" in out


def test_check_says_what_can_be_used(livetags: Command, write: Write) -> None:
    folder = write("a").parent
    write("b")
    assert livetags("rules", "check", str(folder))[:2] == (0, "2 rules in 2 files can be used\n")
    assert json.loads(livetags("rules", "check", str(folder), "--json")[1]) == {"ok": True, "rules": ["a", "b"]}


def test_check_says_everything_that_is_wrong_with_its_line(livetags: Command, write: Write) -> None:
    one, two = write("a", 1, "colour: red\n"), write("b", 1, "when: flow > 1.0\n")
    code, out, err = livetags("rules", "check", str(one.parent))
    assert (code, out) == (1, "")
    first, second, last = err.splitlines()
    assert first.startswith(f"{one}:8: colour: unknown: expected some of id, version,")
    assert second.startswith(f"{two}:8: when: unknown flow: did you mean flow_mb? a rule on app_use knows app,")
    assert last == "2 mistakes, nothing was changed"
    code, out, _ = livetags("rules", "check", str(one.parent), "--json")
    assert code == 1
    assert [(fault["line"], fault["field"]) for fault in json.loads(out)["faults"]] == [(8, "colour"), (8, "when")]


def test_check_compares_with_what_is_published(livetags: Command, write: Write, tmp_path: Path) -> None:
    file = write("a")
    assert livetags("rules", "publish", str(file))[0] == 0
    assert livetags("rules", "check", str(file))[0] == 0
    write("a", 1, "cooldown: 1d\n")
    code, _, err = livetags("rules", "check", str(file))
    assert code == 1
    assert f"{file}:2: version: a: version 1 is published with another content: raise version to 2" in err
    file.write_text(RULE.format(id="a", version=2).replace("pulse", "level"))
    code, _, err = livetags("rules", "check", str(file))
    assert code == 1
    assert f"{file}:6: shape: a: got shape: level, expected shape: pulse as in version 1" in err
    assert "give it a new id" in err
    [fault] = json.loads(livetags("rules", "check", str(file), "--json")[1])["faults"]
    assert (fault["line"], fault["field"]) == (6, "shape")
    code, _, err = livetags("rules", "publish", str(file))
    assert code == 1
    assert f"{file}:6: shape: a: got shape: level" in err
    assert in_force(livetags)["a"]["version"] == 1
    livetags("rules", "retire", "a")
    assert livetags("rules", "publish", str(file))[0] == 1, "somebody may still be in an episode of it"
    other = "rule_updates=hdfs://elsewhere/rules"
    code, _, err = livetags("rules", "check", str(file), "--set", other)
    assert code == 0
    assert "not compared with what is published" in err


def test_check_warns_of_what_never_fires(livetags: Command, write: Write) -> None:
    file = write("a", 1, "tags:\n  milk: purchases:milk\n")
    file.write_text(file.read_text().replace("app_use", "tags").replace("purchases", PANEL_GROUP))
    code, out, err = livetags("rules", "check", str(file))
    assert (code, out) == (0, "1 rule in 1 file can be used\n")
    assert "warning: tags.milk: never fires" in err
    assert "household" in err
    [warning] = json.loads(livetags("rules", "check", str(file), "--json")[1])["warnings"]
    assert (warning["line"], warning["field"]) == (9, "tags.milk")
    assert "warnings" not in json.loads(livetags("rules", "check", str(write("b")), "--json")[1])


def test_from_publishing_to_withdrawing(livetags: Command, write: Write) -> None:
    assert "no rule is in force" in livetags("rules", "list")[1]
    folder = write("a").parent
    write("b", 1, "valid_from: 2026-01-01T00:00:00+08:00\nvalid_to: 2026-02-01\ncooldown: 3h\n")
    code, out, _ = livetags("rules", "publish", str(folder))
    assert code == 0
    assert out.splitlines() == [
        "published: a",
        "published: b",
        "2 published, 0 in force already: running jobs take them over within 1 s",
    ]
    assert "0 published, 2 in force already" in livetags("rules", "publish", str(folder))[1]
    assert in_force(livetags)["b"]["cooldown"] == "3h"
    out = livetags("rules", "list")[1]
    assert "watches [video]" in out
    assert "from 2025-12-31 16:00 to 2026-02-01 00:00" in " ".join(out.split())

    code, out, _ = livetags("rules", "retire", "a")
    assert (code, out) == (0, "withdrawn: a\n")
    assert list(in_force(livetags)) == ["b"]
    assert "withdrawn already" in livetags("rules", "retire", "a")[1]
    listed = json.loads(livetags("rules", "list", "--all", "--json")[1])
    assert [(rule["id"], rule["retired"]) for rule in listed] == [("b", False), ("a", True)]
    assert "version 1, withdrawn" in livetags("rules", "list", "--all")[1]
    code, _, err = livetags("rules", "retire", "c")
    assert code == 2
    assert "c: never published: expected one of b" in err


@pytest.mark.parametrize("columns", [80, 120])
def test_the_list_fits_the_terminal_and_cuts_nothing(
    livetags: Command, write: Write, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    for shipped in scenes_folder().glob("*.yaml"):
        assert livetags("rules", "publish", str(shipped), "--shadow")[0] == 0
    monkeypatch.setenv("COLUMNS", str(columns))
    out = livetags("rules", "list")[1]
    assert max(map(len, out.splitlines())) <= columns
    told = " ".join(out.replace("│", " ").split())
    for rule in in_force(livetags).values():
        for cell in (rule["id"], f"{rule['shape']} on {rule['on']}", rule["purpose"], rule["owner"]):
            assert str(cell) in told
        assert str(rule["scene"]).split()[0] in told
    assert told.count("version 1, shadow") == len(in_force(livetags))
    assert "…" not in out


def test_from_shadow_to_live_takes_a_new_version(livetags: Command, write: Write, tmp_path: Path) -> None:
    """The procedure of docs/triggers.md."""
    assert livetags("rules", "publish", str(write("a")), "--shadow")[0] == 0
    assert in_force(livetags)["a"]["shadow"] is True
    code, _, err = livetags("rules", "publish", str(write("a")))
    assert code == 1
    assert "version 1 is published with another content: raise version to 2" in err
    assert in_force(livetags)["a"]["shadow"] is True
    assert livetags("rules", "publish", str(write("a", 2)))[0] == 0
    rule = in_force(livetags)["a"]
    assert (rule["version"], rule.get("shadow", False), rule["versions"]) == (2, False, [1, 2])


def test_show_prints_what_can_be_published_again(livetags: Command, write: Write, tmp_path: Path) -> None:
    file = write("a", 1, "when: app == '抖音'\n")
    [before] = read_rules([file]).rules
    livetags("rules", "publish", str(file))
    code, out, _ = livetags("rules", "show", "a")
    shown = tmp_path / "shown.yaml"
    shown.write_text(out)
    assert code == 0
    assert [each.rule for each in read_rules([shown]).rules] == [before.rule]

    livetags("rules", "publish", str(write("a", 2)))
    assert livetags("rules", "show", "a")[1].startswith("# published versions: 1, 2\nid: a\nversion: 2\n")
    assert "when: app ==" in livetags("rules", "show", "a", "--version", "1")[1]
    livetags("rules", "retire", "a")
    assert livetags("rules", "show", "a")[1].startswith("# withdrawn\n")
    code, _, err = livetags("rules", "show", "a", "--version", "3")
    assert code == 1
    assert "versions 1, 2" in err
    assert livetags("rules", "show", "b")[0] == 1


def test_a_mistake_in_one_rule_publishes_none_and_leaves_those_in_force(livetags: Command, write: Write) -> None:
    good = write("a")
    livetags("rules", "publish", str(good))
    write("b")
    broken = write("c", 1, "when: flow >\n")
    code, _, err = livetags("rules", "publish", str(good.parent))
    assert code == 1
    assert f"{broken}:8: when:" in err
    assert list(in_force(livetags)) == ["a"]


def test_a_changed_rule_needs_a_new_version(livetags: Command, write: Write) -> None:
    livetags("rules", "publish", str(write("a")))
    changed = write("a", 1, "cooldown: 1d\n")
    code, _, err = livetags("rules", "publish", str(changed))
    assert code == 1
    assert f"{changed}:2: version: a: version 1 is published with another content: raise version to 2" in err
    assert livetags("rules", "publish", str(write("a", 2, "cooldown: 1d\n")))[0] == 0
    assert in_force(livetags)["a"]["versions"] == [1, 2]


def test_in_shadow_a_rule_is_in_force_as_such(livetags: Command, write: Write) -> None:
    file = write("a")
    assert "published: a, in shadow" in livetags("rules", "publish", str(file), "--shadow")[1]
    assert in_force(livetags)["a"]["shadow"] is True
    assert livetags("rules", "publish", str(file))[0] == 1
    assert livetags("rules", "publish", str(write("a", 2)))[0] == 0
    assert "shadow" not in in_force(livetags)["a"]


def test_diff_lays_the_files_beside_what_is_in_force(livetags: Command, write: Write) -> None:
    folder = write("a").parent
    write("b")
    gone = write("c")
    livetags("rules", "publish", str(folder))
    assert livetags("rules", "diff", str(folder))[:2] == (0, "0 new, 0 changed, 3 same, 0 missing\n")
    gone.unlink()
    write("b", 2, "cooldown: 1d\n")
    write("d")
    code, out, _ = livetags("rules", "diff", str(folder))
    assert code == 1
    assert out.splitlines() == [
        "changed: b",
        "  version: 1 -> 2",
        "  cooldown: - -> 1d",
        "new: d",
        "missing: c is in force and not in these files; `livetags rules retire c` withdraws it",
        "1 new, 1 changed, 1 same, 1 missing",
    ]
    write("b", 1, "cooldown: 1d\n")
    code, out, _ = livetags("rules", "diff", str(folder))
    assert "changed: b; would be refused: version 1 is published with another content: raise version to 2" in out
    found = json.loads(livetags("rules", "diff", str(folder), "--json")[1])
    assert (found["new"], found["same"], found["missing"], list(found["changed"])) == (["d"], ["a"], ["c"], ["b"])


def test_the_topic_has_to_be_set(livetags: Command, write: Write) -> None:
    for arguments in (["list"], ["publish", str(write("a"))], ["retire", "a"]):
        code, _, err = livetags("rules", *arguments, "--topic")
        assert code == 2
        assert "rule_topic=kafka://host:port/topic" in err
    code, _, err = livetags("rules", "list", "--topic", "--set", "rule_topic=localhost:9092")
    assert code == 2
    assert "expected kafka://host:port[,host:port]/topic" in err


def test_a_damaged_file_in_the_folder_is_named(livetags: Command, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "rule-updates"
    folder.mkdir(parents=True)
    (folder / "1.txt").write_text("rubbish\n")
    code, _, err = livetags("rules", "list")
    assert code == 2
    assert "1.txt is damaged" in err.replace("\n", "")


def test_the_schema_is_json(livetags: Command) -> None:
    code, out, _ = livetags("rules", "schema")
    assert code == 0
    assert json.loads(out)["$defs"]["TriggerRule"]["required"] == [
        "id",
        "version",
        "owner",
        "purpose",
        "scene",
        "shape",
        "on",
    ]
    assert yaml.safe_load(out)
