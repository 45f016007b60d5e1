"""Durations and distances as expressions write them: ``'7 days'``, ``'36h'``, ``'5 km'``."""

from __future__ import annotations

import re

from serving.audience.expression_error import Refused, shortened

MAX_DURATION_MS = 3_660 * 86_400_000

_DURATION = re.compile(r"([0-9]{1,15}) ?([a-z]+)")
_SHORT_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_UNITS_MS = {
    **_SHORT_MS,
    **dict.fromkeys(("second", "seconds"), 1_000),
    **dict.fromkeys(("min", "minute", "minutes"), 60_000),
    **dict.fromkeys(("hour", "hours"), 3_600_000),
    **dict.fromkeys(("day", "days"), 86_400_000),
    **dict.fromkeys(("w", "week", "weeks"), 7 * 86_400_000),
}
_DISTANCE = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,3})?) ?km")


def duration_ms(text: str) -> int:
    """A duration in milliseconds: above nothing, at most ten years.

    Raises
    ------
    Refused
        When it is none.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or match[2] not in _UNITS_MS:
        msg = f"expected a time such as '7 days', '36 hours' or '90m', got {shortened(text)!r}"
        raise Refused(msg)
    found = int(match[1]) * _UNITS_MS[match[2]]
    if not 0 < found <= MAX_DURATION_MS:
        msg = f"expected a time above 0 and at most {MAX_DURATION_MS // 86_400_000:,} days, got {shortened(text)!r}"
        raise Refused(msg)
    return found


def duration_text(duration_ms: int) -> str:
    """A duration in the largest unit that fits: ``7d``, ``36h``; reads back as the same."""
    unit = next(unit for unit, ms in _SHORT_MS.items() if duration_ms % ms == 0)
    return f"{duration_ms // _SHORT_MS[unit]}{unit}"


def distance_km(text: str) -> float:
    """A distance in kilometres.

    Raises
    ------
    Refused
        When it is none.
    """
    match = _DISTANCE.fullmatch(text.strip())
    if match is None:
        msg = f"expected a distance such as '5 km', got {shortened(text)!r}"
        raise Refused(msg)
    return float(match[1])
