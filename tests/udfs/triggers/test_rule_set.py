from __future__ import annotations

import pytest

from schemas.events import AppUse, Call, Contact, Presence, Registration
from schemas.state import Profile
from schemas.trigger_memory import TriggerMemory
from tests.udfs.triggers.rule_story import RULES, Life, balance, metered, ordered, rule, used
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
