"""What is asked of Redis and in which order, with no server: the record first, refusals before anything is asked."""

from __future__ import annotations

from typing import Any

import pytest
from made_catalogue import HALF_LIVES_MS, MADE

from schemas.published_group import published
from serving.read_errors import PurposeRefused, RawIdentifier
from serving.reader import Reader
from serving.reads import MAX_USERS, Reads, Steps, Transaction

NOW_MS = 1_767_225_600_000
CRM = Reader("crm", "profiling")
CATALOGUE = [{g.name: published(g, HALF_LIVES_MS[g.name]).decode() for g in MADE} | {"_version": "3"}]


def reads() -> Reads:
    return Reads("lt", 1e-6, 1_000, lambda: NOW_MS)


def drive(steps: Steps[Any], *answers: list[Any]) -> tuple[list[Transaction], Any]:
    """The transactions it asked for, and its result; `answers` are the replies to them in turn."""
    asked: list[Transaction] = []
    waiting = iter(answers)
    try:
        asked.append(next(steps))
        while True:
            asked.append(steps.send(next(waiting)))
    except StopIteration as done:
        return asked, done.value


def test_a_batch_is_one_transaction_that_begins_with_its_record() -> None:
    made = reads()
    drive(made.newest_catalogue(), CATALOGUE)
    fields = {"_version": "0-1", "_as_of_ms": str(NOW_MS), "content:a": "2.0", "channel:sms": "1.0"}
    evidence = '{"content:a":1,"channel:sms":1}'
    answer = ["1-0", "3", [evidence, None, None, None, "77", None], fields, {}, {}]
    [transaction], views = drive(made.profiles(CRM, ["a", "b", "c", "a"]), answer)
    assert transaction == [
        (
            *("XADD", "lt:audit", "MAXLEN", "~", 1_000, "*", "reader", "crm", "purpose", "profiling", "sensitive", 0),
            *("operation", "profiles", "people", 3, "users", "a b c"),
        ),
        ("HGET", "lt:catalogue", "_version"),
        ("MGET", "lt:e:{a}", "lt:e:{b}", "lt:e:{c}", "lt:x:{a}", "lt:x:{b}", "lt:x:{c}"),
        ("HGETALL", "lt:p:{a}"),
        ("HGETALL", "lt:p:{b}"),
        ("HGETALL", "lt:p:{c}"),
    ]
    assert [(v.user, v.presence, v.as_of_ms, v.erased_ms) for v in views.values()] == [
        ("a", "present", NOW_MS, 0),
        ("b", "erased", NOW_MS, 77),
        ("c", "absent", NOW_MS, 0),
    ]
    assert [t.tag for t in views["a"].tags] == ["content:a"]


def test_a_catalogue_that_was_published_anew_is_read_before_the_answer_is_decoded() -> None:
    made = reads()
    drive(made.newest_catalogue(), CATALOGUE)
    newer = [CATALOGUE[0] | {"_version": "4", "content": CATALOGUE[0]["content"].replace("604800000", "86400000")}]
    fields = {"_version": "0-1", "_as_of_ms": str(NOW_MS - 86_400_000), "content:a": "2.0"}
    answer = ["1-0", "4", ['{"content:a":1}', None], fields]
    transactions, views = drive(made.profiles(CRM, ["a"], "profile"), answer, newer)
    assert transactions[1:] == [[("HGETALL", "lt:catalogue")]]
    assert views["a"].weight("content:a") == 1.0
    assert len(drive(made.profiles(CRM, ["a"], "profile"), answer)[0]) == 1


def test_replies_that_nobody_made_mappings_of_are_understood_too() -> None:
    made = reads()
    flat = [[word for pair in CATALOGUE[0].items() for word in pair]]
    answer = ["1-0", "3", ['{"content:a":1}', None], ["_version", "0-1", "_as_of_ms", str(NOW_MS), "content:a", "2.0"]]
    _, views = drive(made.profiles(CRM, ["a"]), answer, flat)
    assert views["a"].weight("content:a") == 2.0


@pytest.mark.parametrize("tag", ["channel:sms", "faith:x"])
def test_what_may_not_be_read_is_refused_before_the_person_is_asked_for(tag: str) -> None:
    made = reads()
    drive(made.newest_catalogue(), CATALOGUE)
    for steps in (made.tags(CRM, "a", ["content:a", tag]), made.has(CRM, "a", tag, 0.0)):
        with pytest.raises(PurposeRefused):
            next(steps)


def test_raw_identifiers_and_too_many_people_are_refused_before_anything_is_asked() -> None:
    made = reads()
    for steps in (
        made.profiles(CRM, ["a", "13800000001"]),
        made.tags(CRM, "13800000001", ["content:a"]),
        made.has(CRM, "13800000001", "content:a", 0.0),
        made.whose(CRM, "13800000001"),
        made.erasures(CRM, "13800000001", "as_of"),
    ):
        with pytest.raises(RawIdentifier):
            next(steps)
    with pytest.raises(ValueError, match="asked for 1,001 people at once"):
        next(made.profiles(CRM, (f"u{n}" for n in range(MAX_USERS + 1))))
    assert drive(made.profiles(CRM, [])) == ([], {})
