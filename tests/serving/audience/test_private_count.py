"""Counts with noise: the noise against its own law, the stated error, and what is asked, given and charged."""

from __future__ import annotations

from collections import Counter
from math import exp, log, sqrt
from pathlib import Path

import opendp.prelude as dp
import pytest
from audience_trees import VOCABULARY
from hypothesis import given, settings
from hypothesis import strategies as st

from livetags.private_counts import LEDGER_FILE, count_policy, private_counts
from schemas.settings import Settings
from serving.audience import private_count
from serving.audience.budget_ledger import BudgetLedger, Budgets, BudgetSpentError
from serving.audience.expression import parse
from serving.audience.private_count import (
    CONFIDENCE,
    CountPolicy,
    PrivateCounts,
    error_of,
    noisy_count,
    scale_of,
)

NOW_MS = 1_767_225_600_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
POLICY = CountPolicy(0.1, 0.3, 0.5, 30 * DAY_MS, 100, HOUR_MS)
AUDIENCE = parse("home = 'A3' and plan = 'plus'", VOCABULARY)


def cdf(value: int, scale: float) -> float:
    """Of the discrete Laplace distribution: P(x) = (1 - p) / (1 + p) * p**abs(x) with p = exp(-1 / scale)."""
    p = exp(-1.0 / scale)
    return p**-value / (1.0 + p) if value < 0 else 1.0 - p ** (value + 1) / (1.0 + p)


def distance(noise: Counter[int], scale: float) -> float:
    """Kolmogorov-Smirnov distance between what was drawn and the law."""
    drawn, found, largest = noise.total(), 0, 0.0
    for value in range(min(noise), max(noise) + 1):
        found += noise[value]
        largest = max(largest, abs(found / drawn - cdf(value, scale)))
    return largest


@pytest.mark.parametrize("epsilon", [0.05, 0.5, 2.0])
def test_the_noise_follows_its_law(epsilon: float) -> None:
    """By the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart, which holds for any law and any number of draws:
    a distance beyond the bound has a chance below 1e-9. A scale wrong by a quarter, or a shift by one at 0.5 and 2.0,
    is well beyond it.
    """
    draws = 20_000
    bound = sqrt(log(2.0 / 1e-9) / (2.0 * draws))
    noise = Counter(noisy_count(1_000, epsilon) - 1_000 for _ in range(draws))
    assert distance(noise, 1.0 / epsilon) < bound
    assert distance(noise, 1.25 / epsilon) > bound
    assert distance(noise, 0.8 / epsilon) > bound


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-3, 10.0))
def test_the_loss_that_is_proven_is_no_more_than_epsilon(epsilon: float) -> None:
    mechanism = dp.m.make_laplace(dp.atom_domain(T=dp.i64), dp.absolute_distance(T=dp.i64), scale=scale_of(epsilon))
    assert epsilon * (1.0 - 1e-9) <= mechanism.map(1) <= epsilon


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-3, 10.0))
def test_the_error_is_the_smallest_that_is_as_sure(epsilon: float) -> None:
    def within(distance: int) -> float:
        return cdf(distance, scale_of(epsilon)) - cdf(-distance - 1, scale_of(epsilon))

    error = error_of(epsilon)
    assert within(error) >= CONFIDENCE - 1e-12
    assert error == 0 or within(error - 1) < CONFIDENCE


@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("inf"), float("nan")])
def test_an_epsilon_that_is_none(epsilon: float) -> None:
    with pytest.raises(ValueError, match="expected a positive number"):
        noisy_count(5, epsilon)


class Counted:
    """An exact count, and how often and as of when it was asked for."""

    def __init__(self, figure: int) -> None:
        self.figure = figure
        self.asked_ms: list[int] = []

    def __call__(self, at_ms: int) -> int:
        self.asked_ms.append(at_ms)
        return self.figure


@pytest.fixture
def counts(tmp_path: Path) -> PrivateCounts:
    return PrivateCounts(BudgetLedger(tmp_path / "budgets.sqlite"), POLICY)


def test_a_count_comes_with_its_error_and_price(counts: PrivateCounts) -> None:
    true_count = Counted(10_000)
    got = counts.count("ann", "people", AUDIENCE, NOW_MS + 5, NOW_MS + 5, true_count)
    assert true_count.asked_ms == [NOW_MS]  # rounded down to the hour
    assert got.figure is not None
    assert abs(got.figure - 10_000) < 400  # beyond 40 scales: one chance in 10**17
    assert (got.error, got.confidence, got.epsilon) == (30, 0.95, 0.1)
    assert (got.repeated, got.left_epsilon) == (False, 0.2)
    assert got.question.at_ms == NOW_MS
    assert got.question.expression == "home = 'A3' and plan = 'plus'"
    assert got.text() == f"{got.figure:,} (within 30 of it, 95% sure)"


