"""The ledger of privacy budgets: which private counts were given to whom, what they cost, and the answers themselves.

Guarantee: an answer is given out only after its cost is on disk, in the same transaction as the answer, so

- a crash at any moment leaves either both or neither, and a repeated question costs nothing;
- processes and threads that share the file never spend more than a budget together: the database serialises them;
- within any stretch of time as long as the window, spends add up to at most the budget (the window slides).

Two budgets hold. An analyst's: by what they have received, whoever asked first, since their own view is what it limits.
A population's: by what was answered at all, since analysts may talk to each other. An answer is drawn once and given to
everybody who asks the same, so that nobody can average the noise away.

What it costs is counted in whole millionths of epsilon: sums of those are exact. The true figure is never in it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

MILLIONTHS = 1_000_000
_VERSION = 1
_WAIT_S = 30.0
_TABLES = """
CREATE TABLE answers (
    population TEXT NOT NULL,
    expression TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    data_version TEXT NOT NULL,
    epsilon_millionths INTEGER NOT NULL CHECK (epsilon_millionths > 0),
    noisy_count INTEGER NOT NULL,
    answered_ms INTEGER NOT NULL,
    PRIMARY KEY (population, expression, at_ms, data_version, epsilon_millionths)
);
CREATE INDEX answers_by_time ON answers (population, answered_ms);
CREATE TABLE receipts (
    analyst TEXT NOT NULL,
    population TEXT NOT NULL,
    expression TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    data_version TEXT NOT NULL,
    epsilon_millionths INTEGER NOT NULL CHECK (epsilon_millionths > 0),
    received_ms INTEGER NOT NULL,
    PRIMARY KEY (analyst, population, expression, at_ms, data_version, epsilon_millionths)
);
CREATE INDEX receipts_by_time ON receipts (analyst, population, received_ms);
"""
_SAME = "population = ? AND expression = ? AND at_ms = ? AND data_version = ? AND epsilon_millionths = ?"


class BudgetSpentError(RuntimeError):
    """A budget does not cover the question; the text says which, and when it will.

    Attributes
    ----------
    renews_ms
        When the question could be asked, milliseconds since the epoch; None: never, it costs more than the budget.
    """

    def __init__(self, message: str, renews_ms: int | None) -> None:
        super().__init__(message)
        self.renews_ms = renews_ms


class LedgerError(RuntimeError):
    """The ledger can't be used: nothing was spent, nothing was answered; the text says what to do."""


class Question(Struct, frozen=True):
    """What makes two questions the same.

    Attributes
    ----------
    population
        Of whom: people or households, by the name of the population.
    expression
        Canonical text of the audience.
    at_ms
        The instant asked about, rounded, milliseconds since the epoch.
    data_version
        Of the data it is answered from, as far as whoever evaluates it tells states apart; may be empty.
    epsilon_millionths
        What an answer costs.
    """

    population: str
    expression: str
    at_ms: int
    data_version: str
    epsilon_millionths: int


class Budgets(Struct, frozen=True):
    """What may be spent within a window that slides, in millionths of epsilon."""

    analyst_millionths: int
    population_millionths: int
    window_ms: int


class Answer(NamedTuple):
    """The one answer to a question, and whether this analyst had it before."""

    noisy_count: int
    answered_ms: int
    repeated: bool


class BudgetLedger:
    """The ledger in one file, made when first used; readable by its owner only.

    Parameters
    ----------
    file
        On a disk of this machine: file locks of network disks are not to be relied upon.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def recall(self, analyst: str, question: Question, budgets: Budgets, now_ms: int) -> Answer | None:
        """The answer if there is one, charged to the analyst's budget if they did not have it; None: not yet asked.

        Raises
        ------
        BudgetSpentError
            When a budget does not cover it, also of a question not yet asked.
        LedgerError
            When the ledger can't be used.
        """
        with self._transaction() as database:
            return _given(database, analyst, question, budgets, now_ms)

    def answer(
        self, analyst: str, question: Question, budgets: Budgets, now_ms: int, draw: Callable[[], int]
    ) -> Answer:
        """The answer, drawn by `draw` unless there is one by now; its cost and itself are on disk when it returns.

        Raises
        ------
        BudgetSpentError
            When a budget does not cover it.
        LedgerError
            When the ledger can't be used.
        """
        with self._transaction() as database:
            given = _given(database, analyst, question, budgets, now_ms)
            if given is not None:
                return given
            _write_receipt(database, analyst, question, now_ms)
            noisy_count = draw()
            row = (*msgspec.structs.astuple(question), noisy_count, now_ms)
            database.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            return Answer(noisy_count, now_ms, repeated=False)

    def spent_millionths(self, analyst: str, population: str, window_ms: int, now_ms: int) -> int:
        """What the analyst has spent on a population within the window that ends now."""
        with self._transaction() as database:
            return sum(cost for _, cost in _receipts(database, analyst, population, now_ms - window_ms))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """The database, with everybody else waiting; what was written is on disk when it is left without an error."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
            with closing(sqlite3.connect(self._file, timeout=_WAIT_S, isolation_level=None)) as database:
                database.execute("PRAGMA synchronous = EXTRA")
                database.execute("BEGIN IMMEDIATE")
                try:
                    _prepare(database)
                    yield database
                except BaseException:
                    database.execute("ROLLBACK")
                    raise
                database.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            msg = (
                f"the ledger of privacy budgets {self._file} can't be used ({error}): check that the disk is there, "
                "writable and not full, and that no process holds the file; nothing was answered"
            )
            raise LedgerError(msg) from error


