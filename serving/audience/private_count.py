"""Counts that leave the circle: with noise, so that nobody can tell from them whether one person was counted.

One person more or less changes a count by at most one (sensitivity 1), so discrete Laplace noise of scale 1/epsilon
makes it epsilon-differentially private: whatever else is known, nobody's being in the data changes the chance of any
answer by more than a factor exp(epsilon). The noise is OpenDP's, sampled exactly from the operating system's
randomness; home-made floating-point noise leaks. Sources: Dwork, McSherry, Nissim, Smith, "Calibrating noise to
sensitivity in private data analysis", TCC 2006; Ghosh, Roughgarden, Sundararajan, "Universally utility-maximizing
privacy mechanisms", STOC 2009; Mironov, "On significance of the least significant bits for differential privacy", 2012.

Small figures: whether an answer is below the minimum is decided by the noisy figure, after the noise. That says nothing
more than the noisy figure would; deciding by the true one would give away, at the border, whether one person is there.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from math import floor, inf, nextafter

import opendp.prelude as dp
from msgspec import Struct

from serving.audience.budget_ledger import MILLIONTHS, BudgetLedger, Budgets, Question
from serving.audience.canonical import canonical
from serving.audience.tree import Node

CONFIDENCE = 0.95
"""How often the true figure lies within the error that is stated."""
_MISSED = 0.05
_SENSITIVITY = 1

dp.enable_features("contrib")  # discrete Laplace is part of it; its proof of privacy has been vetted


class CountPolicy(Struct, frozen=True):
    """How private counts are, and how many there may be.

    Attributes
    ----------
    epsilon
        Privacy loss of one count: smaller is more private, and noisier (the error is about 3 / epsilon).
    analyst_epsilon, population_epsilon
        What one analyst, and all of them together, may spend on a population within the window.
    window_ms
        Length of the window, which slides.
    minimum
        An answer below this is given as "fewer than".
    grain_ms
        Instants are rounded down to a multiple of this, so that asking again soon is the same question.
    """

    epsilon: float
    analyst_epsilon: float
    population_epsilon: float
    window_ms: int
    minimum: int
    grain_ms: int

    @property
    def budgets(self) -> Budgets:
        """The budgets in the ledger's unit, rounded down."""
        return Budgets(
            _millionths(self.analyst_epsilon, ROUND_FLOOR),
            _millionths(self.population_epsilon, ROUND_FLOOR),
            self.window_ms,
        )

    @property
    def cost_millionths(self) -> int:
        """What one count costs in the ledger's unit, rounded up."""
        return _millionths(self.epsilon, ROUND_CEILING)


class PrivateCount(Struct, frozen=True):
    """A count that may leave the circle.

    Attributes
    ----------
    figure
        How many; None: fewer than `minimum`, as far as the noise lets one tell.
    minimum
        Smaller figures are not given.
    error
        The true figure lies within ``figure - error`` and ``figure + error`` with `confidence`, or more often.
    confidence
        See `error`.
    epsilon
        Privacy loss of the answer.
    question
        What was asked: the instant is the rounded one.
    repeated
        Whether the analyst had this answer before, at no further cost.
    left_epsilon
        What is left of the analyst's budget now.
    """

    figure: int | None
    minimum: int
    error: int
    confidence: float
    epsilon: float
    question: Question
    repeated: bool
    left_epsilon: float

    def text(self) -> str:
        """The figure with its error, for people."""
        if self.figure is None:
            return f"fewer than {self.minimum:,}"
        return f"{self.figure:,} (within {self.error:,} of it, {self.confidence:.0%} sure)"


class PrivateCounts:
    """Answers questions for figures that leave the circle.

    Parameters
    ----------
    ledger
        Where spends and answers are kept; everybody who answers for a population shares it.
    policy
        How private, how many.
    """

    def __init__(self, ledger: BudgetLedger, policy: CountPolicy) -> None:
        self._ledger = ledger
        self._policy = policy

    def count(
        self,
        analyst: str,
        population: str,
        node: Node,
        at_ms: int,
        now_ms: int,
        true_count: Callable[[int], int],
        data_version: str = "",
    ) -> PrivateCount:
        """How many people of a population are in an audience, with noise.

        Parameters
        ----------
        analyst
            Who asks, as they were identified: whose budget it is.
        population
            Of whom.
        node
            The audience.
        at_ms, now_ms
            Of which instant, and the time now; milliseconds since the epoch.
        true_count
            Counts exactly as of an instant it is given; called only for a question that nobody has asked.
        data_version
            What tells apart states of the data, if the same instant may be answered differently later.

        Raises
        ------
        BudgetSpentError
            When a budget does not cover the question: which, and when it will.
        LedgerError
            When the ledger can't be used; nothing is answered then.
        """
        policy = self._policy
        rounded_ms = at_ms - at_ms % policy.grain_ms
        question = Question(population, canonical(node), rounded_ms, data_version, policy.cost_millionths)
        answer = self._ledger.recall(analyst, question, policy.budgets, now_ms)
        if answer is None:
            exact = true_count(rounded_ms)
            answer = self._ledger.answer(
                analyst, question, policy.budgets, now_ms, lambda: noisy_count(exact, policy.epsilon)
            )
        spent = self._ledger.spent_millionths(analyst, population, policy.window_ms, now_ms)
        return PrivateCount(
            answer.noisy_count if answer.noisy_count >= policy.minimum else None,
            policy.minimum,
            error_of(policy.epsilon),
            CONFIDENCE,
            policy.epsilon,
            question,
            answer.repeated,
            max(policy.budgets.analyst_millionths - spent, 0) / MILLIONTHS,
        )


def noisy_count(count: int, epsilon: float) -> int:
    """The count with discrete Laplace noise, epsilon-differentially private; may be negative.

    Raises
    ------
    ValueError
        When epsilon is not a positive number.
    """
    noisy: int = _mechanism(epsilon)(count)
    return noisy


def error_of(epsilon: float) -> int:
    """The distance from the true figure that a noisy one keeps with `CONFIDENCE`, or more often."""
    # reached or passed with probability _MISSED; of whole numbers the floor is passed no more often
    accuracy: float = dp.discrete_laplacian_scale_to_accuracy(scale_of(epsilon), _MISSED)
    return floor(accuracy)


@lru_cache(maxsize=16)
def scale_of(epsilon: float) -> float:
    """The smallest scale of the noise for which the privacy loss is proven to be at most epsilon.

    Raises
    ------
    ValueError
        When epsilon is not a positive number.
    """
    if not 0.0 < epsilon < inf:
        msg = f"epsilon is {epsilon}: expected a positive number, such as 0.1"
        raise ValueError(msg)
    scale = _SENSITIVITY / epsilon
    while not _laplace(scale).check(_SENSITIVITY, epsilon):
        scale = nextafter(scale, inf)
    return scale


@lru_cache(maxsize=16)
def _mechanism(epsilon: float) -> dp.Measurement:
    return _laplace(scale_of(epsilon))


def _laplace(scale: float) -> dp.Measurement:
    return dp.m.make_laplace(dp.atom_domain(T=dp.i64), dp.absolute_distance(T=dp.i64), scale=scale)


def _millionths(epsilon: float, rounding: str) -> int:
    return int((Decimal(str(epsilon)) * MILLIONTHS).to_integral_value(rounding))
