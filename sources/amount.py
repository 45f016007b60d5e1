"""Amounts: money, traffic and durations are finite and not negative."""

from __future__ import annotations

from math import isfinite

from schemas.reasons import Reason, Rejected


def refusal(amount: float) -> Rejected:
    """Why an amount that is not ``0 <= amount < infinity`` is refused: value_not_finite or value_negative.

    Apart from `decode`, which only compares: refusing is rare, comparing is done for every record.
    """
    return Rejected(Reason.VALUE_NEGATIVE if isfinite(amount) else Reason.VALUE_NOT_FINITE)
