"""Outliers of bills and recharges: 50 times the usual amount, or far outside the account's own spread."""

from __future__ import annotations

from schemas.cleaning_memory import CleaningMemory, Spread
from schemas.events import Billing
from schemas.reasons import Reason, Rejected
from schemas.rules import Rules
from udfs.cleaning.spread import observe

MAX_FACTOR = 50.0
"""Business rule: a bill of 50 times the typical one is a mistake of the unit (fen for yuan is 100 times) or worse."""

USUAL_YUAN = 50.0
"""What an account pays a month, while nothing is known of it: about what the operators take per user."""

PLAUSIBLE_YUAN = 500.0
"""Anybody may have a bill of this once: a phone on instalments, a journey abroad."""

_UNIT_YUAN = 1.0


def billing_outlier(event: Billing, memory: CleaningMemory, rules: Rules, corrections: list[str]) -> None:
    """Reject an outlier; bills and recharges have a spread each, a balance has no amount."""
    amount_yuan = event.amount_yuan
    if not amount_yuan > 0.0:
        return
    if event.kind == "bill":
        spread = memory.bill
        if spread is None:
            spread = memory.bill = Spread()
    elif event.kind == "recharge":
        spread = memory.recharge
        if spread is None:
            spread = memory.recharge = Spread()
    else:
        return
    if observe(spread, amount_yuan, _UNIT_YUAN, PLAUSIBLE_YUAN, MAX_FACTOR, USUAL_YUAN):
        raise Rejected(Reason.VALUE_OUTLIER)
