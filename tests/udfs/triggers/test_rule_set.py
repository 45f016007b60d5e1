from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import AppUse, Call, Contact, Presence, Registration
from schemas.rules import GroupRule
from schemas.state import Profile
from schemas.trigger_memory import TriggerMemory
from schemas.trigger_rule import TriggerRule
from tests.udfs.triggers.rule_story import RULES, Life, balance, metered, ordered, rule, used
from udfs.triggers import rule_set as under_test
from udfs.triggers.compiled import CompiledRule, compile_rule
from udfs.triggers.rule_set import RuleSet
from udfs.triggers.situation import event_values, kind_of
from udfs.triggers.vocabulary import KINDS


def test_an_event_is_shown_the_few_rules_it_may_concern() -> None:
    rules = [rule("pulse", "app_use", id=f"app-{n}", match={"app": [f"app{n}"]}) for n in range(5_000)]
    some = RuleSet(RULES.groups)
    assert some.replace([*rules, rule("pulse", "app_use", id="any", when="flow_mb > 0.0")]) == []
    values = {"app": "app77", "category": "video"}
    assert sorted(each.rule.id for each in some.about_event("app_use", values)) == ["any", "app-77"]
    assert list(some.about_event("order", {})) == []


def test_all_of_match_must_hold() -> None:
    some = RuleSet(RULES.groups)
    some.replace([rule("pulse", "app_use", match={"category": ["video"], "app": ["a", "b"]})])
    found = [
        len(list(some.about_event("app_use", {"app": app, "category": category})))
        for app, category in (("a", "video"), ("b", "video"), ("c", "video"), ("a", "news"))
    ]
    assert found == [1, 1, 0, 0]


def test_what_can_not_be_used_leaves_the_version_before_in_force() -> None:
    some = RuleSet(RULES.groups)
    some.replace([rule("pulse", "app_use"), rule("pulse", "order", id="other")])
    [(refused, error)] = some.replace(
        [rule("pulse", "app_use", version=2, when="bogus"), rule("pulse", "order", id="other")]
    )
    assert (refused.id, refused.version, error.field) == ("r", 2, "when")
    assert {id_: each.rule.version for id_, each in some.current.items()} == {"r": 1, "other": 1}


def test_after_a_restart_the_version_before_stands_in_for_one_that_can_not_be_used() -> None:
    some = RuleSet(RULES.groups)
    versions = [
        rule("pulse", "app_use", version=n, when=when) for n, when in ((1, ""), (2, ""), (3, "bogus"), (4, "no"))
    ]
    assert [error.field for _, error in some.replace(versions[3:], versions[:3])] == ["when"]
    assert some.current["r"].rule.version == 2
    assert some.version("r", 3) is None


def compiling(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Which rules are compiled from now on."""
    seen = []

    def counted(rule: TriggerRule, groups: Mapping[str, GroupRule]) -> CompiledRule:
        seen.append((rule.id, rule.version))
        return compile_rule(rule, groups)

    monkeypatch.setattr(under_test, "compile_rule", counted)
    return seen


def test_publishing_costs_what_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = compiling(monkeypatch)
    some = RuleSet(RULES.groups)
    older = [rule("pulse", "app_use", id=f"r-{n}", version=v) for n in range(20) for v in (1, 2)]
    newest = [rule("pulse", "app_use", id=f"r-{n}", version=3) for n in range(20)]
    some.replace(newest, older)
    assert len(seen) == 20, "an earlier version is compiled when somebody is in an episode of it"
    seen.clear()
    some.replace([*newest[1:], rule("pulse", "app_use", id="r-0", version=4)], [*older, newest[0]])
    assert seen == [("r-0", 4)]
    assert some.version("r-7", 1) is some.version("r-7", 1)
    assert seen == [("r-0", 4), ("r-7", 1)]


def test_what_an_absence_of_an_earlier_version_waits_for_is_looked_at() -> None:
    some = RuleSet(RULES.groups)
    old, new = (
        rule("absence", "app_use", version=version, within="1h", unless={"on": on})
        for version, on in ((1, "order"), (2, "call"))
    )
    some.change(new, [old])
    assert all(map(some.looks_at, ("app_use", "order", "call")))
    assert not some.looks_at("contact")
    some.withdraw("r")
    assert not any(map(some.looks_at, ("app_use", "order", "call")))
    assert some.version("r", 1) is None
    some.change(new)
    assert all(map(some.looks_at, ("app_use", "order", "call")))


FIELDS = [
    {"shape": "pulse", "on": "app_use"},
    {"shape": "pulse", "on": "app_use", "match": {"app": ["a", "b"]}},
    {"shape": "pulse", "on": "app_use", "match": {"app": ["a"], "category": ["x", "y"]}},
    {"shape": "level", "on": "presence"},
    {"shape": "pulse", "on": "tags", "tags": {"a": "content:video", "b": "content:music"}},
    {"shape": "absence", "on": "app_use", "within": "1h", "unless": {"on": "order"}},
]


@st.composite
def some_rules(draw: st.DrawFn) -> TriggerRule:
    fields: dict[str, Any] = draw(st.sampled_from(FIELDS))
    return rule(**{"id": f"r-{draw(st.integers(0, 3))}", "version": draw(st.integers(1, 2)), **fields})


def what_is_found(some: RuleSet) -> object:
    def ids(found: Iterable[CompiledRule]) -> list[tuple[str, int]]:
        return sorted((each.rule.id, each.rule.version) for each in found)

    events = [{"app": app, "category": category} for app in "abc" for category in "xz"]
    return (
        {id_: each.rule for id_, each in some.current.items()},
        [ids(some.about_event("app_use", values)) for values in events],
        ids(some.about_event("presence", {})),
        [ids(some.about_tag("content", tag)) for tag in ("video", "music", "news")],
        some.levels_of("presence"),
    )


@given(st.lists(st.lists(some_rules(), max_size=4, unique_by=lambda each: each.id), min_size=1, max_size=5))
def test_after_any_changes_it_is_as_if_the_last_were_the_first(publications: list[list[TriggerRule]]) -> None:
    changed, anew = RuleSet(RULES.groups), RuleSet(RULES.groups)
    for rules in publications:
        changed.replace(rules)
    anew.replace(publications[-1])
    assert what_is_found(changed) == what_is_found(anew)


def test_rules_on_tags_are_found_by_the_tag() -> None:
    some = RuleSet(RULES.groups)
    some.replace([rule("pulse", "tags", tags={"a": "content:video", "b": "bill:all.mean"})])
    assert [each.rule.id for each in some.about_tag("content", "video")] == ["r"]
    assert [each.rule.id for each in some.about_tag("bill", "all")] == ["r"]
    assert list(some.about_tag("content", "music")) == []


@pytest.mark.parametrize(
    "event",
    [
        used(1),
        Presence("p", 1, 1, "attach", "", "P", "D", "mall"),
        Call("p", 1, 1, "voice", True, "q", 3.0, 2),
        metered(1, 5.0),
        balance(1, 5.0),
        Registration("p", 1, 1, "p"),
        ordered(1),
        Contact("p", 1, 1, "sms", "sent", "o", "c"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_event_gives_every_word_of_its_kind_with_its_type(event: AppUse) -> None:
    kind = kind_of(event)
    values = event_values(event, kind, Profile(), TriggerMemory(), RULES)
    assert values.keys() == KINDS[kind].variables.keys()
    for name, value in values.items():
        assert type(value) is type(KINDS[kind].variables[name].example), name


def test_without_rules_nothing_is_kept_of_a_person() -> None:
    life = Life()
    life.see(used(1_767_542_400_000))
    assert life.profile.triggers is None
