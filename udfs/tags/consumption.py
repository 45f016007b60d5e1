"""Consumption: what the person pays, how and how often, and for which products."""

from __future__ import annotations

from schemas.events import Billing, Order
from schemas.outputs import Evidence
from schemas.person_memory import ConsumptionMemory, PersonMemory
from schemas.rules import Rules
from schemas.tag_group import FOREVER_DAYS, TagGroup
from udfs.local_time import MS_PER_DAY
from udfs.profile.decay import decayed

EVENTS = (Billing, Order)

_BILL_HALF_LIFE_DAYS = 90
BILL_HALF_LIFE_MS = _BILL_HALF_LIFE_DAYS * MS_PER_DAY
_MAX_YUAN = 1e9  # more is not remembered: `fold` refuses what lies beyond its own bound only afterwards
_HIGHEST = "premium"
_SEGMENTS = ((50.0, "low"), (100.0, "mid"), (200.0, "high"))

GROUPS = (
    # Reading: the mean is the usual monthly bill, the deviation how much it varies.
    TagGroup(
        name="bill",
        kind="numeric",
        unit="yuan",
        half_life_days=float(_BILL_HALF_LIFE_DAYS),
        meaning="Amount of a monthly bill: decayed mean and deviation.",
        family="consumption",
        sources=("billing",),
        purpose="credit_risk",
        sensitivity="sensitive",
        tags=("all",),
        more_tags="",
    ),
    TagGroup(
        name="recharge",
        kind="numeric",
        unit="yuan",
        half_life_days=90.0,
        meaning="Amount of a recharge: decayed mean and deviation.",
        family="consumption",
        sources=("billing",),
        purpose="credit_risk",
        sensitivity="sensitive",
        tags=("all",),
        more_tags="",
    ),
    # Reading: the mean is the rhythm; a small deviation means a fixed day of the month.
    TagGroup(
        name="recharge_days",
        kind="numeric",
        unit="days",
        half_life_days=90.0,
        meaning="Days between recharges: decayed mean and deviation.",
        family="consumption",
        sources=("billing",),
        purpose="credit_risk",
        sensitivity="sensitive",
        order_free=False,
        tags=("all",),
        more_tags="",
    ),
    # Reading: the one tag there is, as of the last bill.
    TagGroup(
        name="segment",
        kind="fact",
        unit="certainty",
        half_life_days=FOREVER_DAYS,
        meaning="Value segment by the decayed mean bill: low below 50 yuan, mid below 100, high below 200, premium.",
        family="consumption",
        sources=("billing",),
        purpose="credit_risk",
        sensitivity="sensitive",
        order_free=False,
        tags=(*(segment for _, segment in _SEGMENTS), _HIGHEST),
        more_tags="",
        ordered=True,
    ),
    # Reading: above 0.5, ordered within the last half-year; says nothing of whether it is still subscribed to.
    TagGroup(
        name="product",
        kind="weight",
        unit="orders",
        half_life_days=180.0,
        meaning="Orders per product, decayed; giving one back does not count.",
        family="consumption",
        sources=("order",),
        purpose="service",
    ),
)


def evidence(event: Billing | Order, memory: PersonMemory, rules: Rules) -> tuple[Evidence, ...]:
    """A bill and the segment after it, a recharge and the days since the one before, or an order."""
    if isinstance(event, Order):
        return (("product", event.product, 1.0),) if event.subscribed else ()
    kind, amount = event.kind, event.amount_yuan
    if kind not in ("bill", "recharge"):
        return ()
    known = memory.consumption
    if known is None:
        known = memory.consumption = ConsumptionMemory()
    if kind == "bill":
        found = (("bill", "all", amount),)
        if not 0.0 <= amount <= _MAX_YUAN:
            return found
        return (*found, ("segment", segment_of(_mean_with(known, event.event_time_ms, amount)), 1.0))
    found = (("recharge", "all", amount),)
    before_ms, time_ms = known.recharge_ms, event.event_time_ms
    if time_ms <= before_ms:
        return found
    known.recharge_ms = time_ms
    return (*found, ("recharge_days", "all", (time_ms - before_ms) / MS_PER_DAY)) if before_ms else found


def segment_of(mean_bill_yuan: float) -> str:
    """Value segment of a mean bill."""
    return next((segment for below, segment in _SEGMENTS if mean_bill_yuan < below), _HIGHEST)


def _mean_with(known: ConsumptionMemory, time_ms: int, amount: float) -> float:
    """The decayed mean of the bills with one more; a late one counts less, whatever the order."""
    weight = 1.0
    elapsed_ms = time_ms - known.bill_ms
    if elapsed_ms >= 0:
        known.bill_weight = decayed(known.bill_weight, elapsed_ms, BILL_HALF_LIFE_MS)
        known.bill_ms = time_ms
    else:
        weight = decayed(1.0, -elapsed_ms, BILL_HALF_LIFE_MS)
    total = known.bill_weight + weight
    if total > 0.0:
        known.bill_mean += weight / total * (amount - known.bill_mean)
        known.bill_weight = total
    return known.bill_mean
