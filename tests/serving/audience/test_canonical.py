"""One text for each meaning: order, brackets and repetition don't show, and what is meant stays."""

from __future__ import annotations

from random import Random

import pytest
from audience_trees import EVIDENCE, RULES, T0_MS, TREES, VOCABULARY, Evidence, profile_of
from hypothesis import given, settings
from hypothesis import strategies as st

from livetags.profile_tags import tags_at
from serving.audience.canonical import canonical, normal
from serving.audience.expression import parse
from serving.audience.membership import holds
from serving.audience.tree import Every, Node, Outside, Some, Top


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("has(app:WeChat)", "app:WeChat >= 1e-06"),
        ("app:WeChat > 3", "app:WeChat > 3"),
        ("app:WeChat >= 3.0", "app:WeChat >= 3"),
        ("not app:WeChat > 3", "app:WeChat <= 3"),
        ("not app:WeChat >= 2.5", "app:WeChat < 2.5"),
        ("mean(churn) > 0", "mean(churn:all) > 0"),
        ("mean(bill) < 100", "bill:all >= 1e-06 and not mean(bill:all) >= 100"),
        ("share(app:v.qq.com) <= 0.25", "share(app:v.qq.com) <= 0.25"),
        ('"app:QQ Music" > 1', '"app:QQ Music" > 1'),
        ("home = 'O''Hare'", "home = 'O''Hare'"),
        ("work != home", "home != work"),
        ("not work != home", "not home != work"),
        ("not seen(bill) within '48 hours'", "not seen(bill:all) within '2d'"),
        ("seen(bill) within '90m'", "seen(bill:all) within '90m'"),
        ("home near 'A3' within '2.5 km'", "home in ('A3', 'new district')"),
        ("not home near 'A3' within '2.5 km'", "home not in ('A3', 'new district')"),
        ("segment >= 'high' and plan = 'plus'", "plan = 'plus' and segment in ('high', 'premium')"),
        ("plan = 'plus' or (home = 'A3' and has(bill))", "(bill:all >= 1e-06 and home = 'A3') or plan = 'plus'"),
        ("commutes", "commuter:all >= 5"),
    ],
)
def test_how_it_is_written(text: str, written: str) -> None:
    assert canonical(parse(text, VOCABULARY)) == written


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("home = 'A3' and plan = 'plus'", "plan = 'plus' and (home = 'A3')"),
        ("home = 'A3' or plan = 'plus' or has(bill)", "has(bill) or (plan = 'plus' or home = 'A3') or has(bill)"),
        ("not (home = 'A3' and plan = 'plus')", "plan != 'plus' or home != 'A3'"),
        ("not not home = 'A3'", "home = 'A3'"),
        ("plan in ('plus', 'basic')", "plan = 'basic' or plan = 'plus'"),
        ("works_in = 'A3'", "work = 'A3'"),
        ("app:WeChat > 0", "has(app:WeChat)"),
        ("3 < app:WeChat", '"app:WeChat" > 3.000'),
    ],
)
def test_what_means_the_same_is_the_same(text: str, same: str) -> None:
    assert canonical(parse(text, VOCABULARY)) == canonical(parse(same, VOCABULARY))


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("app:WeChat > 3", "app:WeChat >= 3"),
        ("home = 'A3'", "work = 'A3'"),
        ("home = 'A3' and plan = 'plus'", "home = 'A3' or plan = 'plus'"),
        ("mean(bill) < 100", "not mean(bill) >= 100"),
    ],
)
def test_what_means_another_thing_is_another(text: str, other: str) -> None:
    assert canonical(parse(text, VOCABULARY)) != canonical(parse(other, VOCABULARY))


@settings(max_examples=300, deadline=None)
@given(TREES, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_show(tree: Node, random: Random) -> None:
    assert canonical(_shuffled(tree, random)) == canonical(tree)
    assert normal(_shuffled(tree, random)) == normal(tree)


@settings(max_examples=300, deadline=None)
@given(TREES)
def test_the_normal_form_is_one(tree: Node) -> None:
    once = normal(tree)
    assert normal(once) == once
    _check_normal(once)


@settings(max_examples=400, deadline=None)
@given(TREES, EVIDENCE, st.integers(0, 100 * 86_400_000))
def test_the_normal_form_means_the_same(tree: Node, evidence: list[Evidence], later_ms: int) -> None:
    person = tags_at(profile_of(evidence), RULES, T0_MS + later_ms)
    assert holds(normal(tree), person) == holds(tree, person)


def _shuffled(node: Node, random: Random) -> Node:
    if isinstance(node, Every | Some):
        of = [_shuffled(each, random) for each in node.of]
        random.shuffle(of)
        return type(node)((*of, of[0]))
    if isinstance(node, Outside):
        return Outside(Outside(Outside(_shuffled(node.of, random))))
    return node


def _check_normal(node: Node) -> None:
    if isinstance(node, Every | Some):
        assert len(node.of) >= 2
        assert not any(isinstance(each, type(node)) for each in node.of)
        texts = [canonical(each) for each in node.of]
        assert texts == sorted(set(texts))
        for each in node.of:
            _check_normal(each)
    elif isinstance(node, Outside):
        assert not isinstance(node.of, Every | Some | Outside)


def test_names_that_look_like_the_language_are_kept_apart() -> None:
    tree = Some((Top("plan", "a', 'b"), Top("plan", "c') or plan = ('d")))
    assert parse(canonical(tree), VOCABULARY) == normal(tree)
