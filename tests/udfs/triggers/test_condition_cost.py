"""Conditions that could cost an event more than a millisecond are refused, and what is left doesn't."""

from __future__ import annotations

import time

import cel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.udfs.triggers.rule_story import RULES, rule
from udfs.triggers.compiled import RuleError, compile_rule
from udfs.triggers.condition_cost import FUNCTIONS, MAX_PATTERN_CHARS, MAX_PLUS, why_too_dear

VALUES = {"app": "抖音", "keyword": "全屋定制" * 25, "host": "v.example", "flow_mb": 1.5}
ALLOWED_MS = 5.0  # five times what is meant: the machine may be busy


def refusal(when: str) -> str:
    with pytest.raises(RuleError) as refused:
        compile_rule(rule("pulse", "app_use", when=when), RULES.groups)
    assert refused.value.field == "when"
    return refused.value.reason


def cost_ms(when: str) -> float:
    """The least of some runs: what the machine does meanwhile is not the condition's."""
    program = cel.compile(when)
    least = 1e9
    for _ in range(20):
        began = time.perf_counter()
        program.execute(VALUES)
        least = min(least, time.perf_counter() - began)
    return least * 1_000


def nested(levels: int) -> str:
    ten = "['a','b','c','d','e','f','g','h','i','j']"
    condition = "app != 'zz'"
    for _ in range(levels):
        condition = f"{ten}.all(host, {condition})"
    return condition


@pytest.mark.parametrize(
    ("when", "loop"),
    [
        (nested(5), "all"),
        ("['a'].exists(app, app == 'a')", "exists"),
        ("['a'].exists_one(app, app == 'a')", "exists_one"),
        ("['a'].existsOne(app, app == 'a')", "existsOne"),
        ("['a'].map(app, app) == []", "map"),
        ("['a'].filter(app, true) == []", "filter"),
        ("['a'] . map // a comment (\n // another\n (app, app) == []", "map"),
    ],
)
def test_loops_are_refused(when: str, loop: str) -> None:
    assert refusal(when).startswith(f"got {loop}(...): expected no loops, such as category in ['video', 'music']")


@pytest.mark.parametrize("name", ["all", "exists", "map", "filter"])
def test_a_word_of_a_loop_is_none_by_itself(name: str) -> None:
    compile_rule(rule("pulse", "app_use", when=f"keyword.contains('{name}') || app == '{name}'"), RULES.groups)


@pytest.mark.parametrize(
    ("pattern", "got"),
    [("\\\\w+", "\\w"), ("a{1000}", "{"), ("\\\\pL", "\\p"), ("[[:word:]]", "[:"), ("\\\\d", "\\d")],
)
def test_patterns_that_take_long_are_refused(pattern: str, got: str) -> None:
    assert refusal(f"keyword.matches('{pattern}')").startswith(f"matches: got {got} in ")


@pytest.mark.parametrize(
    "argument",
    [
        "host",
        "'a' + host",
        "'' + '\\\\w'",
        "r'\\' + host + r'\\'",
        "'''a'''",
        "b'a'",
        "('a')",
        '"a" + "b"',
        "string('a')",
    ],
)
def test_a_pattern_stands_in_the_condition(argument: str) -> None:
    """One made of what a person typed could be any."""
    assert "matches: expected a pattern in quotes" in refusal(
        f"keyword.matches({argument})"
    ) or "can't be read" in refusal(f"keyword.matches({argument})")


def test_patterns_are_short_together_and_sums_too() -> None:
    half = "a" * (MAX_PATTERN_CHARS // 2)
    compile_rule(rule("pulse", "app_use", when=f"keyword.matches('{half}') || app.matches(\"{half}\")"), RULES.groups)
    assert "101 characters: expected 100 at most" in refusal(f"keyword.matches('{half}') || app.matches('{half}a')")
    compile_rule(rule("pulse", "app_use", when=" + ".join(["flow_mb"] * (MAX_PLUS + 1)) + " > 1.0"), RULES.groups)
    assert "got 9 times +" in refusal(" + ".join(["flow_mb"] * (MAX_PLUS + 2)) + " > 1.0")


def test_functions_are_those_that_are_known() -> None:
    assert refusal("keyword.contain('x')") == "unknown function contain: did you mean keyword.contains('flat')?"
    assert refusal("optional.of(app) == app").startswith("unknown function of: expected one of contains, double, ")
    for example in FUNCTIONS.values():
        assert why_too_dear(cel.compile(example), example) == ""


@pytest.mark.parametrize(
    "when",
    [
        "keyword.matches('" + "." * MAX_PATTERN_CHARS + "')",
        "keyword.matches('" + ".*" * (MAX_PATTERN_CHARS // 2) + "')",
        "keyword.matches('" + "[^a]" * (MAX_PATTERN_CHARS // 4) + "')",
        "app in [" + ",".join(["'x'"] * 240) + "]",
        "||".join(["app == 'x'"] * 80),
        "||".join(["keyword.contains('x')"] * 40),
        "size(" + "+".join(["keyword"] * MAX_PLUS) + ") > 1",
        "1" + "-1" * 490 + " == 1",
    ],
    ids=lambda when: when[:30],
)
def test_the_dearest_that_is_left_costs_little(when: str) -> None:
    assert len(when) <= 1_000
    assert why_too_dear(cel.compile(when), when) == ""
    assert cost_ms(when) < ALLOWED_MS


@given(
    st.lists(
        st.sampled_from(
            ["app", "'a'", "map", "all", "matches", ".", "(", ")", ",", " ", "//\n", "'", '"', "\\", "==", "+"]
        ),
        max_size=14,
    ).map("".join)
)
def test_no_text_makes_looking_fail_or_take_long(source: str) -> None:
    try:
        program = cel.compile(source)
    except ValueError:
        return
    began = time.process_time()
    why_too_dear(program, source * 50)
    assert time.process_time() - began < 0.2


def test_a_flag_in_a_pattern_is_refused_for_wide_ranges_take_a_third_of_a_second_with_it() -> None:
    with pytest.raises(RuleError, match=r"got \(\? in"):
        compile_rule(rule("pulse", "app_use", when="keyword.matches('(?i)[ -\U0010ffff]')"), RULES.groups)
