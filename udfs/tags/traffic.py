"""Traffic: how much data is used, and how much of the plan is left. What the service itself needs, so it needs no
optional consent, unlike the payments of family consumption.
"""

from __future__ import annotations

from schemas.events import Billing, DataUsage
from schemas.outputs import Evidence
from schemas.person_memory import PersonMemory
from schemas.rules import Rules
from schemas.tag_group import TagGroup

EVENTS = (DataUsage, Billing)

BYTES_PER_MB = 1e6
_NONE_LEFT, _MUCH_LEFT = "none", "50+"
_LEFT = ((0.1, "under_10"), (0.25, "10-25"), (0.5, "25-50"))

GROUPS = (
    # Reading: weight * ln(2) / 7 is the mean use in MB a day of the last weeks.
    TagGroup(
        name="usage_mb",
        kind="weight",
        unit="MB",
        half_life_days=7.0,
        meaning="Megabytes used, decayed; times 0.099 it is the mean per day.",
        family="traffic",
        sources=("cdr",),
        purpose="service",
        tags=("all",),
        more_tags="",
    ),
    # Reading: as of the tag's newest evidence; a weight below 0.9 says that it is older than five days.
    TagGroup(
        name="traffic_left",
        kind="fact",
        unit="certainty",
        half_life_days=30.0,
        meaning="Share of the plan's traffic left at the last balance in percent: none, under_10, 10-25, 25-50 or 50+.",
        family="traffic",
        sources=("billing",),
        purpose="service",
        tags=(_NONE_LEFT, *(band for _, band in _LEFT), _MUCH_LEFT),
        more_tags="",
        ordered=True,
    ),
)


def evidence(event: DataUsage | Billing, memory: PersonMemory, rules: Rules) -> tuple[Evidence, ...]:
    """Megabytes (10**6 bytes) since the reading before, or the share left."""
    if isinstance(event, DataUsage):
        return (("usage_mb", "all", event.bytes_used / BYTES_PER_MB),) if event.bytes_used > 0 else ()
    if event.kind != "balance" or not event.included_mb > 0.0:
        return ()
    share = event.remaining_mb / event.included_mb
    return (("traffic_left", left_band(share), 1.0),)


def left_band(share: float) -> str:
    """Band of a share of the plan's traffic; above 1 where extra traffic was bought."""
    if share <= 0.0:
        return _NONE_LEFT
    return next((band for below, band in _LEFT if share < below), _MUCH_LEFT)
