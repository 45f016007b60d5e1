"""What is really so: one JSON object a subscriber, and the sizes of the whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from city.beginning import consented
from city.catalogue import CATEGORIES, CHANNELS, DEVICES, GENDERS, INTENTS, PLANS, REGIONS
from city.clock import HOUR_MS, START_MS, local_midnight
from city.destinies import GANG, IMPOSSIBLE_TRAVEL, NO_DAY, NO_TIME, NOBODY
from city.geography import Geography
from city.population import NO_CELL, People
from city.tastes import NEVER

_TRAITS = ("night_active", "ecommerce", "commuter", "mall_visitor", "business_traveller", "new_estate_resident")
_FRAUD = {IMPOSSIBLE_TRAVEL: "impossible_travel", GANG: "gang"}
_MOVE_HOUR = 18  # the first night in the new home follows


def write_subscribers(path: Path, people: People, geography: Geography, end_ms: int) -> None:
    """Write ``subscribers.jsonl``."""
    consents = {purpose: granted.tolist() for purpose, granted in consented(people, end_ms).items()}
    with path.open("w", encoding="utf-8") as file:
        for who in range(people.count):
            person = _person(people, geography, end_ms, who) | {
                "consents": {purpose: granted[who] for purpose, granted in consents.items()}
            }
            file.write(json.dumps(person, ensure_ascii=False) + "\n")


def _person(people: People, geography: Geography, end_ms: int, who: int) -> dict[str, Any]:
    ids, fates = people.ids, people.fates
    district = geography.district_names
    moves, churns = fates.move_day[who] < NO_DAY, fates.churn_day[who] < NO_DAY
    numbers = [{"msisdn": ids.msisdns[fates.first_number[who]], "from_ms": int(fates.born_ms[who])}]
    if fates.number_from_ms[who] < NO_TIME:
        numbers.append({"msisdn": ids.msisdns[fates.later_number[who]], "from_ms": int(fates.number_from_ms[who])})
    taken_from = int(fates.takes_number_of[who])
    device = DEVICES[people.device[who]]
    friends = people.circles.friends[people.circles.start[who] : people.circles.start[who + 1]]
    return {
        "person_ref": ids.persons[who],
        "imsi": ids.imsis[who],
        "msisdn": numbers[-1]["msisdn"],
        "msisdns": numbers,
        "account": ids.accounts[who],
        "registrant_ref": ids.registrants[who],
        "from_ms": int(fates.born_ms[who]),
        "activated_ms": int(people.activated_ms[who]),
        "home_district": district[geography.district[people.home[who]]],
        "work_district": district[geography.district[people.work[who]]] if people.work[who] != NO_CELL else None,
        "moved": {
            "at_ms": local_midnight(int(fates.move_day[who])) + _MOVE_HOUR * HOUR_MS,
            "to_district": district[geography.district[people.next_home[who]]],
        }
        if moves
        else None,
        "churning": {"from_ms": local_midnight(int(fates.churn_day[who]))} if churns else None,
        "number_changed_hands": {"at_ms": int(fates.born_ms[who]), "from_person_ref": ids.persons[taken_from]}
        if taken_from != NOBODY
        else None,
        "fraud": _FRAUD.get(int(fates.fraud[who])),
        "interests": _interests(people, who, end_ms),
        "intents": _intents(people, who, end_ms),
        "traits": [trait for trait in _TRAITS if getattr(people, trait)[who]],
        "circle": [ids.persons[friend] for friend in friends],
        "influence": round(float(people.circles.influence[who]), 4),
        "preferred_channel": CHANNELS[people.channel[who]],
        "age": int(people.age[who]),
        "gender": GENDERS[people.gender[who]],
        "region": REGIONS[people.region[who]].name,
        "device_brand": device.brand,
        "device_price_band": device.price_band,
        "plan_tier": PLANS[people.plan[who]][0],
    }


def _interests(people: People, who: int, end_ms: int) -> list[dict[str, Any]]:
    tastes = people.tastes
    return [
        {"category": CATEGORIES[category], **_span(int(begin), int(end), end_ms)}
        for category, begin, end in zip(
            tastes.category[who], tastes.category_from[who], tastes.category_to[who], strict=True
        )
        if category != NEVER
    ]


def _intents(people: People, who: int, end_ms: int) -> list[dict[str, Any]]:
    tastes = people.tastes
    if tastes.intent[who] == NEVER:
        return []
    span = _span(int(tastes.intent_from[who]), int(tastes.intent_to[who]), end_ms)
    return [{"intent": INTENTS[tastes.intent[who]].name, **span}]


def _span(begin: int, end: int, end_ms: int) -> dict[str, int]:
    return {"from_ms": max(local_midnight(begin), START_MS), "to_ms": min(local_midnight(end), end_ms)}
