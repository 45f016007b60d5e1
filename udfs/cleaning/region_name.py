"""Region names as written -> their one spelling ("北京市朝阳区" -> "北京-朝阳")."""

from __future__ import annotations

from schemas.cleaning_memory import CleaningMemory
from schemas.events import Registration
from schemas.rules import Rules
from udfs.cleaning.correction import Correction


def region_name(event: Registration, memory: CleaningMemory, rules: Rules, corrections: list[str]) -> None:
    """Spell the home region as the dictionary does. Not found: left as it is."""
    found = rules.dictionaries.regions.get(event.region.strip().lower())
    if found is not None and event.region != found:
        event.region = found
        corrections.append(Correction.REGION_NORMALISED)
