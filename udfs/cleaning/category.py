"""The category of a flow that neither the probe nor the app dictionary could name."""

from __future__ import annotations

from schemas.cleaning_memory import CleaningMemory
from schemas.events import AppUse
from schemas.rules import Rules
from udfs.cleaning.correction import Correction

UNKNOWN = "unknown"


def category(event: AppUse, memory: CleaningMemory, rules: Rules, corrections: list[str]) -> None:
    """Call a missing category "unknown"; runs after `app_name`, which knows the dictionary's."""
    if not event.category:
        event.category = UNKNOWN
        corrections.append(Correction.CATEGORY_UNKNOWN)
