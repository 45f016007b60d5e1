"""Rules from YAML files: what is read, and what is said of what can't be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.trigger_rule import TriggerRule
from sources.core_yaml import written
from sources.trigger_rules import MAX_FILE_BYTES, read_rules

RULE = """\
id: {id}
version: 1
owner: growth
purpose: marketing
scene: watches video
shape: pulse
on: app_use
"""


def write(folder: Path, text: str, name: str = "rules.yaml") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def faults(file: Path) -> list[tuple[int, str, str]]:
    return [(fault.line, fault.field, fault.reason) for fault in read_rules([file]).faults]


def rule(id_: str = "video-fan", extra: str = "") -> str:
    return RULE.format(id=id_) + extra


def items(*rules: str) -> str:
    return "".join("- " + each.replace("\n", "\n  ").rstrip(" ") for each in rules)


def test_documents_lists_and_folders_are_read(tmp_path: Path) -> None:
    write(tmp_path, f"---\n{rule('a')}---\n# nothing\n---\n{items(rule('b'), rule('c'))}", "one.yaml")
    write(tmp_path, rule("d"), "below/two.yml")
    write(tmp_path, "not: a rule", ".hidden.yaml")
    write(tmp_path, "not a rule", "README.md")
    read = read_rules([tmp_path, tmp_path / "one.yaml"])
    assert read.faults == []
    assert [each.rule.id for each in read.rules] == ["d", "a", "b", "c"]
    assert read.rules[1].lines[""] == 2
    assert read.rules[3].lines["id"] == 19


def test_a_rule_that_names_on_is_on_what_it_says(tmp_path: Path) -> None:
    [each] = read_rules([write(tmp_path, rule(extra="valid_from: 2026-01-01\ncooldown: 1d\n"))]).rules
    assert each.rule.on == "app_use"
    assert each.rule.valid_ms[0] == 1_767_225_600_000


@pytest.mark.parametrize(
    ("text", "line", "field", "reason"),
    [
        (rule().replace("purpose: marketing\n", ""), 1, "purpose", "missing: what the person must have consented to"),
        (rule().replace("marketing", "markting"), 4, "purpose", "expected one of service, .*, got 'markting'"),
        (rule(extra="cool_down: 3h\n"), 8, "cool_down", "unknown: did you mean cooldown"),
        (rule(extra="colour: red\n"), 8, "colour", "unknown: expected some of id, version"),
        (rule(extra="cooldown: 3 hours\n"), 8, "cooldown", "expected a duration such as 90s, .*, got '3 hours'"),
        (
            rule(extra="match:\n  app: [x]\n  App:\n  - y\n"),
            10,
            "match.App",
            "expected a name of small letters, .* got 'App'",
        ),
        (rule(extra="match:\n  app:\n  - x\n  - 3\n"), 11, "match.app.1", "expected text, in quotes, got 3"),
        (rule(extra="hold: 3m\n"), 8, "hold", "only of shape level, got pulse"),
        (rule(extra="unless: {}\n"), 8, "unless.on", "missing: kind of event"),
        (rule(extra="priority: 1\npriority: 2\n"), 9, "priority", "also in line 8"),
        (rule(extra="? [a]\n: 1\n"), 8, "", "expected a name"),
        (rule(extra="priority: !!timestamp 2026-01-01\n"), 8, "priority", "tag"),
        (rule(extra=f"priority: {'9' * 5_000}\n"), 8, "priority", "expected a shorter number, got '99"),
        (rule().replace("pulse", "count"), 1, "within", "shape count needs it, such as within: 7d"),
        (
            rule(extra="tags: {v: x:y}\nabove: inf\nbelow: 1\n").replace("pulse", "fade").replace("app_use", "tags"),
            9,
            "above",
            "expected a number, got 'inf'",
        ),
        ("- 3\n", 1, "", "expected a rule"),
        ("just text\n", 1, "", "expected a rule"),
        ("# nothing\n", 1, "", "no rule in it"),
        ("id: [x\nversion: 1\n", 2, "", "not YAML: a list that begins with . has no . at its end"),
        ("id: x\nscene: \x01\n", 2, "", "not YAML: control characters"),
        ("id: x\nscene: *other\n", 2, "", "not YAML: an alias"),
    ],
)
def test_what_is_wrong_is_said_with_line_and_field(
    tmp_path: Path, text: str, line: int, field: str, reason: str
) -> None:
    [(at, of, why)] = faults(write(tmp_path, text))
    assert (at, of) == (line, field)
    assert re.search(reason, why)


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    text = items(
        rule("a").replace("version: 1", "version: 0").replace("owner: growth\n", ""), rule("b", "x: 1\n"), rule("c")
    )
    read = read_rules([write(tmp_path, text)])
    assert {(fault.line, fault.field) for fault in read.faults} == {(2, "version"), (1, "owner"), (14, "x")}
    assert [each.rule.id for each in read.rules] == ["c"]


def test_ids_are_unique_in_a_set(tmp_path: Path) -> None:
    one, two = write(tmp_path, rule(), "one.yaml"), write(tmp_path, rule(), "two.yaml")
    read = read_rules([one, two])
    assert len(read.rules) == 1
    assert [str(fault) for fault in read.faults] == [
        f"{two}:1: id: video-fan is in {one}:1 already: expected one rule of each id"
    ]


def test_files_that_are_no_rules(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("id: x\nscene: é\n".encode("latin-1"))
    big = tmp_path / "big.yaml"
    big.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    said = [str(fault) for fault in read_rules([tmp_path / "no.yaml", tmp_path / "empty", latin, big]).faults]
    assert len(said) == 4
    for text, expected in zip(
        said, ("not there", "without rules", "latin.yaml:2: not UTF-8", "longer than"), strict=True
    ):
        assert expected in text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text() | st.text(alphabet="id:-{}[]&*!\n \"'|>?%#x1", max_size=60))
def test_no_text_makes_reading_fail(tmp_path: Path, text: str) -> None:
    file = tmp_path / "any.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    read = read_rules([file])
    assert read.faults
    assert read.rules == []


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["on", "match", "when", "app", "X"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from([*TriggerRule.model_fields, "other"]), values, max_size=4))
def test_whatever_fields_say_is_a_rule_or_faults_at_lines_of_the_file(
    tmp_path: Path, fields: dict[str, object]
) -> None:
    document = {"id": "a", "version": 1, "owner": "o", "purpose": "marketing", "scene": "s", "shape": "pulse"}
    file = tmp_path / "any.yaml"
    text = written({**document, "on": "app_use", **fields})
    file.write_text(text)
    read = read_rules([file])
    assert len(read.rules) + bool(read.faults) == 1
    assert all(1 <= fault.line <= len(text.splitlines()) and fault.reason for fault in read.faults)
    for each in read.rules:
        assert TriggerRule.model_validate_json(each.rule.model_dump_json(exclude_defaults=True)) == each.rule
