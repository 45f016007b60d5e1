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

from struct import pack, unpack

KAPPAS = (0.25, 0.5, 1.0)
"""Shares of the evidence that each component of the mixture stakes: small ones outlive a bad step."""

_LAYOUT = f"<{2 * len(KAPPAS)}f"
_CAP = 100.0  # enough to alarm as soon as other conditions allow, and quickly lost again


def accumulate(packed: bytes, e_value: float, pi: float, time: float) -> tuple[bytes, float]:
    """Take one e-value into account.

    Parameters
    ----------
    packed
        What came before; empty to begin with.
    e_value
        0 or more.
    pi
        Share of the yearly budget that the time since the step before brings.
    time
        When the step's bucket began, in buckets: of every component the mean starting time is kept, as float32.

    Returns
    -------
    packed, evidence
        What to keep, and the mean evidence R.
    """
    values = unpack(_LAYOUT, packed) if packed else (0.0,) * (2 * len(KAPPAS))
    kept: list[float] = []
    evidence = 0.0
    for component, kappa in enumerate(KAPPAS):
        before, since = values[2 * component : 2 * component + 2]
        total = before + pi
        after = min(total * (1.0 - kappa + kappa * e_value), _CAP)
        kept += (after, (before * since + pi * time) / total if total > 0.0 else time)
        evidence += after
    return pack(_LAYOUT, *kept), evidence / len(KAPPAS)


def estimated_change(packed: bytes) -> float:
    """When the change was, most likely, in buckets: the mean start of all components' evidence."""
    values = unpack(_LAYOUT, packed)
    weighed: float = sum(r * since for r, since in zip(values[::2], values[1::2], strict=True))
    return weighed / float(sum(values[::2]))
