"""YAML as editors read it, and not what it could do to a reader."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sources.core_yaml import MAX_DEPTH, CoreYaml, scalar_value, written


def nodes(text: str) -> list[Any]:
    reader = CoreYaml(text)
    found = []
    while reader.check_node():
        found.append(reader.get_node())
    return found


def plain(node: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {plain(key): plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [plain(item) for item in node.value]
    return scalar_value(node)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("0x1f", "0x1f"),
        ("0.5", 0.5),
        ("-3", -3),
        ("1e3", 1000.0),
        ("True", True),
        ("~", None),
        ("'1'", "1"),
        (".inf", ".inf"),
    ],
)
def test_scalars_are_those_of_version_1_2(text: str, value: object) -> None:
    [node] = nodes(f"a: {text}")
    assert plain(node) == {"a": value}
    assert type(plain(node)["a"]) is type(value)


def test_nodes_know_their_lines() -> None:
    first, second = nodes("# comment\na: 1\nb:\n  - x\n---\nc: 2\n")
    assert [key.start_mark.line for key, _ in first.value] == [1, 2]
    assert second.start_mark.line == 5


def test_a_bomb_of_aliases_is_refused_at_its_first_alias() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{name}: &{name} [*{last}, *{last}]\n" for last, name in zip("abcdef", "bcdefg"))
    with pytest.raises(yaml.MarkedYAMLError) as refused:
        nodes(bomb)
    assert refused.value.problem_mark.line == 1
    assert "alias" in refused.value.problem


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 100_000])
def test_deep_nesting_is_refused_before_it_hurts(depth: int) -> None:
    with pytest.raises(yaml.YAMLError):
        nodes("[" * depth + "]" * depth)


@pytest.mark.parametrize("text", ["!!python/object/apply:os.getcwd []", "!!binary aGk=", "!mine x", "!!bool maybe"])
def test_tags_make_nothing(text: str) -> None:
    [node] = nodes(f"a: {text}")
    if isinstance(node.value[0][1], yaml.ScalarNode):
        with pytest.raises(ValueError, match=r"tag|literal"):
            plain(node)
    else:
        assert plain(node) == {"a": []}


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@settings(deadline=None)
@given(documents)
@example("\x85")
@example("a\r\n\u2028b")
def test_what_is_written_reads_back_the_same(document: Any) -> None:
    [node] = nodes(written(document))
    assert plain(node) == document


def test_rules_are_written_without_quotes_where_none_are_needed() -> None:
    assert written({"on": "app_use", "when": "app == 'x'\n&& y"}) == "on: app_use\nwhen: |-\n  app == 'x'\n  && y\n"
