"""Before anything is measured: that the rivals are river's as river documents them, and see what they should.

The places of the alarms are those of river's own examples. The features are computed for whole histories at once, so
they are compared with the same written step by step.
"""

from __future__ import annotations

from math import log2
from random import Random
from typing import Protocol

import numpy as np
from river import drift
from river.drift import binary

from bench.drift import fast_kswin
from bench.drift.features import LONG, SHORT, features
from bench.drift.history import PARTS, History
from bench.drift.scenarios import SCENARIOS, histories


class _Detector(Protocol):
    drift_detected: bool

    def update(self, x: float) -> object: ...


def check() -> None:
    """Compare.

    Raises
    ------
    AssertionError
        When something is not as documented: what would be measured is not what the report says.
    """
    _alarms_as_documented()
    _same_kswin()
    for scenario in ("S5-sticky", "S8-abrupt"):
        _same_features(histories(SCENARIOS[scenario], 0, 0, 1)[0])


def _alarms_as_documented() -> None:
    numbers = Random(12345)
    levels: list[float] = [*numbers.choices([0, 1], k=1000), *numbers.choices(range(4, 8), k=1000)]
    bits = Random(42)
    errors: list[float] = [*bits.choices([0, 1], k=1000), *bits.choices([0, 1], k=1000, weights=[0.3, 0.7])]
    for detector, values, documented in (
        (drift.ADWIN(), levels, 1023),
        (fast_kswin.KSWIN(alpha=0.0001, seed=42), levels, 1016),
        (drift.PageHinkley(), levels, 1006),
        (binary.DDM(), errors, 1334),
        (binary.HDDMA(), errors, 1206),
        (binary.HDDMW(), errors, 1077),
    ):
        first = _first_alarm(detector, values)
        assert first == documented, f"{type(detector).__name__}: alarm at {first}, documented {documented}"


def _first_alarm(detector: _Detector, values: list[float]) -> int | None:
    for number, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            return number
    return None


def _same_kswin() -> None:
    draw = Random(3)
    # rounded, so that there are ties
    values = [round(draw.gauss(0.7 * (number > 150), 1), 1) for number in range(300)]
    ours, theirs = fast_kswin.KSWIN(seed=1), drift.KSWIN(seed=1)
    for value in values:
        ours.update(value)
        theirs.update(value)
        assert ours.drift_detected == theirs.drift_detected
        assert abs(getattr(ours, "p_value", 0) - getattr(theirs, "p_value", 0)) < 1e-12


def _same_features(history: History) -> None:
    begin = 40
    observed = features(history).observed_until(begin - 1)
    for start, before in ((0, None), (begin, observed)):
        got = features(history, start, before).values
        wanted = _step_by_step(history, start, before)
        for name, values in wanted.items():
            worst = float(np.abs(np.array(values) - got[name]).max())
            assert worst < 1e-9, f"{name} from {start}: off by {worst}"


def _step_by_step(history: History, start: int, before: np.ndarray | None) -> dict[str, list[float]]:
    tags = len(history.tags)
    baseline, mass = np.zeros((4, tags)), np.zeros(4)
    if before is not None:
        baseline += before / before.sum() * 2.0
        mass += 2.0
    observed, expected = np.zeros(tags), np.zeros(tags)
    values: dict[str, list[float]] = {"surprise": [], "js": [], "naive_js": [], "naive_psi": [], "miss": []}
    for bucket, counts in zip(history.buckets[start:].tolist(), history.counts[start:], strict=True):
        day, part = divmod(bucket, PARTS)
        context = 2 * ((day + 3) % 7 >= 5) + (part in (1, 2))
        f = counts / counts.sum()
        base = (baseline.sum(axis=0) + 8.0 / tags) / (mass.sum() + 8.0)
        p = (baseline[context] + 8.0 * base) / (mass[context] + 8.0)
        observed, expected = SHORT * observed + f, SHORT * expected + p
        values["surprise"].append(-sum(a * log2(b) for a, b in zip(f, p, strict=True)))
        values["js"].append(_js(observed / observed.sum(), expected / expected.sum()))
        values["naive_js"].append(_js(observed / observed.sum(), base))
        s, b = np.maximum(observed / observed.sum(), 1e-4), np.maximum(base, 1e-4)
        values["naive_psi"].append(float(((s - b) * np.log(s / b)).sum()))
        values["miss"].append(float(base[f.argmax()] < sorted(base)[-3]))
        baseline, mass = baseline * LONG, mass * LONG
        baseline[context] += f
        mass[context] += 1.0
    return values


def _js(one: np.ndarray, other: np.ndarray) -> float:
    total = 0.0
    for a, b in zip(one.tolist(), other.tolist(), strict=True):
        middle = (a + b) / 2
        total += (a * log2(a / middle) if a else 0.0) + (b * log2(b / middle) if b else 0.0)
    return total / 2
