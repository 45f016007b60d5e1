"""What conditions read: the variables of an event, its circumstances, and tags, each worked out when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from schemas.events import AppUse, Billing, Call, Contact, DataUsage, Event, Order, Presence, Registration
from schemas.outputs import Alarm
from schemas.rules import Rules
from schemas.state import Profile
from schemas.tag_group import MS_PER_DAY
from schemas.trigger_memory import TrafficMemory, TriggerMemory
from udfs.local_time import MS_PER_HOUR, is_workday, local_day, month_of
from udfs.profile.decay import weight_at
from udfs.profile.weighted_welford import deviation
from udfs.triggers.compiled import TagName
from udfs.triggers.traffic_model import (
    daily_mb,
    days_left,
    is_told_already,
    observe_balance,
    observe_flow,
    observe_usage,
)
from udfs.triggers.vocabulary import Value

_BYTES_PER_MB = 1e6
_BILLING = {"balance": "traffic", "recharge": "recharge", "bill": "bill"}
_KIND_OF: dict[type[Event], str] = {
    AppUse: "app_use",
    Presence: "presence",
    Call: "call",
    DataUsage: "traffic",
    Registration: "registration",
    Order: "order",
    Contact: "contact",
}


def kind_of(event: Event) -> str:
    """Kind of event as rules name it; empty for one that no rule can look at."""
    if isinstance(event, Billing):
        return _BILLING.get(event.kind, "")
    return _KIND_OF.get(event.__class__, "")


def event_values(event: Event, kind: str, profile: Profile, memory: TriggerMemory, rules: Rules) -> dict[str, Value]:
    """Variables of an event that was folded into `profile`; what they remember is brought up to date."""
    return _VALUES_OF[kind](event, profile, memory, rules)


def alarm_values(alarm: Alarm) -> dict[str, Value]:
    """Variables of a noticed change of behaviour."""
    changes = alarm.rose or alarm.fell
    volume = alarm.kind == "volume" and bool(changes) and changes[0][1] > 0.0
    return {
        "drift": alarm.kind,
        "rose": alarm.rose[0][0] if alarm.rose else "",
        "fell": alarm.fell[0][0] if alarm.fell else "",
        "distance_bits": alarm.distance_bits,
        "factor": changes[0][2] / changes[0][1] if volume else 1.0,
    }


class Situation(Mapping[str, Value]):
    """Variables for the conditions of one rule at one instant.

    Parameters
    ----------
    known
        Variables of the event.
    tags
        The rule's names for tags.
    time_ms
        The instant the circumstances hold at.
    less
        (group, tag) -> what is to be taken off its weight: to look at what was before an event.
    """

    __slots__ = ("_known", "_less", "_profile", "_rules", "_tags", "_worked_out", "time_ms")

    def __init__(
        self,
        known: Mapping[str, Value],
        tags: Mapping[str, TagName],
        profile: Profile,
        rules: Rules,
        time_ms: int,
        less: Mapping[tuple[str, str], float] | None = None,
    ) -> None:
        self._known = known
        self._worked_out: dict[str, Value] = {}
        self._tags = tags
        self._profile = profile
        self._rules = rules
        self.time_ms = time_ms
        self._less = less

    def __getitem__(self, name: str) -> Value:
        value = self._known.get(name)
        if value is None:
            value = self._worked_out.get(name)
        if value is None:
            value = self._worked_out[name] = self._work_out(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return chain(self._known, self._worked_out)

    def __len__(self) -> int:
        return len(self._known) + len(self._worked_out)

    def _work_out(self, name: str) -> Value:
        tag = self._tags.get(name)
        if tag is not None:
            weight = tag_weight(self._profile, tag, max(self.time_ms, self._profile.last_event_ms))
            if self._less and not tag.part:
                weight = max(weight - self._less.get((tag.group, tag.tag), 0.0), 0.0)
            return weight
        return _CIRCUMSTANCES[name](self._profile, self.time_ms, self._rules)


def tag_weight(profile: Profile, tag: TagName, time_ms: int) -> float:
    """Decayed weight of a tag, or the mean or deviation of a numeric one; 0 for one that is not there."""
    group = profile.groups.get(tag.group)
    cell = group.cells.get(tag.tag) if group is not None else None
    if group is None or cell is None:
        return 0.0
    if tag.part == "mean":
        return cell[1]
    if tag.part == "std":
        return deviation(cell)
    return weight_at(cell[0], time_ms, group.half_life_ms, group.landmark)


def _app_use(event: AppUse, _profile: Profile, memory: TriggerMemory, _rules: Rules) -> dict[str, Value]:
    flow_mb = (event.bytes_up + event.bytes_down) / _BYTES_PER_MB
    window_mb, surge = observe_flow(_traffic(memory), event.event_time_ms, flow_mb)
    return {
        "app": event.app,
        "category": event.category,
        "host": event.host,
        "keyword": event.keyword,
        "flow_mb": flow_mb,
        "window_mb": window_mb,
        "surge": surge,
    }


def _presence(event: Presence, _profile: Profile, _memory: TriggerMemory, _rules: Rules) -> dict[str, Value]:
    return {
        "presence": event.kind,
        "province": event.province,
        "district": event.district,
        "district_kind": event.district_kind,
    }


def _call(event: Call, _profile: Profile, _memory: TriggerMemory, _rules: Rules) -> dict[str, Value]:
    return {
        "call": event.kind,
        "outgoing": event.outgoing,
        "duration_s": event.duration_s,
        "parties": float(event.parties),
    }


def _plan_traffic(
    event: DataUsage | Billing, profile: Profile, memory: TriggerMemory, rules: Rules
) -> dict[str, Value]:
    traffic, offset_ms = _traffic(memory), rules.utc_offset_ms
    # What is left is that of now, whenever the event was: so must be the pace and the rest of the month.
    time_ms = max(event.event_time_ms, profile.last_event_ms)
    used_mb = 0.0
    if isinstance(event, DataUsage):
        used_mb = event.bytes_used / _BYTES_PER_MB
        observe_usage(traffic, event.event_time_ms, used_mb)
    elif not is_told_already(traffic, profile, event.event_time_ms, offset_ms):
        observe_balance(traffic, event.event_time_ms, event.remaining_mb, event.included_mb)
    daily = daily_mb(profile, time_ms)
    known = traffic.balance_ms > 0
    to_month_end_ms = month_of(local_day(time_ms, offset_ms))[1] * MS_PER_DAY - (time_ms + offset_ms)
    return {
        "used_mb": used_mb,
        "remaining_mb": traffic.remaining_mb,
        "included_mb": traffic.included_mb,
        "remaining_share": traffic.remaining_mb / traffic.included_mb if traffic.included_mb > 0.0 else 1.0,
        "daily_mb": daily,
        "days_left": days_left(traffic.remaining_mb, daily if known else 0.0),
        "days_to_month_end": to_month_end_ms / MS_PER_DAY,
    }


def _recharge(event: Billing, _profile: Profile, _memory: TriggerMemory, _rules: Rules) -> dict[str, Value]:
    return {"amount_yuan": event.amount_yuan}


def _bill(event: Billing, _profile: Profile, _memory: TriggerMemory, _rules: Rules) -> dict[str, Value]:
    return {"amount_yuan": event.amount_yuan, "plan_tier": event.plan_tier}


def _registration(event: Registration, _profile: Profile, _memory: TriggerMemory, _rules: Rules) -> dict[str, Value]:
    return {
        "age": float(event.age),
        "gender": event.gender,
        "region": event.region,
        "occupation": event.occupation,
        "plan_tier": event.plan_tier,
        "device_brand": event.device_brand,
        "device_price_band": event.device_price_band,
    }


def _order(event: Order, _profile: Profile, _memory: TriggerMemory, _rules: Rules) -> dict[str, Value]:
    return {"product": event.product, "subscribed": event.subscribed, "amount_yuan": event.amount_yuan}


def _contact(event: Contact, _profile: Profile, _memory: TriggerMemory, _rules: Rules) -> dict[str, Value]:
    return {"channel": event.channel, "result": event.result, "offer": event.offer}


_VALUES_OF: dict[str, Callable[[Any, Profile, TriggerMemory, Rules], dict[str, Value]]] = {
    "app_use": _app_use,
    "presence": _presence,
    "call": _call,
    "traffic": _plan_traffic,
    "recharge": _recharge,
    "bill": _bill,
    "registration": _registration,
    "order": _order,
    "contact": _contact,
}


def _traffic(memory: TriggerMemory) -> TrafficMemory:
    if memory.traffic is None:
        memory.traffic = TrafficMemory()
    return memory.traffic


def _local_hour(_profile: Profile, time_ms: int, rules: Rules) -> Value:
    return (time_ms + rules.utc_offset_ms) % MS_PER_DAY / MS_PER_HOUR


def _workday(_profile: Profile, time_ms: int, rules: Rules) -> Value:
    return is_workday(local_day(time_ms, rules.utc_offset_ms))


def _usual(attribute: str) -> Callable[[Profile, int, Rules], Value]:
    def read(profile: Profile, _time_ms: int, _rules: Rules) -> Value:
        memory = profile.memory.behaviour if profile.memory is not None else None
        return getattr(memory, attribute) if memory is not None else ""

    return read


_CIRCUMSTANCES: dict[str, Callable[[Profile, int, Rules], Value]] = {
    "local_hour": _local_hour,
    "workday": _workday,
    "home_province": _usual("province"),
    "home_district": _usual("home"),
    "work_district": _usual("work"),
}
