"""What is said of conditions that are wrong: where, and what was expected, in words for people who don't know CEL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.udfs.triggers.rule_story import RULES, rule
from udfs.triggers.compiled import compiled_or_faults


def reasons(when: str) -> list[str]:
    return [fault.reason for fault in compiled_or_faults(rule("pulse", "app_use", when=when), RULES.groups)[1]]


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("flow_mb >", "can't be read after 'flow_mb >': expected a value: it ends too early"),
        ("flow_mb > 2.0 and workday", "can't be read at 'and workday': expected && instead of and"),
        ("app == 'x' OR workday", "can't be read at 'OR workday': expected || instead of or"),
        ("not workday", "can't be read at 'workday': expected ! instead of not"),
        ("app = 'x'", "can't be read at \"= 'x'\": expected == to compare"),
        ("app == 'x", "can't be read at \"'x\": expected quotes that are closed"),
        ("app == “x”", "can't be read at '“x”': expected straight quotes ' or \", got “"),
        ("(flow_mb > 1.0", "can't be read after '(flow_mb > 1.0': expected a ) for each ("),
        ("flow_mb > 1.0)", "can't be read at ')': expected no ), for no ( is open"),
        (
            "app in ('a', 'b')",
            "can't be read at \", 'b')\": expected a list in square brackets, such as app in ['a', 'b']",
        ),
        ("keyword == '房' &&\n workday and workday", "can't be read at 'and workday': expected && instead of and"),
        ("keyword contains 'x'", "can't be read at \"contains 'x'\": expected keyword.contains('flat')"),
        ("if flow_mb > 1.0", "can't be read at 'if flow_mb > 1.0': expected a ? b : c, or && instead of if"),
        ("app & workday", "can't be read at '& workday': expected && for and"),
        ("flow_mb >= 10.0 MB", "can't be read at 'MB': expected the end, or a sign such as &&, ||, == or <"),
        (
            "flow_mb * 2 > 1.0",
            "got float * int: expected numbers with a point, such as 2.0 for 2, as the words are",
        ),
        ("app + 1.0 == ''", "got text + a number: expected the same type on both sides; app is text"),
        ("keyword.contains(1)", "contains: expected it as in keyword.contains('flat'); keyword is text"),
        ("app.startswith('x')", "unknown function startswith: did you mean app.startsWith('a')?"),
        ("keyword.matches('(')", "matches: the pattern can't be read: unclosed group"),
        ("flow_mb", "expected true or false, got a number, such as flow_mb > 1.5"),
        ("app", "expected true or false, got text, such as app == '抖音'"),
    ],
)
def test_a_mistake_is_said_in_plain_words(when: str, said: str) -> None:
    assert reasons(when) == [said]


def test_a_word_that_is_not_known_is_said_with_the_nearest() -> None:
    [said] = reasons("flow > 1.0")
    assert said.startswith("unknown flow: did you mean flow_mb? a rule on app_use knows app, category, flow_mb, ")


def test_types_are_said_where_the_library_says_only_that_they_differ() -> None:
    [said] = reasons("app > 1.0 && flow_mb > 1.0")
    assert said.startswith("got different types where the same are expected")
    assert said.endswith("app is text, flow_mb is a number")


@pytest.mark.parametrize("when", ["window_mb / flow_mb > 2.0", "int(flow_mb) % 2 == 0 || 5 / (1 + int(flow_mb)) > 1"])
def test_what_divides_is_not_tried_with_zero(when: str) -> None:
    assert reasons(when) == []


@given(st.text(alphabet="app flow_mb 1.0'\"()[]&|=<>!+*/?:,.房“\n\\", max_size=30))
def test_the_library_does_not_speak_itself(when: str) -> None:
    for said in reasons(when):
        for foreign in ("Failed to parse", "<input>", "mismatched", "No such overload", "Undefined variable", "EOF"):
            assert foreign not in said
        assert len(said) < 500
