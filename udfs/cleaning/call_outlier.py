"""Outliers of calls: longer than a day, or far outside the user's own spread."""

from __future__ import annotations

from schemas.cleaning_memory import CleaningMemory, Spread
from schemas.events import Call
from schemas.reasons import Reason, Rejected
from schemas.rules import Rules
from udfs.cleaning.spread import observe

MAX_SECONDS = 24 * 3_600
"""Business rule: exchanges cut a call after a day at the latest."""

PLAUSIBLE_SECONDS = 2 * 3_600
"""Anybody may talk for two hours once."""

_UNIT_SECONDS = 60.0


def call_outlier(event: Call, memory: CleaningMemory, rules: Rules, corrections: list[str]) -> None:
    """Reject an outlier. A call beyond the business rule is not observed; a message has no duration."""
    seconds = event.duration_s
    if seconds > MAX_SECONDS:
        raise Rejected(Reason.VALUE_OUTLIER)
    if not seconds > 0.0:
        return
    spread = memory.call
    if spread is None:
        spread = memory.call = Spread()
    if observe(spread, seconds, _UNIT_SECONDS, PLAUSIBLE_SECONDS):
        raise Rejected(Reason.VALUE_OUTLIER)
