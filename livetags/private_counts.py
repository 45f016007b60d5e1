"""Counts that leave the circle, on this installation: the policy of the settings, the ledger in the data folder."""

from __future__ import annotations

from schemas.settings import Settings
from serving.audience.budget_ledger import BudgetLedger
from serving.audience.private_count import CountPolicy, PrivateCounts

LEDGER_FILE = "privacy-budgets.sqlite"


def private_counts(settings: Settings) -> PrivateCounts:
    """Answers for whoever is within reach of the same data folder; the ledger is made with the first question."""
    return PrivateCounts(BudgetLedger(settings.data_dir / LEDGER_FILE), count_policy(settings))


def count_policy(settings: Settings) -> CountPolicy:
    """How private counts are, and how many there may be, by the settings."""
    return CountPolicy(
        settings.private_count_epsilon,
        settings.private_budget_epsilon,
        settings.private_population_epsilon,
        round(settings.private_budget_days * 86_400_000),
        settings.private_count_minimum,
        round(settings.private_count_grain_minutes * 60_000),
    )
