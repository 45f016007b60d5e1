"""The ledger of privacy budgets: never more than a budget, whoever asks at once and whenever a process dies."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.audience.budget_ledger import BudgetLedger, Budgets, BudgetSpentError, LedgerError, Question

ROOT = Path(__file__).parents[3]
DAY_MS = 86_400_000
NOW_MS = 1_767_225_600_000
BUDGETS = Budgets(300_000, 500_000, 30 * DAY_MS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "budgets.sqlite"


@pytest.fixture
def ledger(file: Path) -> BudgetLedger:
    return BudgetLedger(file)


def question(expression: str, cost: int = 100_000) -> Question:
    return Question("people", expression, NOW_MS, "", cost)


def never() -> int:
    raise AssertionError


def test_a_question_is_answered_once(ledger: BudgetLedger) -> None:
    asked = question("a")
    assert ledger.recall("ann", asked, BUDGETS, NOW_MS) is None
    assert ledger.answer("ann", asked, BUDGETS, NOW_MS, lambda: 7) == (7, NOW_MS, False)
    assert ledger.answer("ann", asked, BUDGETS, NOW_MS + 5, never) == (7, NOW_MS, True)
    assert ledger.recall("ann", asked, BUDGETS, NOW_MS + 5) == (7, NOW_MS, True)
    assert ledger.spent_millionths("ann", "people", BUDGETS.window_ms, NOW_MS + 5) == 100_000


def test_another_analyst_gets_the_same_answer_and_pays_for_it(ledger: BudgetLedger) -> None:
    ledger.answer("ann", question("a"), BUDGETS, NOW_MS, lambda: 7)
    assert ledger.recall("bob", question("a"), BUDGETS, NOW_MS) == (7, NOW_MS, False)
    assert ledger.recall("bob", question("a"), BUDGETS, NOW_MS) == (7, NOW_MS, True)
    assert ledger.spent_millionths("bob", "people", BUDGETS.window_ms, NOW_MS) == 100_000


@pytest.mark.parametrize(
    "other",
    [
        Question("people", "b", NOW_MS, "", 100_000),
        Question("households", "a", NOW_MS, "", 100_000),
        Question("people", "a", NOW_MS + 1, "", 100_000),
        Question("people", "a", NOW_MS, "2", 100_000),
        Question("people", "a", NOW_MS, "", 100_001),
    ],
)
def test_what_differs_in_anything_is_another_question(ledger: BudgetLedger, other: Question) -> None:
    ledger.answer("ann", question("a"), BUDGETS, NOW_MS, lambda: 7)
    assert ledger.answer("ann", other, BUDGETS, NOW_MS, lambda: 8) == (8, NOW_MS, False)


def test_a_spent_budget_says_when_it_renews(ledger: BudgetLedger) -> None:
    for number in range(3):
        ledger.answer("ann", question(f"{number}"), BUDGETS, NOW_MS + number * DAY_MS, lambda: 7)
    with pytest.raises(BudgetSpentError) as spent:
        ledger.answer("ann", question("more"), BUDGETS, NOW_MS + 3 * DAY_MS, never)
    assert spent.value.renews_ms == NOW_MS + 30 * DAY_MS
    assert str(spent.value) == (
        "the budget of ann for people is spent: 0.3 of epsilon 0.3 within 30 days, the question costs 0.1; "
        "ask from 2026-01-31 00:00 UTC on, or a question answered before, which costs nothing"
    )
    with pytest.raises(BudgetSpentError) as spent:  # found out before anything is counted
        ledger.recall("ann", question("dear", 200_000), BUDGETS, NOW_MS + 3 * DAY_MS)
    assert spent.value.renews_ms == NOW_MS + 31 * DAY_MS
    assert ledger.recall("ann", question("1"), BUDGETS, NOW_MS + 3 * DAY_MS) == (7, NOW_MS + DAY_MS, True)
    with pytest.raises(BudgetSpentError):
        ledger.recall("ann", question("more"), BUDGETS, NOW_MS + 30 * DAY_MS - 1)
    assert ledger.answer("ann", question("more"), BUDGETS, NOW_MS + 30 * DAY_MS, lambda: 9).noisy_count == 9


def test_a_question_dearer_than_the_budget_never_renews(ledger: BudgetLedger) -> None:
    with pytest.raises(BudgetSpentError, match=r"more than the whole budget: raise it \(private_budget_eps") as spent:
        ledger.recall("ann", question("a", 300_001), BUDGETS, NOW_MS)
    assert spent.value.renews_ms is None


def test_everybody_together_has_a_budget_too(ledger: BudgetLedger) -> None:
    for number in range(5):
        ledger.answer(f"analyst {number}", question(f"{number}"), BUDGETS, NOW_MS, lambda: 7)
    with pytest.raises(BudgetSpentError, match=r"the budget of everybody together for people is spent: 0\.5 of"):
        ledger.answer("ann", question("more"), BUDGETS, NOW_MS, never)
    assert ledger.answer("ann", question("3"), BUDGETS, NOW_MS, never).noisy_count == 7  # what is known costs no more
    elsewhere = Question("households", "more", NOW_MS, "", 100_000)
    assert ledger.answer("ann", elsewhere, BUDGETS, NOW_MS, lambda: 8).noisy_count == 8


def test_a_clock_set_back_gives_nothing_away(ledger: BudgetLedger) -> None:
    for number in range(3):
        ledger.answer("ann", question(f"{number}"), BUDGETS, NOW_MS, lambda: 7)
    with pytest.raises(BudgetSpentError):
        ledger.answer("ann", question("more"), BUDGETS, NOW_MS - 90 * DAY_MS, never)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 12), st.integers(0, 20 * DAY_MS), st.sampled_from([1, 2, 3])),
        max_size=30,
    )
)
def test_no_stretch_as_long_as_the_window_has_more_than_the_budget(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[str, int, int, int]]
) -> None:
    ledger = BudgetLedger(tmp_path_factory.mktemp("ledger") / "budgets.sqlite")
    now_ms, received, answered = NOW_MS, [], []
    seen: set[tuple[str, Question]] = set()
    for analyst, number, later_ms, cost in asked:
        now_ms += later_ms
        each = question(f"{number}", cost * 100_000)
        try:
            answer = ledger.answer(analyst, each, BUDGETS, now_ms, lambda: 7)
        except BudgetSpentError:
            continue
        assert answer.repeated == ((analyst, each) in seen)
        if not answer.repeated:
            received.append((analyst, now_ms, each.epsilon_millionths))
            if not any(each == other for _, other in seen):
                answered.append((now_ms, each.epsilon_millionths))
        seen.add((analyst, each))
    for analyst, end_ms, _ in received:
        spent = sum(cost for who, at, cost in received if who == analyst and end_ms - BUDGETS.window_ms < at <= end_ms)
        assert spent <= BUDGETS.analyst_millionths
    for end_ms, _ in answered:
        assert sum(cost for at, cost in answered if end_ms - BUDGETS.window_ms < at <= end_ms) <= (
            BUDGETS.population_millionths
        )


def test_only_its_owner_can_read_it(ledger: BudgetLedger, file: Path) -> None:
    ledger.answer("ann", question("a"), BUDGETS, NOW_MS, lambda: 7)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_ledger_that_can_not_be_used_answers_nothing(ledger: BudgetLedger, file: Path, tmp_path: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"no database" * 1_000)
    with pytest.raises(LedgerError, match=r"budgets.sqlite can't be used .*nothing was answered"):
        ledger.answer("ann", question("a"), BUDGETS, NOW_MS, never)
    with pytest.raises(LedgerError, match="check that the disk is there"):
        BudgetLedger(file / "below a file").recall("ann", question("a"), BUDGETS, NOW_MS)
    newer = tmp_path / "newer.sqlite"
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 2")
    with pytest.raises(LedgerError, match="is of version 2, this build knows 1: run the newer build"):
        BudgetLedger(newer).recall("ann", question("a"), BUDGETS, NOW_MS)


def test_an_answer_that_can_not_be_drawn_costs_nothing(ledger: BudgetLedger) -> None:
    with pytest.raises(AssertionError):
        ledger.answer("ann", question("a"), BUDGETS, NOW_MS, never)
    assert ledger.spent_millionths("ann", "people", BUDGETS.window_ms, NOW_MS) == 0
    assert ledger.recall("ann", question("a"), BUDGETS, NOW_MS) is None


# What other processes do; {0} is the file
_COMMON = """
import os, signal, sys, time
from pathlib import Path
from serving.audience.budget_ledger import BudgetLedger, Budgets, BudgetSpentError, Question
ledger = BudgetLedger(Path(sys.argv[1]))
budgets = Budgets(300_000, 500_000, 30 * 86_400_000)
now_ms = 1_767_225_600_000
def question(text):
    return Question("people", text, now_ms, "", 10_000)
