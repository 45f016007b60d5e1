"""Shiryaev-Roberts e-detector: evidence that something has changed, with a bound on false alarms per year.

At each step an e-value E comes in: a number of mean at most 1 given the past while nothing has changed. Every instant
may be that of the change, so evidence R grows by ``pi = alpha * elapsed / year`` and is multiplied by E:

    R = (R + pi) * (1 - kappa + kappa * E),    alarm when the mean of R over kappa in {1/4, 1/2, 1} reaches 1.

Guarantee: while the e-values keep their promise, the expected number of alarms up to time t is at most ``alpha * t`` in
years, whatever the dependence between steps and however often there are steps: R minus the sum of pi is a
supermartingale, reset at each alarm. Whatever else must hold for an alarm only makes it rarer.

When the change was is estimated by the mean start of such evidence, each start weighted with what it has become.
Before a change E is about 1, so starts from before it would weigh as much as the true one; discounting each step by a
fifteenth makes them fade (measured: docs/decisions/0011-drift.md).

Source: Shin, Ramdas, Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
arXiv 2203.03532, with the start of each component spread over time.
"""

from __future__ import annotations

from struct import pack, unpack
from typing import NamedTuple

KAPPAS = (0.25, 0.5, 1.0)
"""Shares of the evidence that each component of the mixture stakes: small ones outlive a bad step."""

_LAYOUT = f"<{len(KAPPAS) + 4}f"
_CAP = 100.0  # enough to alarm as soon as other conditions allow, and quickly lost again
_DISCOUNT = 0.93
_LEAST_START = 1e-30  # what a start weighs, as long as it is small: only ratios count
_MOST = 1e30  # float32


class Instant(NamedTuple):
    """When something was: the bucket's time, and of the active ones how many were closed before it, and on how many
    days there was evidence.
    """

    time: float
    step: float = 0.0
    days: float = 0.0


def accumulate(packed: bytes, e_value: float, pi: float, now: Instant) -> tuple[bytes, float]:
    """Take one e-value into account.

    Parameters
    ----------
    packed
        What came before, as float32; empty to begin with.
    e_value
        0 or more.
    pi
        Share of the yearly budget that the time since the step before brings.
    now
        When the step's bucket began.

    Returns
    -------
    packed, evidence
        What to keep, and the mean evidence R.
    """
    *before, weight, time, step, days = unpack(_LAYOUT, packed) if packed else (0.0,) * (len(KAPPAS) + 4)
    evidence = [min((r + pi) * (1.0 - kappa + kappa * e_value), _CAP) for kappa, r in zip(KAPPAS, before, strict=True)]
    started = weight + _LEAST_START
    start = [
        (weight * known + _LEAST_START * new) / started for known, new in zip((time, step, days), now, strict=True)
    ]
    weight = min(started * e_value * _DISCOUNT, _MOST)
    return pack(_LAYOUT, *evidence, weight, *start), sum(evidence) / len(KAPPAS)


def evidence_of(packed: bytes) -> float:
    """The mean evidence R that is kept."""
    return sum(unpack(_LAYOUT, packed)[: len(KAPPAS)]) / len(KAPPAS) if packed else 0.0


def estimated_change(packed: bytes) -> Instant:
    """When the change was, most likely."""
    return Instant(*unpack(_LAYOUT, packed)[-3:])
