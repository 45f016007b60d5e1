"""Shiryaev-Roberts e-detector: evidence that something has changed, with a bound on false alarms per year.

At each step an e-value E comes in: a number of mean at most 1 given the past while nothing has changed. Every instant
may be that of the change, so evidence R grows by ``pi = alpha * elapsed / year`` and is multiplied by E:

    R = (R + pi) * (1 - kappa + kappa * E),    alarm when the mean of R over kappa in {1/4, 1/2, 1} reaches 1.

Guarantee: while the e-values keep their promise, the expected number of alarms up to time t is at most ``alpha * t`` in
years, whatever the dependence between steps and however often there are steps: R minus the sum of pi is a
supermartingale, reset at each alarm. Whatever else must hold for an alarm only makes it rarer.

Source: Shin, Ramdas, Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
arXiv 2203.03532, with the start of each component spread over time.
"""

from __future__ import annotations

KAPPAS = (0.25, 0.5, 1.0)
"""Shares of the evidence that each component of the mixture stakes: small ones outlive a bad step."""

_CAP = 100.0  # enough to alarm as soon as other conditions allow, and quickly lost again


def accumulate(evidence: list[float], since_ms: list[float], e_value: float, pi: float, time_ms: float) -> float:
    """Take one e-value into account; returns the mean evidence R.

    Parameters
    ----------
    evidence, since_ms
        R and the mean starting time of each component, changed in place; empty lists to begin with.
    e_value
        0 or more.
    pi
        Share of the yearly budget that the time since the step before brings.
    time_ms
        When the step's bucket began.
    """
    if not evidence:
        evidence[:] = [0.0] * len(KAPPAS)
        since_ms[:] = [time_ms] * len(KAPPAS)
    for component, kappa in enumerate(KAPPAS):
        before = evidence[component]
        total = before + pi
        if total > 0.0:
            since_ms[component] = (before * since_ms[component] + pi * time_ms) / total
        evidence[component] = min(total * (1.0 - kappa + kappa * e_value), _CAP)
    return sum(evidence) / len(KAPPAS)


def estimated_change_ms(evidence: list[float], since_ms: list[float]) -> float:
    """When the change was, most likely: the mean start of all components' evidence."""
    total = sum(evidence)
    return sum(r * m for r, m in zip(evidence, since_ms, strict=True)) / total
