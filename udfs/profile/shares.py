"""Observed against expected shares: one step of a detector over classes, and what it remembers.

A bucket gives a vector of shares f over classes. A long memory A per context (workday or weekend, day or night) says
what is expected, p; short memories O and X sum what was observed and what was expected, so what the hour and the
weekday explain is in both and cancels. The bet q leans to where observation has exceeded expectation; the e-value is

    E = sum over k of f_k * q_k / c_k,    c_k an upper envelope of the expectation of f_k without drift,

so while the envelope holds its mean is at most sum q_k = 1, whatever the dependence inside the bucket.

Formulas and their proof: docs/decisions/0011-drift.md. Prior art: betting on probability vectors, Ryu and Wornell,
arXiv 2402.03683.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2, sqrt
from struct import pack, unpack
from typing import NamedTuple

from schemas.drift_rules import DriftRules

PRIOR_MASS = 8.0
"""Buckets that the pooled baseline counts for in a context, and the population in the pooled baseline."""
_BET_MASS = 1.0  # buckets of agreement that the ratio observed / expected begins with
_MIXED_IN = 0.02  # of the population, so that no class is bet against entirely
_USUAL_ENERGY = 10.0  # squares of deviations that the usual persistence counts for: some twenty buckets' worth
_MIN_PERSISTENCE, _MAX_PERSISTENCE = 0.05, 0.8
_TELLABLE = 0.1  # below this the two mixtures are too alike to be taken apart
REBUILT_MASS = 8.0
"""Buckets that what was observed counts for as the new baseline."""


class Numbers:
    """What is remembered, unpacked.

    Attributes
    ----------
    baseline, mass
        By context: sums of shares by class, and of how many buckets.
    observed, expected, previous
        Short memories, and the shares of the bucket before, by class.
    lag, energy
        Products of deviations of successive buckets, and squares of those of the former: their ratio says how much of
        a deviation lasts into the next bucket (least squares, lag 1).

    `packed` rounds, so whoever steps on from the packed form or from this gets the same only if he
    packs after every step.
    """

    __slots__ = ("baseline", "energy", "expected", "lag", "mass", "observed", "previous")

    def __init__(self, packed: bytes, contexts: int, classes: int) -> None:
        if not packed:
            self.baseline = [[0.0] * classes for _ in range(contexts)]
            self.observed, self.expected, self.previous = ([0.0] * classes for _ in range(3))
            self.mass = [0.0] * contexts
            self.lag = self.energy = 0.0
            return
        values = _unpacked(packed)
        rows = [values[i * classes : (i + 1) * classes] for i in range(contexts + 3)]
        self.baseline = rows[:contexts]
        self.observed, self.expected, self.previous = rows[contexts:]
        *self.mass, self.lag, self.energy = values[(contexts + 3) * classes :]

    def packed(self) -> bytes:
        """As bytes, to be unpacked with the same numbers of contexts and classes."""
        values = [v for row in (*self.baseline, self.observed, self.expected, self.previous) for v in row]
        values += (*self.mass, self.lag, self.energy)
        return _packed(values)

    def add_class(self, expected: float, index: int) -> None:
        """A new class at `index`, of which nothing was seen; `expected` is the share it should have had."""
        for row in (*self.baseline, self.observed, self.previous):
            row.insert(index, 0.0)
        self.expected.insert(index, expected * sum(self.expected))

    def merge_class(self, index: int, into: int) -> None:
        """Count the class at `index` as one with `into`, and let it begin anew."""
        for row in (*self.baseline, self.observed, self.expected, self.previous):
            row[into] += row[index]
            row[index] = 0.0

    def begin_anew(self, baseline_mass: float, kept: float) -> None:
        """Forget what was compared, and make what was observed the baseline, beside a part of the old one.

        Parameters
        ----------
        baseline_mass
            Buckets that what was observed counts for; 0: it is not taken over.
        kept
            Factor of the old baseline.
        """
        total = sum(self.observed)
        contexts = len(self.mass)
        share = baseline_mass / (contexts * total) if total > 0.0 else 0.0
        for row in self.baseline:
            row[:] = [kept * a + share * o for a, o in zip(row, self.observed, strict=True)]
        known = sum(self.mass)
        self.mass = [kept * n + share * total for n in self.mass]
        # of as many buckets as the baseline, so that their mean stays what it was
        scale = sum(self.mass) / known if known > 0.0 else 0.0
        self.lag *= scale
        self.energy *= scale
        self.observed = [0.0] * len(self.observed)
        self.expected = [0.0] * len(self.expected)


class Step(NamedTuple):
    """One bucket compared: its e-value, the shares that were expected of it, and how its deviation goes on from the
    one before: their product, and the square of that one.
    """

    e_value: float
    expected: list[float]
    lag: float
    energy: float


def compare(
    numbers: Numbers, context: int, shares: Sequence[float], population: Sequence[float], rules: DriftRules
) -> Step:
    """E-value of a bucket; changes nothing.

    Parameters
    ----------
    context
        Index of the bucket's context.
    shares
        Of each class in the bucket; they add up to 1.
    population
        What shares people have who are not known yet; add up to 1.
    """
    mass = numbers.mass[context] + PRIOR_MASS
    pooled_mass = sum(numbers.mass) + PRIOR_MASS
    persistence = _persistence(numbers, rules) if any(numbers.previous) else 0.0
    fresh = 1.0 - persistence
    error = rules.envelope_error / sqrt(mass)
    relative, mixed = 1.0 + rules.envelope_relative, rules.envelope_population
    expected: list[float] = []
    bets: list[float] = []
    total = 0.0
    pooled = [sum(column) for column in zip(*numbers.baseline, strict=True)]
    for a, all_a, u, o, x in zip(
        numbers.baseline[context], pooled, population, numbers.observed, numbers.expected, strict=True
    ):
        p = (a + PRIOR_MASS * (all_a + PRIOR_MASS * u) / pooled_mass) / mass
        bet = p * (o + _BET_MASS * p) / (x + _BET_MASS * p)
        expected.append(p)
        bets.append(bet)
        total += bet
    e_value = lag = energy = 0.0
    scale = (1.0 - _MIXED_IN) / total
    for f, p, bet, u, g in zip(shares, expected, bets, population, numbers.previous, strict=True):
        deviation = g - p
        lag += (f - p) * deviation
        energy += deviation * deviation
        if f:
            q = fresh * (bet * scale + _MIXED_IN * u) + persistence * g
            ceiling = relative * (fresh * p + persistence * g) + error * sqrt(p * (1.0 - p)) + mixed * u
            e_value += f * q / ceiling
    return Step(e_value, expected, lag, energy) if persistence else Step(e_value, expected, 0.0, 0.0)


def _persistence(numbers: Numbers, rules: DriftRules) -> float:
    """Share of a bucket that resembles the one before: as this person's buckets say, beside what is usual."""
    found = (_USUAL_ENERGY * rules.persistence + numbers.lag) / (_USUAL_ENERGY + numbers.energy)
    return min(max(found, _MIN_PERSISTENCE), _MAX_PERSISTENCE)


