"""The rules in force, whatever the order in which one hears of them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from schemas.rule_log import KEPT_VERSIONS, RuleLog
from schemas.rule_update import RuleUpdate


def document(id_: str, version: int, scene: str = "s", on: str = "app_use") -> str:
    return json.dumps(
        {
            "id": id_,
            "version": version,
            "owner": "growth",
            "purpose": "marketing",
            "scene": scene,
            "shape": "pulse",
            "on": on,
        }
    )


def log_of(updates: Iterable[RuleUpdate]) -> RuleLog:
    log = RuleLog()
    for update in updates:
        log.take(update)
    return log


def state(log: RuleLog) -> object:
    ids = [*log.current(), *log.retired]
    versions = {id_: log.versions(id_) for id_ in ids}
    return log.current(), log.retired, versions, log.refused, log.newest_ms


ids = st.sampled_from(["a", "b"])
documents = st.builds(
    document, ids, st.integers(1, 3), st.sampled_from(["s", "t"]), st.sampled_from(["app_use", "order"])
) | st.just("{}")
updates = st.builds(
    RuleUpdate, st.integers(1, 3), st.lists(documents, max_size=3).map(tuple), st.lists(ids, max_size=1).map(tuple)
)


@given(st.lists(updates, max_size=8), st.data())
def test_any_order_and_repeats_give_the_same(said: list[RuleUpdate], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(said + said[:3]))
    assert state(log_of(said)) == state(log_of(shuffled))


@given(st.lists(updates, max_size=8))
def test_in_order_it_is_a_plain_dictionary(said: list[RuleUpdate]) -> None:
    """With a time of its own for each update, and one word in each: the newest counts of those that are not refused."""
    plain: dict[str, str] = {}
    first: dict[tuple[str, int], str] = {}
    about: dict[str, str] = {}
    log = RuleLog()
    for published_ms, update in enumerate(said, 1):
        for text in update.rules[:1]:
            reasons = log.take(RuleUpdate(published_ms, (text,)))
            if text != "{}":
                got = json.loads(text)
                is_right = first.get((got["id"], got["version"]), text) == text
                is_right = is_right and about.get(got["id"], got["on"]) == got["on"]
                assert bool(reasons) != is_right
                if is_right:
                    first[got["id"], got["version"]] = plain[got["id"]] = text
                    about[got["id"]] = got["on"]
        for id_ in update.retired if not update.rules else ():
            plain.pop(id_, None)
            log.take(RuleUpdate(published_ms, (), (id_,)))
    assert {id_: rule.document() for id_, rule in log.current().items()} == {
        id_: json.loads(text) for id_, text in plain.items()
    }


@given(st.lists(updates, max_size=8), st.lists(updates, max_size=3))
def test_what_is_kept_of_the_rules_is_enough_to_go_on_with(said: list[RuleUpdate], later: list[RuleUpdate]) -> None:
    log = log_of(said)
    kept = log_of(update for id_ in ["a", "b"] for update in log.compact(id_))
    later = [RuleUpdate(10 + n, update.rules, update.retired) for n, update in enumerate(later)]
    for each in (log, kept):
        for update in later:
            each.take(update)
    assert (kept.current(), kept.retired) == (log.current(), log.retired)
    assert all(kept.versions(id_) == log.versions(id_) for id_ in ("a", "b"))


def test_of_what_is_published_a_thousand_times_little_is_kept() -> None:
    log = log_of(RuleUpdate(n, (document("a", n),)) for n in range(1, 1_001))
    assert [next(iter(map(json.loads, each.rules)))["version"] for each in log.compact("a")] == [
        1,
        *range(1_001 - KEPT_VERSIONS, 1_001),
    ]
    log.take(RuleUpdate(2_000, (), ("a",)))
    assert log.compact("a")[-1] == RuleUpdate(2_000, (), ("a",))
    assert len(log.compact("a")) == 1 + KEPT_VERSIONS + 1
    assert log.compact("b") == ()


def test_a_version_stands_for_one_content() -> None:
    log = log_of([RuleUpdate(1, (document("a", 1),))])
    assert log.take(RuleUpdate(2, (document("a", 1, "t"),))) == (
        "rule a version 1 is refused: version 1 is published with another content: raise version to 2",
    )
    assert log.current()["a"].scene == "s"
    assert log.take(RuleUpdate(3, (document("a", 1).replace(", ", " , "),))) == (), "the same again, as it was written"
    log.take(RuleUpdate(4, (), ("a",)))
    assert log.take(RuleUpdate(5, (document("a", 1, "t"),)))
    assert log.retired == ("a",)


def test_a_version_about_something_else_takes_a_new_id() -> None:
    log = log_of([RuleUpdate(1, (document("a", 1),))])
    [reason] = log.take_message("a", document("a", 2, on="order"), 2)
    assert reason == (
        "rule a version 2 is refused: got on: order, expected on: app_use as in version 1, by which episodes of people "
        "may still be open: give it a new id, and retire this one"
    )
    assert log.current()["a"].version == 1
    assert log.refused == (reason,)
    assert list(log.versions("a")) == [1]


def test_a_retired_rule_keeps_its_versions_and_can_come_back() -> None:
    log = log_of([RuleUpdate(1, (document("a", 1),)), RuleUpdate(2, (document("a", 2),)), RuleUpdate(3, (), ("a",))])
    assert log.current() == {}
    assert log.retired == ("a",)
    assert list(log.versions("a")) == [1, 2]
    assert log.versions("b") == {}
    log.take(RuleUpdate(4, (document("a", 2),)))
    assert log.current()["a"].version == 2
    assert log.retired == ()
    assert log.newest_ms == 4


def test_of_what_is_said_at_once_a_retirement_counts_and_then_the_higher_version() -> None:
    assert log_of([RuleUpdate(1, (document("a", 2), document("a", 1)))]).current()["a"].version == 2
    assert log_of([RuleUpdate(1, (document("a", 2),), ("a",))]).retired == ("a",)


def test_a_document_that_is_no_rule_leaves_what_was_in_force() -> None:
    log = log_of([RuleUpdate(1, (document("a", 1),))])
    [reason] = log.take(RuleUpdate(2, ('{"id": "a", "version": 2, "colour": "red"}', document("b", 1))))
    assert reason == "a document that is no rule: owner: missing: team that answers for it, and 5 more"
    assert [(id_, rule.version) for id_, rule in log.current().items()] == [("a", 1), ("b", 1)]
    assert log.refused == (reason,)
    assert log.take(RuleUpdate(3, ("no JSON",)))


def test_messages_of_a_topic_are_taken_over_and_a_bad_one_changes_nothing() -> None:
    log = RuleLog()
    assert log.take_message("a", document("a", 1), 1) == ()
    assert log.take_message("b", document("b", 1), 2) == ()
    assert log.take_message("a", None, 3) == ()
    [reason] = log.take_message("b", document("c", 1), 4)
    assert "has a document of 'c'" in reason
    assert log.take_message("b", '{"id": "b"}', 5)
    assert list(log.current()) == ["b"]
    assert log.retired == ("a",)
    assert len(log.refused) == 2
