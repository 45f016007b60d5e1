"""Missing attributes of a registration: the population's median or mode."""

from __future__ import annotations

from schemas.cleaning_memory import CleaningMemory
from schemas.events import Registration
from schemas.rules import Rules
from udfs.cleaning.correction import Correction

_CONTINUOUS = {
    "age": Correction.AGE_FILLED,
    "activation_time_ms": Correction.ACTIVATION_TIME_FILLED,
    "device_launch_year": Correction.DEVICE_LAUNCH_YEAR_FILLED,
}
_CATEGORICAL = {
    "gender": Correction.GENDER_FILLED,
    "region": Correction.REGION_FILLED,
    "device_brand": Correction.DEVICE_BRAND_FILLED,
    "device_model": Correction.DEVICE_MODEL_FILLED,
    "device_os": Correction.DEVICE_OS_FILLED,
    "device_price_band": Correction.DEVICE_PRICE_BAND_FILLED,
    "occupation": Correction.OCCUPATION_FILLED,
    "plan_tier": Correction.PLAN_TIER_FILLED,
}


def fill(event: Registration, memory: CleaningMemory, rules: Rules, corrections: list[str]) -> None:
    """Fill a missing number with the median, a missing word with the mode; their names go to `filled`.

    What the dictionary has no value for stays missing. Runs after the names are normalised, so that what the device
    dictionary knows of the phone is not guessed. Each attribute is filled by itself: the guesses need not fit together.
    """
    typical = rules.dictionaries.attributes
    if not typical:
        return
    filled: list[str] = []
    for name, correction in _CONTINUOUS.items():
        if getattr(event, name) <= 0:
            median = _whole(typical.get(name, ""))
            if median > 0:
                setattr(event, name, median)
                filled.append(name)
                corrections.append(correction)
    for name, correction in _CATEGORICAL.items():
        if not getattr(event, name):
            mode = typical.get(name, "")
            if mode:
                setattr(event, name, mode)
                filled.append(name)
                corrections.append(correction)
    if filled:
        event.filled = (*event.filled, *filled)


def _whole(text: str) -> int:
    """Whole number of a median such as "41" or "41.5"; 0 if it is none."""
    digits = text.partition(".")[0]
    return int(digits) if digits.isdecimal() and len(digits) < 16 else 0