def _prepare(database: sqlite3.Connection) -> None:
    [version] = database.execute("PRAGMA user_version").fetchone()
    if version == 0:
        for statement in _TABLES.split(";"):
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {_VERSION}")
    elif version != _VERSION:
        msg = f"the ledger of privacy budgets is of version {version}, this build knows {_VERSION}: run the newer build"
        raise LedgerError(msg)


def _given(
    database: sqlite3.Connection, analyst: str, question: Question, budgets: Budgets, now_ms: int
) -> Answer | None:
    """The answer if there is one, and a receipt; None if there is none and the budgets cover one."""
    same = msgspec.structs.astuple(question)
    known = database.execute(f"SELECT noisy_count, answered_ms FROM answers WHERE {_SAME}", same).fetchone()
    had = database.execute(f"SELECT 1 FROM receipts WHERE analyst = ? AND {_SAME}", (analyst, *same)).fetchone()
    if known is not None and had is not None:
        return Answer(known[0], known[1], repeated=True)
    since_ms = now_ms - budgets.window_ms
    whose, spends = f"the budget of {analyst}", _receipts(database, analyst, question.population, since_ms)
    _check(whose, spends, question, budgets.analyst_millionths, budgets.window_ms)
    if known is not None:
        _write_receipt(database, analyst, question, now_ms)
        return Answer(known[0], known[1], repeated=False)
    whose, spends = "the budget of everybody together", _answers(database, question.population, since_ms)
    _check(whose, spends, question, budgets.population_millionths, budgets.window_ms)
    return None


def _write_receipt(database: sqlite3.Connection, analyst: str, question: Question, now_ms: int) -> None:
    row = (analyst, *msgspec.structs.astuple(question), now_ms)
    database.execute("INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def _receipts(database: sqlite3.Connection, analyst: str, population: str, since_ms: int) -> list[tuple[int, int]]:
    """Time and cost of what the analyst has received later than `since_ms`, oldest first."""
    return database.execute(
        "SELECT received_ms, epsilon_millionths FROM receipts WHERE analyst = ? AND population = ? AND received_ms > ? "
        "ORDER BY received_ms",
        (analyst, population, since_ms),
    ).fetchall()


def _answers(database: sqlite3.Connection, population: str, since_ms: int) -> list[tuple[int, int]]:
    return database.execute(
        "SELECT answered_ms, epsilon_millionths FROM answers WHERE population = ? AND answered_ms > ? "
        "ORDER BY answered_ms",
        (population, since_ms),
    ).fetchall()


def _check(whose: str, spends: list[tuple[int, int]], question: Question, budget: int, window_ms: int) -> None:
    cost = question.epsilon_millionths
    left = budget - sum(each for _, each in spends)
    if cost <= left:
        return
    days = window_ms / 86_400_000
    got = (
        f"{whose} for {question.population} is spent: {_epsilon(budget - left)} of epsilon {_epsilon(budget)} "
        f"within {days:g} days, the question costs {_epsilon(cost)}"
    )
    for time_ms, freed in spends:
        left += freed
        if cost <= left:
            renews_ms = time_ms + window_ms
            when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=renews_ms)
            msg = f"{got}; ask from {when:%Y-%m-%d %H:%M} UTC on, or a question answered before, which costs nothing"
            raise BudgetSpentError(msg, renews_ms)
    msg = (
        f"{got}, more than the whole budget: raise it (private_budget_epsilon, of everybody together "
        "private_population_epsilon), or lower private_count_epsilon"
    )
    raise BudgetSpentError(msg, None)


def _epsilon(millionths: int) -> str:
    return f"{millionths / MILLIONTHS:g}"