"""
_ASK_MUCH = """
answered = []
for number in range(25):
    try:
        asked = question(sys.argv[3].format(number))
        answered.append(ledger.answer(sys.argv[2], asked, budgets, now_ms, lambda: number))
    except BudgetSpentError:
        pass
print(sum(not each.repeated for each in answered))
"""
_DIE_BEFORE_THE_ANSWER = """
ledger.answer("ann", question("a"), budgets, now_ms, lambda: os.kill(os.getpid(), signal.SIGKILL))
"""
_DIE_AFTER_THE_ANSWER = """
ledger.answer("ann", question("a"), budgets, now_ms, lambda: 7)
os.kill(os.getpid(), signal.SIGKILL)
"""
_ASK_FOR_EVER = """
number = 0
while True:
    number += 1
    ledger.answer("ann", question(f"{number}"), Budgets(10**12, 10**12, 1), now_ms, lambda: number)
"""


def start(code: str, *arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _COMMON + code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("analysts", "texts", "budget"),
    [(["ann"] * 4, "{0} of {{0}}", 30), (["ann", "bob", "cid", "dan"], "{0} of {{0}}", 50), (["ann"] * 4, "{{0}}", 25)],
    ids=["of one analyst", "of all together", "the same questions"],
)
def test_processes_that_ask_at_once_never_spend_more_than_the_budget(
    ledger: BudgetLedger, file: Path, analysts: list[str], texts: str, budget: int
) -> None:
    asking = [start(_ASK_MUCH, file, who, texts.format(number)) for number, who in enumerate(analysts)]
    new = [int(process.communicate(timeout=120)[0]) for process in asking]
    assert sum(new) == budget
    spent = sum(ledger.spent_millionths(who, "people", BUDGETS.window_ms, NOW_MS) for who in set(analysts))
    assert spent == budget * 10_000


def test_a_crash_between_spend_and_answer_leaves_neither(ledger: BudgetLedger, file: Path) -> None:
    process = start(_DIE_BEFORE_THE_ANSWER, file)
    assert process.wait(timeout=60) == -signal.SIGKILL
    process.communicate()
    assert ledger.spent_millionths("ann", "people", BUDGETS.window_ms, NOW_MS) == 0
    asked = question("a", 10_000)
    assert ledger.recall("ann", asked, BUDGETS, NOW_MS) is None
    assert ledger.answer("ann", asked, BUDGETS, NOW_MS, lambda: 8) == (8, NOW_MS, False)


def test_a_crash_after_the_answer_leaves_both(ledger: BudgetLedger, file: Path) -> None:
    process = start(_DIE_AFTER_THE_ANSWER, file)
    assert process.wait(timeout=60) == -signal.SIGKILL
    process.communicate()
    assert ledger.answer("ann", question("a", 10_000), BUDGETS, NOW_MS, never) == (7, NOW_MS, True)
    assert ledger.spent_millionths("ann", "people", BUDGETS.window_ms, NOW_MS) == 10_000


def test_a_crash_at_any_moment_leaves_as_many_answers_as_spends(ledger: BudgetLedger, file: Path) -> None:
    random = Random(7)
    for _ in range(4):
        process = start(_ASK_FOR_EVER, file)
        deadline = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2 + random.random() * 0.3)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        spent = ledger.spent_millionths("ann", "people", BUDGETS.window_ms, NOW_MS)
        with sqlite3.connect(file) as database:
            [[answers]] = database.execute("SELECT count(*) FROM answers").fetchall()
            [[unanswered]] = database.execute(
                "SELECT count(*) FROM receipts LEFT JOIN answers USING (population, expression) "
                "WHERE noisy_count IS NULL"
            ).fetchall()
            [[whole]] = database.execute("PRAGMA integrity_check").fetchall()
        assert spent == answers * 10_000 > 0
        assert unanswered == 0
        assert whole == "ok"
