"""The words of the conditions: what each variable means, its type, and which events it comes with.

A rule names a kind of event; its conditions may use that kind's variables, the circumstances that hold at any time, and
the names it gives to tags. Everything a rule looks at is covered by consent: to the rule's own purpose, to that of the
kind of event, of the circumstances and of the tags.
"""

from __future__ import annotations

from typing import NamedTuple

Value = str | float | bool
"""Of a variable. Numbers are always floating point, so write ``2.0`` where a condition calculates with them."""


class Variable(NamedTuple):
    """A word of the conditions: an example of its values, which tells its type, and its meaning."""

    example: Value
    meaning: str
    purpose: str = ""


class Kind(NamedTuple):
    """A kind of event: what looking at it is for, its variables, and the feeds it comes from."""

    purpose: str
    variables: dict[str, Variable]
    feeds: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "app_use": Kind(
        "profiling",
        {
            "app": Variable("抖音", "app or site, as the dictionary of apps spells it"),
            "category": Variable("video", "its category: video, music, games, news, property ..."),
            "host": Variable("v.example", "host of the URL; empty if there is none"),
            "keyword": Variable("二手房", "words searched for; empty if it is no search"),
            "flow_mb": Variable(1.5, "megabytes of this flow"),
            "window_mb": Variable(80.0, "megabytes used within the newest three minutes"),
            "surge": Variable(
                4.0, "window_mb over what three minutes with any use usually hold; 0 until that is known"
            ),
        },
        ("dpi",),
    ),
    "presence": Kind(
        "location_services",
        {
            "presence": Variable("attach", "attach, handover, location_update or detach"),
            "province": Variable("北京", "province of the serving network; empty if not known"),
            "district": Variable("A3", "business district; empty if not known"),
            "district_kind": Variable("mall", "residential, new_estate, business, mall, airport, station ..."),
        },
        ("signalling",),
    ),
    "call": Kind(
        "social_analysis",
        {
            "call": Variable("voice", "voice or sms"),
            "outgoing": Variable(True, "whether the person began it"),
            "duration_s": Variable(60.0, "seconds"),
            "parties": Variable(2.0, "how many took part"),
        },
        ("cdr",),
    ),
    "traffic": Kind(
        "service",
        {
            "used_mb": Variable(120.0, "megabytes since the reading before; 0 of a balance"),
            "remaining_mb": Variable(900.0, "megabytes the plan has left: the newest balance less what was used since"),
            "included_mb": Variable(30_000.0, "megabytes of the plan; 0 until a balance has said so"),
            "remaining_share": Variable(0.2, "remaining_mb over included_mb; 1 until that is known"),
            "daily_mb": Variable(500.0, "mean use a day of the last weeks; 0 until it is known"),
            "days_left": Variable(3.0, "remaining_mb over daily_mb; 1000 until that is known, and at most"),
            "days_to_month_end": Variable(9.5, "until the plan's traffic is renewed, by local time"),
        },
        ("cdr", "billing"),
    ),
    "recharge": Kind("credit_risk", {"amount_yuan": Variable(50.0, "paid in")}, ("billing",)),
    "bill": Kind(
        "credit_risk",
        {
            "amount_yuan": Variable(129.0, "of the bill"),
            "plan_tier": Variable("plus", "plan; empty if not said"),
        },
        ("billing",),
    ),
    "registration": Kind(
        "service",
        {
            "age": Variable(34.0, "years; 0 if not known"),
            "gender": Variable("female", "female, male or empty"),
            "region": Variable("北京-朝阳", "home region"),
            "occupation": Variable("teacher", "as registered"),
            "plan_tier": Variable("plus", "plan; empty if not said"),
            "device_brand": Variable("Brand", "of the phone"),
            "device_price_band": Variable("premium", "low, mid, high or premium"),
        },
        ("registration",),
    ),
    "order": Kind(
        "service",
        {
            "product": Variable("video_pass", "what"),
            "subscribed": Variable(True, "ordered; false: given back"),
            "amount_yuan": Variable(12.0, "its price"),
        },
        ("order",),
    ),
    "contact": Kind(
        "marketing",
        {
            "channel": Variable("sms", "sms, push, call or popup"),
            "result": Variable("clicked", "sent, delivered, opened, clicked, converted, refused or unsubscribed"),
            "offer": Variable("video_pass", "what was offered"),
        },
        ("contact",),
    ),
    "drift": Kind(
        "profiling",
        {
            "drift": Variable("shares", "shares: what the person turns to has changed; volume: how much they do"),
            "rose": Variable("content:games", "tag whose share rose most; empty of a volume alarm"),
            "fell": Variable("content:news", "tag whose share fell most; empty of a volume alarm"),
            "distance_bits": Variable(0.3, "how much: Jensen-Shannon divergence; 0 of a volume alarm"),
            "factor": Variable(0.1, "of a volume alarm: events a day since over before; 1 otherwise"),
        },
    ),
    "tags": Kind("", {}),
}

CIRCUMSTANCES: dict[str, Variable] = {
    "local_hour": Variable(18.5, "hour of the local day, 0 up to 24"),
    "workday": Variable(True, "Monday to Friday"),
    "home_province": Variable("北京", "province of most days; empty until known", "location_services"),
    "home_district": Variable("A3", "district of most nights; empty until known", "location_services"),
    "work_district": Variable("B1", "district of most working hours; empty until known", "location_services"),
}