def learn(numbers: Numbers, context: int, shares: Sequence[float], step: Step, rules: DriftRules) -> None:
    """Remember a bucket after it was compared."""
    short = 2.0 ** (-1.0 / rules.short_half_life_buckets)
    long = 2.0 ** (-1.0 / rules.long_half_life_buckets)
    numbers.observed = [short * o + f for o, f in zip(numbers.observed, shares, strict=True)]
    numbers.expected = [short * x + p for x, p in zip(numbers.expected, step.expected, strict=True)]
    for number, row in enumerate(numbers.baseline):
        numbers.baseline[number] = [long * a for a in row]
    numbers.baseline[context] = [a + f for a, f in zip(numbers.baseline[context], shares, strict=True)]
    numbers.mass = [long * n for n in numbers.mass]
    numbers.mass[context] += 1.0
    numbers.previous = list(shares)
    numbers.lag = long * numbers.lag + step.lag
    numbers.energy = long * numbers.energy + step.energy


def observed_and_expected(numbers: Numbers) -> tuple[list[float], list[float]]:
    """The short memories as shares, each adding up to 1; zeros while there is nothing."""
    return _normalised(numbers.observed), _normalised(numbers.expected)


def before_and_since(numbers: Numbers, buckets: float, rules: DriftRules) -> tuple[list[float], list[float]]:
    """Shares before a change and since, all contexts together, the change being some closed buckets ago.

    The baseline has learnt some of the new behaviour by then, and the short memory still holds some of the old: each is
    a known mixture of both, so two equations per class give the two shares.
    """
    short = 2.0 ** (-1.0 / rules.short_half_life_buckets)
    long = 2.0 ** (-1.0 / rules.long_half_life_buckets)
    observed, _ = observed_and_expected(numbers)
    baseline = _normalised([sum(column) for column in zip(*numbers.baseline, strict=True)])
    old = short ** max(buckets, 1.0)
    new = min((1.0 - long ** max(buckets, 1.0)) / (1.0 - long) / sum(numbers.mass), 1.0)
    apart = 1.0 - old - new
    if apart < _TELLABLE:
        return baseline, observed
    before = [max((1.0 - old) * a - new * o, 0.0) for a, o in zip(baseline, observed, strict=True)]
    since = [max((1.0 - new) * o - old * a, 0.0) for a, o in zip(baseline, observed, strict=True)]
    return _normalised(before), _normalised(since)


