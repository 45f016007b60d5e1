"""Lifecycle: at which stage of being a customer the person is, and whether they are about to leave.

The trend compares use of late (half-life four days) with use over a quarter (half-life eight weeks), per day. Both are
decayed sums, so a late record counts where it belongs; each is divided by the days it has had to fill, so that a new
customer is not taken for a growing one. It is looked at once a day, with the first record of the day: who falls silent
altogether is noticed with the next bill.
"""

from __future__ import annotations

from math import exp2

from schemas.events import Billing, Call, DataUsage, Registration
from schemas.outputs import Evidence
from schemas.person_memory import LifecycleMemory, PersonMemory
from schemas.rules import Rules
from schemas.tag_group import FOREVER_DAYS, TagGroup
from udfs.local_time import MS_PER_DAY, local_day

EVENTS = (Registration, Call, DataUsage, Billing)

SHORT_MS, LONG_MS = 4 * MS_PER_DAY, 56 * MS_PER_DAY
NEW_MS = 90 * MS_PER_DAY
KNOWN_MS = 14 * MS_PER_DAY
"""No trend before so much is known: each day of the week twice."""
LEAST_MB_PER_DAY = 1.0
"""No trend below so little use."""
BYTES_PER_MB = 1e6
MB_PER_CALL = 1.0
"""So that who only calls has a trend too: next to any use of data it hardly counts."""
STAGES = ("", "new", "growing", "mature", "declining")
_GROWING, _DECLINING = 1.25, 0.6
_SAFE, _LEAVING = 0.8, 0.2

GROUPS = (
    # Reading: the one tag there is.
    TagGroup(
        name="stage",
        kind="fact",
        unit="certainty",
        half_life_days=FOREVER_DAYS,
        meaning="Stage: new before 90 days of tenure, then growing, mature or declining by the trend of use.",
        family="lifecycle",
        sources=("registration", "cdr", "billing"),
        purpose="service",
        order_free=False,
        tags=STAGES[1:],
        more_tags="",
    ),
    # Reading: the mean is the warning, 0 none to 1; above 0.5 use has halved, act. The deviation says how new it is.
    TagGroup(
        name="churn",
        kind="numeric",
        unit="warning",
        half_life_days=3.0,
        meaning="Warning that the person may leave, daily: 0 with use at 80 % of the long mean, 1 at 20 %.",
        family="lifecycle",
        sources=("registration", "cdr", "billing"),
        purpose="service",
        order_free=False,
        tags=("all",),
        more_tags="",
    ),
)


def evidence(
    event: Registration | Call | DataUsage | Billing, memory: PersonMemory, rules: Rules
) -> tuple[Evidence, ...]:
    """With the first record of a day the churn warning, and the stage if it is another; then count the use."""
    time_ms = event.event_time_ms
    known = memory.lifecycle
    if known is None:
        known = memory.lifecycle = LifecycleMemory(time_ms, time_ms)
    today = local_day(time_ms, rules.utc_offset_ms)
    found: tuple[Evidence, ...] = ()
    if today > known.day:
        known.day = today
        activation_ms = memory.base.activation_ms if memory.base is not None else 0
        found = _daily(known, time_ms, activation_ms)
    if isinstance(event, DataUsage):
        count(known, time_ms, event.bytes_used / BYTES_PER_MB)
    elif isinstance(event, Call):
        count(known, time_ms, MB_PER_CALL)
    return found


def count(known: LifecycleMemory, time_ms: int, megabytes: float) -> None:
    """Fold use in: forward decay with the newest use as landmark, so the order does not matter."""
    to_time(known, time_ms)
    age_ms = known.time_ms - time_ms
    known.short += megabytes * exp2(-age_ms / SHORT_MS)
    known.long += megabytes * exp2(-age_ms / LONG_MS)
    known.first_ms = min(known.first_ms, time_ms)


def to_time(known: LifecycleMemory, time_ms: int) -> None:
    """Decay the sums to a later time."""
    elapsed_ms = time_ms - known.time_ms
    if elapsed_ms > 0:
        known.short *= exp2(-elapsed_ms / SHORT_MS)
        known.long *= exp2(-elapsed_ms / LONG_MS)
        known.time_ms = time_ms


def trend(known: LifecycleMemory, time_ms: int) -> float | None:
    """Use per day of late over use per day in the long run, as of a time not before the newest use; None: not known."""
    age_ms = time_ms - known.first_ms
    if age_ms < KNOWN_MS:
        return None
    elapsed_ms = time_ms - known.time_ms
    # a decayed sum of constant use r since `age` is r * h / ln 2 * (1 - 2**(-age / h)); ln 2 cancels
    short = known.short * exp2(-elapsed_ms / SHORT_MS) / (SHORT_MS * (1.0 - exp2(-age_ms / SHORT_MS)))
    long = known.long * exp2(-elapsed_ms / LONG_MS) / (LONG_MS * (1.0 - exp2(-age_ms / LONG_MS)))
    return short / long if long * MS_PER_DAY > LEAST_MB_PER_DAY else None


def churn_warning(trend_of_use: float) -> float:
    """0 at 80 % of the long mean or more, 1 at 20 % or less, linear between."""
    return min(1.0, max(0.0, (_SAFE - trend_of_use) / (_SAFE - _LEAVING)))


def _daily(known: LifecycleMemory, time_ms: int, activation_ms: int) -> tuple[Evidence, ...]:
    found: tuple[Evidence, ...] = ()
    of_use = trend(known, time_ms)
    if of_use is not None:
        found = (("churn", "all", churn_warning(of_use)),)
    stage = _stage(of_use, activation_ms, time_ms)
    if stage and stage != known.stage:
        known.stage = stage
        found = (*found, ("stage", STAGES[stage], 1.0))
    return found


def _stage(of_use: float | None, activation_ms: int, time_ms: int) -> int:
    if activation_ms and time_ms - activation_ms < NEW_MS:
        return STAGES.index("new")
    if of_use is None:
        return 0
    if of_use > _GROWING:
        return STAGES.index("growing")
    return STAGES.index("declining" if of_use < _DECLINING else "mature")
