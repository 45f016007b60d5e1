"""Updates of the rules on their way: packed for a folder, and as messages of a topic."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.rule_update import DamagedRules, RuleUpdate, from_message, pack_rules, read_rules


@given(st.builds(RuleUpdate, st.integers(0, 2**60), st.lists(st.text()).map(tuple), st.lists(st.text()).map(tuple)))
def test_what_is_packed_reads_back_from_one_line(update: RuleUpdate) -> None:
    packed = pack_rules(update)
    assert packed.split() == [packed]
    assert read_rules(packed) == update


@pytest.mark.parametrize("text", ["", "x", "AAAA", pack_rules(RuleUpdate(1, ("{}",)))[:-4]])
def test_damage_is_an_error(text: str) -> None:
    with pytest.raises(DamagedRules, match="livetags rules publish"):
        read_rules(text)


def test_a_message_is_a_rule_or_its_withdrawal() -> None:
    document = json.dumps({"id": "a", "version": 1})
    assert from_message("a", document, 5) == RuleUpdate(5, (document,))
    assert from_message("a", None, 6) == RuleUpdate(6, (), ("a",))


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (None, '{"id": "a"}', "without a key"),
        ("", None, "without a key"),
        ("a", "", "no JSON document with an id"),
        ("a", "{}", "no JSON document with an id"),
        ("a", "[1]", "no JSON document with an id"),
        ("a", '{"id": "a", "x": ' + "[" * 5_000, "no JSON document with an id"),
        ("a", '{"id": "b"}', "has a document of 'b'"),
    ],
)
def test_a_message_that_compaction_would_confuse_is_refused(key: str | None, value: str | None, reason: str) -> None:
    with pytest.raises(DamagedRules, match=reason):
        from_message(key, value, 1)
