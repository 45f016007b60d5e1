"""The detector of shares once more, slow and plain: every sum over the whole history, in doubles, nothing packed.

Memories are sums over all earlier buckets, the evidence is a sum over all instants the change may have been at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.drift_rules import DriftRules

Vector = NDArray[np.float64]
Counts = Mapping[str, int]
Change = tuple[str, float, float]

DAY_MS = 86_400_000
BUCKET_MS = DAY_MS // 4
KAPPAS = np.array([0.25, 0.5, 1.0])


class PlainAlarm(NamedTuple):
    at_ms: int
    since_bucket: float
    distance_bits: float
    rose: list[Change]
    fell: list[Change]


class PlainStep(NamedTuple):
    e_value: float
    evidence: float
    suspect: bool
    alarm: PlainAlarm | None


@dataclass
class Term:
    """What one bucket, or a rebuild, adds to a memory."""

    step: int
    shares: Vector
    context: tuple[bool, bool] | None = None
    mass: float = 1.0


@dataclass
class Start:
    """One instant the change may have been at: what evidence from then on has become."""

    bucket: int
    evidence: Vector
    weight: float
    step: int
    days: int


@dataclass
class PlainDetector:
    rules: DriftRules
    utc_offset_ms: int = 0
    tags: list[str] = field(default_factory=list)
    baseline: list[Term] = field(default_factory=list)
    observed: list[Term] = field(default_factory=list)
    expected: list[Term] = field(default_factory=list)
    products: list[tuple[int, float, float]] = field(default_factory=list)
    previous: Vector | None = None
    starts: list[Start] = field(default_factory=list)
    evidence_days: set[int] = field(default_factory=set)
    alarms_ms: list[int] = field(default_factory=list)
    suspect: bool = False
    step: int = 0
    last_bucket: int = -1
    since_rebuild: int = 0

    def detect(self, history: Iterable[tuple[int, Counts]]) -> list[PlainStep]:
        return [self.close(bucket, counts) for bucket, counts in history]

    def close(self, bucket: int, counts: Counts) -> PlainStep:
        rules = self.rules
        slots = rules.max_tags + 1
        known = len(self.tags)
        total = sum(counts.values())
        f = np.zeros(slots)
        for tag, n in counts.items():
            f[self.tags.index(tag) if tag in self.tags else -1] += n / total
        u = np.zeros(slots)
        u[:known] = 1 / slots
        u[-1] = 1 - known / slots
        context = context_of(bucket)

        # expectation: the context's own buckets, eight of all contexts, eight of the population in those
        mine = [t for t in self.baseline if t.context == context]
        base = (self._long(self.baseline) + 8 * u) / (self._long_mass(self.baseline) + 8)
        n = self._long_mass(mine) + 8
        p = (self._long(mine) + 8 * base) / n

        # persistence: least squares of a deviation on the one before, with a prior
        beta = 0.0
        if self.previous is not None:
            lag = sum(v * self._long_factor(s) for s, v, _ in self.products)
            energy = sum(v * self._long_factor(s) for s, _, v in self.products)
            beta = float(np.clip((10 * rules.persistence + lag) / (10 + energy), 0.05, 0.8))
        g = self.previous if self.previous is not None else np.zeros(slots)

        envelope = (
            (1 + rules.envelope_relative) * ((1 - beta) * p + beta * g)
            + rules.envelope_error * np.sqrt(p * (1 - p) / n)
            + rules.envelope_population * u
        )
        bet = p * (self._short(self.observed) + p)
        divisor = self._short(self.expected) + p
        bet = np.divide(bet, divisor, out=np.zeros(slots), where=divisor > 0)
        q = (1 - beta) * (0.98 * bet / bet.sum() + 0.02 * u) + beta * g
        e_value = float(sum(f[k] * q[k] / envelope[k] for k in range(slots) if f[k] > 0))

        start_ms = bucket * BUCKET_MS - self.utc_offset_ms
        evidence = self._weigh(bucket, e_value) if self._tests(start_ms) else 0.0
        self.products.append(
            (self.step, float((f - p) @ (g - p)), float((g - p) @ (g - p))) if beta else (self.step, 0.0, 0.0)
        )
        self.baseline.append(Term(self.step, f.copy(), context))
        self.observed.append(Term(self.step, f.copy()))
        self.expected.append(Term(self.step, p))
        self.previous = f.copy()
        self.step += 1

        alarm = None
        if evidence >= 1 and round(len(self.evidence_days) - self._start("days")) >= rules.min_days:
            alarm = self._alarm(start_ms + BUCKET_MS)
        if alarm is not None:
            self._rebuilt(alarm.at_ms)
        self.since_rebuild += 1  # the alarm's own bucket is the first since
        self.last_bucket = bucket
        self._tell_apart(counts, total, context)
        return PlainStep(e_value, evidence, self.suspect, alarm)

    def _tests(self, start_ms: int) -> bool:
        newest = max(self.alarms_ms, default=None)
        lately = [ms for ms in self.alarms_ms if ms > start_ms - 30 * DAY_MS]
        return (
            self.since_rebuild >= self.rules.min_buckets
            and (newest is None or start_ms >= newest + self.rules.cooldown_ms)
            and len(lately) < self.rules.max_alarms_per_30_days
        )

    def _weigh(self, bucket: int, e_value: float) -> float:
        pi = self.rules.alpha_per_year * (bucket - self.last_bucket) / 4 / 365.25
        self.starts.append(Start(bucket, np.full(3, pi), 1.0, self.since_rebuild, len(self.evidence_days)))
        for start in self.starts:
            start.evidence = start.evidence * (1 - KAPPAS + KAPPAS * e_value)
            start.weight *= 0.93 * e_value
        sums = sum((start.evidence for start in self.starts), np.zeros(3))
        for start in self.starts:
            start.evidence = start.evidence * np.minimum(1, 100 / np.maximum(sums, 1e-300))
        evidence = float(np.minimum(sums, 100).mean())
        if evidence < 0.005:
            self.suspect = False
        elif evidence >= 0.03:
            self.suspect = True
        if e_value > 1.05:
            self.evidence_days.add(bucket // 4)
        return evidence

    def _start(self, of: str) -> float:
        """Mean of the instants the change may have been at, each weighed by what has become of it."""
        weights = np.array([start.weight for start in self.starts])
        return float(weights @ [getattr(start, of) for start in self.starts] / weights.sum())

    def _alarm(self, at_ms: int) -> PlainAlarm | None:
        observed, expected = self._short(self.observed), self._short(self.expected)
        observed, expected = observed / observed.sum(), expected / expected.sum()
        middle = (observed + expected) / 2
        distance = entropy(middle) - (entropy(observed) + entropy(expected)) / 2
        # without what chance puts between a mean of some twenty buckets and its expectation
        energy = sum(v * self._long_factor(s) for s, _, v in self.products)
        lag = sum(v * self._long_factor(s) for s, v, _ in self.products)
        lasting = float(np.clip((10 * self.rules.persistence + lag) / (10 + energy), 0.05, 0.8))
        short = 2 ** (-1 / self.rules.short_half_life_buckets)
        noise = energy / self._long_mass(self.baseline) * (1 - short) / (1 + short) * (1 + lasting) / (1 - lasting)
        distance *= max(0.0, 1 - noise / float((observed - expected) @ (observed - expected))) ** 0.5
        if distance < self.rules.min_distance_bits:
            return None
        since = self._start("bucket")
        # baseline and observation are mixtures of the shares before and since; the factors follow from the half-lives
        ago = self.since_rebuild + 1 - self._start("step")
        old = 2 ** (-ago / self.rules.short_half_life_buckets)
        long = 2 ** (-1 / self.rules.long_half_life_buckets)
        new = (1 - long**ago) / (1 - long) / self._long_mass(self.baseline)
        baseline = self._long(self.baseline) / self._long(self.baseline).sum()
        if 1 - old - new >= 0.1:
            solved = np.linalg.solve([[1 - new, new], [old, 1 - old]], np.array([baseline, observed]))
            before, since_then = (np.maximum(each, 0) / np.maximum(each, 0).sum() for each in solved)
        else:
            before, since_then = baseline, observed
        moved = [
            (tag, float(before[k]), float(since_then[k]))
            for tag, k in [*((tag, k) for k, tag in enumerate(self.tags)), ("other", -1)]
            if abs(since_then[k] - before[k]) >= 0.02
        ]
        moved.sort(key=lambda change: change[1] - change[2])
        return PlainAlarm(
            at_ms,
            since,
            distance,
            [change for change in moved if change[2] > change[1]][:3],
            [change for change in moved[::-1] if change[2] < change[1]][:3],
        )

    def _rebuilt(self, at_ms: int) -> None:
        """What was observed is the new baseline, eight buckets' worth, two in each context."""
        now = self._short(self.observed)
        shares = 2 * now / now.sum()
        scale = 8 / self._long_mass(self.baseline)
        self.products = [(step, lag * scale, energy * scale) for step, lag, energy in self.products]
        contexts = [(work, day) for work in (False, True) for day in (False, True)]
        self.baseline = [Term(self.step - 1, shares.copy(), context, 2.0) for context in contexts]
        self.observed, self.expected, self.starts = [], [], []
        self.evidence_days, self.suspect = set(), False
        self.since_rebuild = 0
        self.alarms_ms.append(at_ms)

    def _tell_apart(self, counts: Counts, total: int, context: tuple[bool, bool]) -> None:
        newest = self.step - 1
        prior = 8 / (self.rules.max_tags + 1)
        for tag in sorted(counts):
            if tag in self.tags:
                continue
            share = counts[tag] / total
            if len(self.tags) < self.rules.max_tags:
                slot = len(self.tags)
                self.tags.append(tag)
            else:
                weights = self._long(self.baseline)[: len(self.tags)]
                slot = int(np.flatnonzero(weights <= weights.min() * (1 + 1e-4))[0])  # of equally light ones the first
                if weights[slot] >= share:
                    continue
                self.tags[slot] = tag
                for vector in self._vectors():
                    vector[-1] += vector[slot]
                    vector[slot] = 0.0
            if self.expected:
                made = np.zeros(self.rules.max_tags + 1)
                made[slot] = (share + prior) / (self._long_mass(self.baseline) + 8) * self._short(self.expected).sum()
                self.expected.append(Term(newest, made))
            assert self.previous is not None
            [*_, mine] = [t for t in self.baseline if t.context == context]
            for vector in [mine.shares, self.previous, *([self.observed[-1].shares] if self.observed else [])]:
                moved = min(share, vector[-1])
                vector[-1] -= moved
                vector[slot] += moved

    def _vectors(self) -> list[Vector]:
        assert self.previous is not None
        terms = [*self.baseline, *self.observed, *self.expected]
        return [*(term.shares for term in terms), self.previous]

    def _long_factor(self, step: int) -> float:
        return float(2 ** (-(self.step - 1 - step) / self.rules.long_half_life_buckets))

    def _long(self, terms: list[Term]) -> Vector:
        return sum((t.shares * self._long_factor(t.step) for t in terms), np.zeros(self.rules.max_tags + 1))

    def _long_mass(self, terms: list[Term]) -> float:
        return sum(t.mass * self._long_factor(t.step) for t in terms)

    def _short(self, terms: list[Term]) -> Vector:
        half_life = self.rules.short_half_life_buckets
        return sum(
            (t.shares * 2 ** (-(self.step - 1 - t.step) / half_life) for t in terms), np.zeros(self.rules.max_tags + 1)
        )


def context_of(bucket: int) -> tuple[bool, bool]:
    """Whether it is a workday, and whether it is between 6 and 18 h."""
    day = date(1970, 1, 1) + timedelta(days=bucket // 4)
    return day.isoweekday() < 6, 6 <= bucket % 4 * 6 < 18


def entropy(shares: Vector) -> float:
    some = shares[shares > 0]
    return float(-(some * np.log2(some)).sum())
