"""What an audience reads, and what it may be used for."""

from __future__ import annotations

import pytest
from audience_trees import TREES, VOCABULARY
from hypothesis import given, settings

from schemas.purposes import PURPOSES
from serving.audience.canonical import normal
from serving.audience.expression import parse
from serving.audience.reads import Reads, UseRefused, check_use, consents_needed, reads
from serving.audience.tree import Node
from udfs.tags import GROUPS


def read(text: str) -> Reads:
    return reads(parse(text, VOCABULARY), GROUPS)


def test_all_that_it_looks_at_counts_also_what_is_negated() -> None:
    assert read("home != work and (plan = 'plus' or not has(app:WeChat))") == Reads(
        ("app", "home", "plan", "work"), ("location_services", "profiling", "service"), "sensitive"
    )
    assert read("plan = 'plus'") == Reads(("plan",), ("service",), "personal")


@settings(deadline=None)
@given(TREES)
def test_it_reads_the_same_in_normal_form(tree: Node) -> None:
    assert reads(tree, GROUPS) == reads(normal(tree), GROUPS)


def test_people_must_have_consented_to_the_use_and_to_all_that_is_read() -> None:
    assert consents_needed(read("home = 'A3' and plan = 'plus'"), "marketing") == (
        "location_services",
        "marketing",
        "service",
    )
    assert consents_needed(read("plan = 'plus'"), "service") == ("service",)


@pytest.mark.parametrize(
    ("text", "purpose", "may_use", "sensitive"),
    [
        ("plan = 'plus'", "service", ["service"], False),
        ("plan = 'plus'", "marketing", ["marketing", "service"], False),
        ("home = 'A3'", "location_services", ["location_services"], True),
        ("home = 'A3' and has(app:WeChat)", "marketing", ["marketing", "profiling", "location_services"], True),
        ("has(many_cards)", "security", ["security"], True),
        ("has(many_cards) and home = 'A3'", "security", ["security", "location_services"], True),
        ('"spend:COFFEE" > 3', "panel", ["panel"], False),
    ],
)
def test_uses_that_are_allowed(text: str, purpose: str, may_use: list[str], sensitive: bool) -> None:
    check_use(read(text), purpose, may_use, sensitive=sensitive)


@pytest.mark.parametrize(
    ("text", "purpose", "may_use", "sensitive", "reason"),
    [
        ("plan = 'plus'", "marketing", ["marketing"], True, "of which service is not granted here"),
        ("plan = 'plus'", "marketing", ["service"], True, "of which marketing is not granted here"),
        ("home = 'A3'", "location_services", ["location_services"], False, "sensitive groups, which are not granted"),
        ("has(many_cards)", "marketing", list(PURPOSES), True, "kept for security alone, got the purpose marketing"),
        ("not has(many_cards)", "marketing", list(PURPOSES), True, "kept for security alone"),
        ('"spend:COFFEE" > 3', "marketing", list(PURPOSES), True, "kept for panel alone"),
        ("plan = 'plus'", "fun", list(PURPOSES), True, "unknown purpose 'fun': expected one of service, "),
    ],
)
def test_uses_that_are_refused(text: str, purpose: str, may_use: list[str], sensitive: bool, reason: str) -> None:
    with pytest.raises(UseRefused, match=reason):
        check_use(read(text), purpose, may_use, sensitive=sensitive)