def surely_apart(numbers: Numbers, rules: DriftRules) -> float:
    """How much of the difference between observed and expected is more than noise, 0 to 1.

    The short memory is a mean of some twenty buckets, so it is off by chance: in squares by the mean square deviation
    of a bucket, which is known, over their effective number, more so the longer a deviation lasts. What is left of the
    squared difference without that is sure (as James and Stein shrink a mean); this is the root of that part. The part
    itself would cost more true changes than it keeps away small ones: figures in docs/decisions/0011-drift.md.
    """
    observed, expected = observed_and_expected(numbers)
    square = sum((o - x) ** 2 for o, x in zip(observed, expected, strict=True))
    short = 2.0 ** (-1.0 / rules.short_half_life_buckets)
    effective = (1.0 + short) / (1.0 - short)
    lasting = _persistence(numbers, rules)
    noise = numbers.energy / sum(numbers.mass) / effective * (1.0 + lasting) / (1.0 - lasting)
    return sqrt(max(1.0 - noise / square, 0.0)) if square > 0.0 else 0.0


def distance_bits(one: Sequence[float], other: Sequence[float]) -> float:
    """Jensen-Shannon divergence in bits, 0 to 1 (Lin, 1991)."""
    distance = 0.0
    for p, q in zip(one, other, strict=True):
        middle = (p + q) / 2.0
        if p > 0.0:
            distance += p * log2(p / middle)
        if q > 0.0:
            distance += q * log2(q / middle)
    return max(distance / 2.0, 0.0)


def _normalised(values: Sequence[float]) -> list[float]:
    total = sum(values)
    return [v / total for v in values] if total > 0.0 else [0.0] * len(values)


def _packed(values: Sequence[float]) -> bytes:
    """Three bytes a number: float32 without its last byte, 16 bits of precision; the first bytes of all, then the next.

    Cut, not rounded: that takes a hundred-thousandth of everything alike at each step, and only ratios count.
    """
    packed = pack(f">{len(values)}f", *values)
    return packed[0::4] + packed[1::4] + packed[2::4]


def _unpacked(packed: bytes) -> list[float]:
    count = len(packed) // 3
    whole = bytearray(4 * count)
    for place in range(3):
        whole[place::4] = packed[place * count : (place + 1) * count]
    return list(unpack(f">{count}f", whole))
