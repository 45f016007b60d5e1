"""Audiences in plain words."""

from __future__ import annotations

import pytest
from audience_trees import PLAIN, TREES, VOCABULARY
from hypothesis import given, settings

from serving.audience.canonical import normal
from serving.audience.explain import Line, explain
from serving.audience.expression import parse
from serving.audience.reads import groups_of
from serving.audience.tree import Every, Node, Outside, Some


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("home = 'A3'", "the heaviest tag of home is A3"),
        ("home != 'A3'", "the heaviest tag of home is not A3, or not known"),
        ("plan = 'plus'", "plan is plus"),
        ("plan in ('basic', 'plus')", "plan is one of basic, plus"),
        ("home != work", "the heaviest tag of home and the heaviest tag of work are both known, and differ"),
        (
            "not home != work",
            "the heaviest tag of home and the heaviest tag of work are the same, or one is not known",
        ),
        ("has(app:WeChat)", "there is app:WeChat"),
        ("not has(app:WeChat)", "there is no app:WeChat"),
        ("app:WeChat > 3", "the decayed weight of app:WeChat is above 3 uses"),
        ("app:WeChat >= 3", "the decayed weight of app:WeChat is 3 uses or more"),
        ("app:WeChat < 3", "the decayed weight of app:WeChat is below 3 uses, or there is none"),
        ("app:WeChat <= 3", "the decayed weight of app:WeChat is 3 uses or less, or there is none"),
        ("bill:all >= 2", "the decayed weight of bill:all is 2 values or more"),
        ("mean(bill) > 100", "the mean of bill:all is above 100 yuan"),
        ("share(content:property) >= 0.25", "the share of content:property in all of content is 0.25 or more"),
        ("seen(app:WeChat) within '36 hours'", "the newest evidence for app:WeChat is at most 36h old"),
        ("not seen(app:WeChat) within '7d'", "there is no evidence for app:WeChat of the last 7d"),
    ],
)
def test_a_condition_in_words(text: str, words: str) -> None:
    tree = parse(text, VOCABULARY)
    assert explain(tree, VOCABULARY).lines == (Line(0, words, groups_of(tree)),)


def test_an_audience_in_words() -> None:
    told = explain(parse("plan = 'plus' and (app:WeChat > 3 or home = 'A3')", VOCABULARY), VOCABULARY)
    assert told.text() == (
        "People of whom this holds:\n"
        "- all of this holds:\n"
        "  - at least one of this holds:\n"
        "    - the decayed weight of app:WeChat is above 3 uses\n"
        "    - the heaviest tag of home is A3\n"
        "  - plan is plus\n"
        "It looks at:\n"
        "- app: Uses of an app or site, decayed. Half of it is left after 7 d; kept for profiling, personal\n"
        "- home: Hours per business district between 22:00 and 07:00 local time, decayed. "
        "Half of it is left after 30 d; kept for location_services, sensitive\n"
        "- plan: Plan of the last registration or bill; weight 1 as stated, 0.5 filled in. Does not fade; kept for"
        " service, personal\n"
        "While nothing new is heard of people they leave as their tags fade, and nobody comes in."
    )
    assert [line.groups for line in told.lines] == [(), (), ("app",), ("home",), ("plan",)]
    assert (told.purposes, told.sensitivity) == (("location_services", "profiling", "service"), "sensitive")


@settings(deadline=None)
@given(TREES)
def test_every_tree_can_be_explained(tree: Node) -> None:
    told = explain(tree, PLAIN)
    assert told.lines
    assert told.only_leaves == (not _negated(normal(tree)))
    assert ("nobody comes in" in told.text()) == told.only_leaves


def _negated(node: Node) -> bool:
    if isinstance(node, Every | Some):
        return any(map(_negated, node.of))
    return isinstance(node, Outside)
