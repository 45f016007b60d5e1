"""Base attributes: who the person is, as registered, and for how long a customer."""

from __future__ import annotations

from schemas.events import Billing, Registration
from schemas.outputs import Evidence
from schemas.person_memory import BaseMemory, PersonMemory
from schemas.rules import Rules
from schemas.tag_group import FOREVER_DAYS, MoreTags, TagGroup
from udfs.local_time import MS_PER_DAY
from udfs.tags.stated import STATED, facts

EVENTS = (Registration, Billing)

_PLAN_BIT = 1 << 4  # place of the plan among the attributes of `_registered`

_AGES = ((18, "under_18"), (25, "18-24"), (35, "25-34"), (45, "35-44"), (55, "45-54"), (65, "55-64"))
_OLDEST = "65+"
_TENURES = ((90, "under_3m"), (365, "3m-1y"), (3 * 365, "1y-3y"), (5 * 365, "3y-5y"))
_LONGEST = "5y+"


def _fact(
    name: str,
    meaning: str,
    sources: tuple[str, ...],
    tags: tuple[str, ...] = (),
    more_tags: MoreTags = "any",
    *,
    ordered: bool = False,
) -> TagGroup:
    return TagGroup(
        name=name,
        kind="fact",
        unit="certainty",
        half_life_days=FOREVER_DAYS,
        meaning=f"{meaning}; weight 1 as stated, 0.5 filled in.",
        family="base",
        sources=sources,
        purpose="service",
        order_free=False,  # a filled-in value counts only before the first stated one
        tags=tags,
        more_tags=more_tags,
        ordered=ordered,
    )


GROUPS = (
    # Reading: the one tag there is; prefer weight 1 where a wrong guess would hurt.
    _fact(
        "age_band",
        "Age in years as last registered: under_18, 18-24 ... 55-64, 65+",
        ("registration",),
        (*(band for _, band in _AGES), _OLDEST),
        "",
        ordered=True,
    ),
    _fact("gender", "Gender as last registered: female or male", ("registration",), ("female", "male"), ""),
    _fact("region", "Home region as last registered, in its one spelling", ("registration",), more_tags="regions"),
    _fact("occupation", "Occupation as last registered", ("registration",)),
    _fact("plan", "Plan of the last registration or bill", ("registration", "billing")),
    # Reading: brought up to date by every bill, so at most a month behind.
    _fact(
        "tenure",
        "Time since the earliest activation, as of the last registration or bill: under_3m, 3m-1y, 1y-3y, 3y-5y, 5y+",
        ("registration", "billing"),
        (*(band for _, band in _TENURES), _LONGEST),
        "",
        ordered=True,
    ),
)


def evidence(event: Registration | Billing, memory: PersonMemory, rules: Rules) -> tuple[Evidence, ...]:
    """The attributes of a registration; plan and tenure of a bill."""
    known = memory.base
    if known is None:
        known = memory.base = BaseMemory()
    if isinstance(event, Registration):
        activation_ms = event.activation_time_ms
        if activation_ms > 0 and (not known.activation_ms or activation_ms < known.activation_ms):
            known.activation_ms = activation_ms
        found, known.stated = facts(
            (
                ("age", "age_band", age_band(event.age)),
                ("gender", "gender", event.gender),
                ("region", "region", event.region),
                ("occupation", "occupation", event.occupation),
                ("plan_tier", "plan", event.plan_tier),
            ),
            event.filled,
            known.stated,
        )
    elif event.kind != "bill":
        return ()
    elif event.plan_tier:
        known.stated |= _PLAN_BIT
        found = (("plan", event.plan_tier, STATED),)
    else:
        found = ()
    if known.activation_ms:
        return (*found, ("tenure", tenure_band(event.event_time_ms - known.activation_ms), STATED))
    return found


def age_band(years: int) -> str:
    """Band of an age in years; empty if not said (0)."""
    if years <= 0:
        return ""
    return next((band for below, band in _AGES if years < below), _OLDEST)


def tenure_band(tenure_ms: int) -> str:
    """Band of a time as customer."""
    return next((band for days, band in _TENURES if tenure_ms < days * MS_PER_DAY), _LONGEST)
