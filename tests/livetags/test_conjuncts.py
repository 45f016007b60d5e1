"""Taking conditions apart."""

from __future__ import annotations

import cel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetags.conjuncts import conjuncts


@pytest.mark.parametrize(
    ("condition", "parts"),
    [
        ("a", ["a"]),
        ("a > 1.0 &&  b.matches('x')", ["a > 1.0", "b.matches('x')"]),
        ("(a && b) && c", ["(a && b)", "c"]),
        ("a && b || c", ["a && b || c"]),
        ("a && (b || c)", ["a", "(b || c)"]),
        ("a && b ? c : d", ["a && b ? c : d"]),
        ("a == '&&' && b", ["a == '&&'", "b"]),
        (r"a == 'it\'s && so' && b", [r"a == 'it\'s && so'", "b"]),
        ('a == "(" && b in [c, "&&"]', ['a == "("', 'b in [c, "&&"]']),
    ],
)
def test_only_what_must_hold_together_is_taken_apart(condition: str, parts: list[str]) -> None:
    assert conjuncts(condition) == parts


_atoms = st.sampled_from(["a", "b", "!a", "s == '&& ('", 's != "||"', "s in ['&&', ')']"])
_conditions = st.recursive(
    _atoms, lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["&&", "||"]), inner), max_leaves=6
)


@given(
    st.lists(_conditions, min_size=1, max_size=4), st.booleans(), st.booleans(), st.sampled_from(["&& (", "||", ")"])
)
def test_the_parts_say_together_what_the_condition_does(parts: list[str], a: bool, b: bool, s: str) -> None:
    condition = " && ".join(parts)
    values = {"a": a, "b": b, "s": s}
    found = conjuncts(condition)
    assert all(cel.compile(part).execute(values) for part in found) == cel.compile(condition).execute(values)
    assert found == parts
