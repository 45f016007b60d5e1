"""Merging what the tag families remember of one person in two partial profiles."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TypeVar

from msgspec import structs

from schemas.person_memory import (
    BaseMemory,
    BehaviourMemory,
    ConsumptionMemory,
    FraudMemory,
    LifecycleMemory,
    PersonMemory,
    SocialMemory,
    TerminalMemory,
)
from udfs.profile.decay import decayed
from udfs.tags import lifecycle, social
from udfs.tags.behaviour import MAX_HOME_LEAD_MINUTES, MAX_PROVINCE_LEAD_DAYS, MAX_WORK_LEAD_MINUTES
from udfs.tags.consumption import BILL_HALF_LIFE_MS

M = TypeVar("M")


def merge_memory(mine: PersonMemory, more: PersonMemory) -> PersonMemory:
    """One memory of both: what was last seen is the newer one's, sketches are united, decayed sums add.

    Commutative; neither argument is changed. What only one side remembers is kept as it is.
    """
    return PersonMemory(
        _either(_base, mine.base, more.base),
        _either(_behaviour, mine.behaviour, more.behaviour),
        _either(_consumption, mine.consumption, more.consumption),
        _either(_social, mine.social, more.social),
        _either(_terminal, mine.terminal, more.terminal),
        _either(_lifecycle, mine.lifecycle, more.lifecycle),
        _either(_fraud, mine.fraud, more.fraud),
    )


def _either(merge: Callable[[M, M], M], mine: M | None, more: M | None) -> M | None:
    if mine is None or more is None:
        return copy(more if mine is None else mine)
    return merge(mine, more)


def _base(mine: BaseMemory, more: BaseMemory) -> BaseMemory:
    known = [each.activation_ms for each in (mine, more) if each.activation_ms]
    return BaseMemory(min(known, default=0), mine.stated | more.stated)


def _behaviour(mine: BehaviourMemory, more: BehaviourMemory) -> BehaviourMemory:
    older, newer = sorted((mine, more), key=structs.astuple)
    merged = copy(newer)
    merged.home, merged.home_minutes = _majority(
        (mine.home, mine.home_minutes), (more.home, more.home_minutes), MAX_HOME_LEAD_MINUTES
    )
    merged.home_day = min(each.home_day for each in (mine, more) if each.home == merged.home)
    merged.home_seen_day = max(each.home_seen_day for each in (mine, more) if each.home == merged.home)
    merged.work, merged.work_minutes = _majority(
        (mine.work, mine.work_minutes), (more.work, more.work_minutes), MAX_WORK_LEAD_MINUTES
    )
    merged.commute_day = max(mine.commute_day, more.commute_day)
    merged.province, merged.province_days = _majority(
        (mine.province, mine.province_days), (more.province, more.province_days), MAX_PROVINCE_LEAD_DAYS
    )
    merged.province_day = max(mine.province_day, more.province_day)
    merged.travel_day = max(mine.travel_day, more.travel_day)
    if older.time_ms == newer.time_ms and older.district == newer.district:
        merged.visited = mine.visited or more.visited
    return merged


def _majority(mine: tuple[str, int], more: tuple[str, int], max_lead: int) -> tuple[str, int]:
    """The candidate with the larger lead, less the other's lead; of two alike the later name."""
    (usual, lead), (other, other_lead) = sorted((mine, more), key=lambda each: (each[1], each[0]), reverse=True)
    return usual, min(lead + other_lead, max_lead) if usual == other else lead - other_lead


def _consumption(mine: ConsumptionMemory, more: ConsumptionMemory) -> ConsumptionMemory:
    bill_ms = max(mine.bill_ms, more.bill_ms)
    weights = [decayed(each.bill_weight, bill_ms - each.bill_ms, BILL_HALF_LIFE_MS) for each in (mine, more)]
    total = weights[0] + weights[1]
    mean = (weights[0] * mine.bill_mean + weights[1] * more.bill_mean) / total if total > 0.0 else 0.0
    return ConsumptionMemory(max(mine.recharge_ms, more.recharge_ms), bill_ms, total, mean)


def _social(mine: SocialMemory, more: SocialMemory) -> SocialMemory:
    one, other = copy(mine), copy(more)
    for each, twin in ((one, other), (other, one)):
        social.to_period(each, twin.period)
        social.to_day(each, twin.day)
    return SocialMemory(
        one.period,
        _united(one.peers, other.peers),
        _united(one.peers_before, other.peers_before),
        one.incoming + other.incoming,
        one.outgoing + other.outgoing,
        one.day,
    )


def _united(peers: bytes, more: bytes) -> bytes:
    return bytes(one | other for one, other in zip(peers, more, strict=True))


def _terminal(mine: TerminalMemory, more: TerminalMemory) -> TerminalMemory:
    newer = max((mine, more), key=lambda each: (each.since_ms, each.device))
    return TerminalMemory(newer.device, newer.since_ms, mine.stated | more.stated)


def _lifecycle(mine: LifecycleMemory, more: LifecycleMemory) -> LifecycleMemory:
    one, other = copy(mine), copy(more)
    lifecycle.to_time(one, other.time_ms)
    lifecycle.to_time(other, one.time_ms)
    newer = max((mine, more), key=lambda each: (each.day, each.stage))
    return LifecycleMemory(
        min(one.first_ms, other.first_ms),
        one.time_ms,
        one.short + other.short,
        one.long + other.long,
        newer.day,
        newer.stage,
    )


def _fraud(mine: FraudMemory, more: FraudMemory) -> FraudMemory:
    return copy(max((mine, more), key=lambda each: (each.time_ms, each.district)))
