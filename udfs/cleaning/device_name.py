"""Phone models as written -> brand, model, system, price band and launch year of the device dictionary."""

from __future__ import annotations

from schemas.cleaning_memory import CleaningMemory
from schemas.events import Registration
from schemas.rules import Rules
from udfs.cleaning.correction import Correction


def device_name(event: Registration, memory: CleaningMemory, rules: Rules, corrections: list[str]) -> None:
    """Name the phone as the dictionary does, and add what it knows of the model. Not found: left as it is."""
    found = rules.dictionaries.devices.get(event.device_model.strip().lower())
    if found is None:
        return
    if event.device_model != found.model or event.device_os != found.os:
        event.device_model = found.model
        event.device_os = found.os
        corrections.append(Correction.DEVICE_NORMALISED)
    event.device_brand = found.brand
    event.device_price_band = found.price_band
    event.device_launch_year = found.launch_year