def test_the_same_question_has_the_same_answer_at_no_cost(counts: PrivateCounts) -> None:
    first = counts.count("ann", "people", AUDIENCE, NOW_MS, NOW_MS, Counted(10_000))
    again = Counted(20_000)
    same = parse("not (plan != 'plus' or home != 'A3')", VOCABULARY)
    for later_ms in (1, HOUR_MS - 1):
        got = counts.count("ann", "people", same, NOW_MS + later_ms, NOW_MS + 3 * HOUR_MS, again)
        assert (got.figure, got.repeated, got.left_epsilon) == (first.figure, True, 0.2)
    assert again.asked_ms == []
    bobs = counts.count("bob", "people", AUDIENCE, NOW_MS, NOW_MS, again)
    assert (bobs.figure, bobs.repeated, bobs.left_epsilon) == (first.figure, False, 0.2)
    assert again.asked_ms == []


@pytest.mark.parametrize(
    ("text", "population", "later_ms", "version"),
    [
        ("home = 'A3' and plan = 'plus' and has(bill)", "people", 0, ""),
        ("home = 'A3' and plan = 'plus'", "households", 0, ""),
        ("home = 'A3' and plan = 'plus'", "people", HOUR_MS, ""),
        ("home = 'A3' and plan = 'plus'", "people", 0, "2"),
    ],
)
def test_another_question_has_another_answer(
    counts: PrivateCounts, text: str, population: str, later_ms: int, version: str
) -> None:
    counts.count("ann", "people", AUDIENCE, NOW_MS, NOW_MS, Counted(10_000))
    other = Counted(50_000)
    got = counts.count("ann", population, parse(text, VOCABULARY), NOW_MS + later_ms, NOW_MS, other, version)
    assert len(other.asked_ms) == 1
    assert not got.repeated


def test_when_the_budget_is_spent_nothing_is_counted(counts: PrivateCounts) -> None:
    for hour in range(3):
        counts.count("ann", "people", AUDIENCE, NOW_MS + hour * HOUR_MS, NOW_MS, Counted(10_000))
    more = Counted(10_000)
    with pytest.raises(BudgetSpentError, match="the budget of ann for people is spent"):
        counts.count("ann", "people", AUDIENCE, NOW_MS + 3 * HOUR_MS, NOW_MS, more)
    assert more.asked_ms == []
    assert counts.count("ann", "people", AUDIENCE, NOW_MS, NOW_MS + 40 * DAY_MS, more).repeated


def test_a_count_that_fails_costs_nothing(counts: PrivateCounts) -> None:
    def away(at_ms: int) -> int:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        counts.count("ann", "people", AUDIENCE, NOW_MS, NOW_MS, away)
    assert counts.count("ann", "people", AUDIENCE, NOW_MS, NOW_MS, Counted(500)).left_epsilon == 0.2


@pytest.mark.parametrize(
    ("noisy", "figure", "text"),
    [(100, 100, "100 (within 30"), (99, None, "fewer than 100"), (0, None, "fewer"), (-17, None, "fewer")],
)
@pytest.mark.parametrize("true", [0, 99, 100, 10_000])
def test_the_noisy_figure_alone_decides_whether_it_is_too_small(
    counts: PrivateCounts, monkeypatch: pytest.MonkeyPatch, noisy: int, figure: int | None, text: str, true: int
) -> None:
    monkeypatch.setattr(private_count, "noisy_count", lambda count, epsilon: noisy)
    got = counts.count("ann", "people", AUDIENCE, NOW_MS, NOW_MS, Counted(true))
    assert got.figure == figure
    assert got.text().startswith(text)
    assert got.left_epsilon == 0.2  # a small one costs as much


def test_the_true_figure_is_not_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Real noise is 0 once in twenty draws: then the figure given out, which is kept, is the true one.
    monkeypatch.setattr(private_count, "noisy_count", lambda count, epsilon: count + 7)
    file = tmp_path / "budgets.sqlite"
    PrivateCounts(BudgetLedger(file), POLICY).count("ann", "people", AUDIENCE, NOW_MS, NOW_MS, Counted(0x5A5A5A5A5A))
    on_disk = file.read_bytes()
    assert (0x5A5A5A5A5A).to_bytes(6, "big") not in on_disk
    assert (0x5A5A5A5A5A + 7).to_bytes(6, "big") in on_disk  # the search finds what is there


def test_costs_are_rounded_against_the_analyst_and_add_up_exactly() -> None:
    policy = CountPolicy(0.1 + 1e-9, 0.3, 0.7, DAY_MS, 1, 1)
    assert policy.cost_millionths == 100_001
    assert policy.budgets == Budgets(300_000, 700_000, DAY_MS)
    assert CountPolicy(0.1, 0.3, 0.7, DAY_MS, 1, 1).cost_millionths == 100_000


def test_the_settings_make_the_policy_and_the_data_folder_keeps_the_ledger(tmp_path: Path) -> None:
    chosen = Settings(data_dir=tmp_path)
    assert count_policy(chosen) == CountPolicy(0.05, 1.0, 3.0, 30 * DAY_MS, 100, HOUR_MS)
    private_counts(chosen).count("ann", "people", AUDIENCE, NOW_MS, NOW_MS, Counted(500))
    assert (tmp_path / LEDGER_FILE).is_file()
