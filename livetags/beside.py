"""One person's hot profile with the city's truth beside it, line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from livetags.assess import Subscriber
from serving.hot_tags import HotView

_SHOWN = 3


class Line(Struct):
    """One thing: what the profile says, what is true, and whether they agree (None: not a matter of right or wrong)."""

    what: str
    profile: str
    truth: str
    agrees: bool | None


class Comparison(Struct):
    """One person."""

    user: str
    as_of: str
    rows: list[Line]


def interesting_people(truth: Path) -> Iterator[Subscriber]:
    """Subscribers worth a look, one of each kind first: who moved, who searches, who travels, a fraud; then the rest."""
    decoder = msgspec.json.Decoder(Subscriber)
    everybody = [decoder.decode(line) for line in (truth / "subscribers.jsonl").read_bytes().splitlines()]
    kinds: tuple[Callable[[Subscriber], bool], ...] = (
        lambda s: s.moved is not None and s.work_district is not None,
        lambda s: bool(s.intents) and "commuter" in s.traits,
        lambda s: s.fraud is not None,
        lambda s: s.churning is not None,
        lambda s: "business_traveller" in s.traits,
    )
    shown: set[str] = set()
    for kind in kinds:
        for subscriber in everybody:
            if subscriber.person_ref not in shown and kind(subscriber):
                shown.add(subscriber.person_ref)
                yield subscriber
                break
    yield from (subscriber for subscriber in everybody if subscriber.person_ref not in shown)


def compare(subscriber: Subscriber, view: HotView) -> Comparison:
    """The person's lines."""
    by_group: dict[str, list[tuple[str, float]]] = {}
    for tag in view.tags:
        group, _, name = tag.tag.partition(":")
        by_group.setdefault(group, []).append((name, tag.weight))
    at_ms = view.as_of_ms
    home = subscriber.moved.to_district if subscriber.moved is not None else subscriber.home_district
    interests = {i.category for i in subscriber.interests if i.from_ms <= at_ms <= i.to_ms}
    intents = {i.intent for i in subscriber.intents if i.from_ms <= at_ms}
    rows = [
        _top("home district", by_group, "home", {home}, 1),
        _top("work district", by_group, "work", {subscriber.work_district} if subscriber.work_district else set(), 1),
        _top("interests", by_group, "content", interests, _SHOWN),
        _top("intent", by_group, "intent", intents, _SHOWN),
        _top("phone", by_group, "device_brand", {subscriber.device_brand}, 1),
        _top("channel that works", by_group, "channel", {subscriber.preferred_channel}, 1),
        Line("fraud", _list(by_group, ("impossible_travel", "many_cards")), subscriber.fraud or "none", None),
        Line("churn warning", _list(by_group, ("churn",)), "falling" if subscriber.churning else "none", None),
        Line("habits", _list(by_group, ("rhythm", "place", "travel")), ", ".join(subscriber.traits), None),
    ]
    as_of = f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"
    return Comparison(view.user, as_of, [row for row in rows if row.profile or row.truth])


def _top(what: str, by_group: dict[str, list[tuple[str, float]]], group: str, true: set[str], count: int) -> Line:
    found = by_group.get(group, [])[:count]
    agrees = None if not found or not true else bool(true & {name for name, _ in found})
    shown = ", ".join(f"{name} {weight:.3g}" for name, weight in found)
    return Line(what, shown or "-", ", ".join(sorted(true)) or "-", agrees)


def _list(by_group: dict[str, list[tuple[str, float]]], groups: tuple[str, ...]) -> str:
    found = [f"{group}:{name} {weight:.3g}" for group in groups for name, weight in by_group.get(group, [])[:_SHOWN]]
    return ", ".join(found)
