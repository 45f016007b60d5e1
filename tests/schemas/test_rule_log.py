"""The rules in force, whatever the order in which one hears of them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from schemas.rule_log import RuleLog
from schemas.rule_update import RuleUpdate


def document(id_: str, version: int, scene: str = "s") -> str:
    return json.dumps(
        {
            "id": id_,
            "version": version,
            "owner": "growth",
            "purpose": "marketing",
            "scene": scene,
            "shape": "pulse",
            "on": "app_use",
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
documents = st.builds(document, ids, st.integers(1, 3), st.sampled_from(["s", "t"])) | st.just("{}")
updates = st.builds(
    RuleUpdate, st.integers(1, 3), st.lists(documents, max_size=3).map(tuple), st.lists(ids, max_size=1).map(tuple)
)


@given(st.lists(updates, max_size=8), st.data())
def test_any_order_and_repeats_give_the_same(said: list[RuleUpdate], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(said + said[:3]))
    assert state(log_of(said)) == state(log_of(shuffled))


@given(st.lists(updates, max_size=8))
def test_in_order_it_is_a_plain_dictionary(said: list[RuleUpdate]) -> None:
    """With a time of its own for each update, and one word in each: the newest counts."""
    plain: dict[str, str] = {}
    log = RuleLog()
    for published_ms, update in enumerate(said, 1):
        for text in update.rules[:1]:
            if text != "{}":
                plain[json.loads(text)["id"]] = text
            log.take(RuleUpdate(published_ms, (text,)))
        for id_ in update.retired if not update.rules else ():
            plain.pop(id_, None)
            log.take(RuleUpdate(published_ms, (), (id_,)))
    assert {id_: rule.document() for id_, rule in log.current().items()} == {
        id_: json.loads(text) for id_, text in plain.items()
    }


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
    assert reason == "a document that is no rule: owner: Field required, and 5 more"
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
