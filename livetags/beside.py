"""One person's hot profile with the city's truth beside it, line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from livetags.city_truth import Subscriber, subscribers
from serving.hot_view import HotView

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
    """Subscribers worth a look, one of each kind first: who moved, who searches, a fraud, who leaves; then the rest.

    Those of a kind have consented to everything, so that there is something to see.
    """
    everybody = subscribers(truth)
    kinds: tuple[Callable[[Subscriber], bool], ...] = (
        lambda s: s.moved is not None and s.work_district is not None,
        lambda s: s.fraud is not None,
        lambda s: s.churning is not None,
        lambda s: bool(s.intents) and "commuter" in s.traits,
        lambda s: "business_traveller" in s.traits,
    )
    shown: set[str] = set()
    for kind in kinds:
        for subscriber in everybody:
            if subscriber.person_ref not in shown and all(subscriber.consents.values()) and kind(subscriber):
                shown.add(subscriber.person_ref)
                yield subscriber
                break
    yield from (subscriber for subscriber in everybody if subscriber.person_ref not in shown)


def compare(subscriber: Subscriber, view: HotView) -> Comparison:
    """The person's lines."""
    at_ms = view.as_of_ms
    home = subscriber.moved.to_district if subscriber.moved is not None else subscriber.home_district
    interests = {i.category for i in subscriber.interests if i.from_ms <= at_ms <= i.to_ms}
    intents = {i.intent for i in subscriber.intents if i.from_ms <= at_ms}
    work = {subscriber.work_district} if subscriber.work_district else set()
    seen = _Seen(view)
    rows = [
        seen.top("home district", "home", {home}, 1),
        seen.top("work district", "work", work, 1),
        seen.top("interests", "content", interests, _SHOWN),
        seen.top("intent", "intent", intents, _SHOWN),
        seen.top("phone", "device_brand", {subscriber.device_brand}, 1),
        seen.top("channel that works", "channel", {subscriber.preferred_channel}, 1),
        Line("habits", seen.list("rhythm", "place", "travel", "commuter"), ", ".join(subscriber.traits) or "-", None),
        Line("fraud", seen.list("impossible_travel", "many_cards"), subscriber.fraud or "-", None),
        Line("churn warning, 0 to 1", seen.list("churn"), "use falls" if subscriber.churning else "-", None),
        Line("circle, people", seen.list("circle"), "-", None),
        Line("bill, yuan", seen.list("bill"), "-", None),
    ]
    for row in rows:
        purpose = _PURPOSE_OF.get(row.what)
        if purpose is not None and not subscriber.consents.get(purpose, True):
            row.profile, row.agrees = f"(no consent to {purpose})", None
    as_of = f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"
    return Comparison(view.user, as_of, rows)


_PURPOSE_OF = {
    "home district": "location_services",
    "work district": "location_services",
    "interests": "profiling",
    "intent": "profiling",
    "channel that works": "marketing",
    "circle, people": "social_analysis",
    "bill, yuan": "credit_risk",
}


class _Seen:
    """What a hot profile says, by group, heaviest first; of numeric groups the mean."""

    def __init__(self, view: HotView) -> None:
        self._by_group: dict[str, list[tuple[str, float]]] = {}
        for tag in view.tags:
            group, _, name = tag.tag.partition(":")
            self._by_group.setdefault(group, []).append((name, tag.weight if tag.mean is None else tag.mean))

    def top(self, what: str, group: str, true: set[str], count: int) -> Line:
        """The heaviest tags of a group, which should have one of the true ones among them."""
        found = self._by_group.get(group, [])[:count]
        agrees = None if not found or not true else bool(true & {name for name, _ in found})
        shown = ", ".join(name if count == 1 else f"{name} {value:.3g}" for name, value in found)
        return Line(what, shown or "-", ", ".join(sorted(true)) or "-", agrees)

    def list(self, *groups: str) -> str:
        """The heaviest tags of several groups."""
        found = [
            f"{value:.3g}"
            if len(groups) == 1 and name == "all"
            else f"{group} {name} {value:.3g}".replace(" all ", " ")
            for group in groups
            for name, value in self._by_group.get(group, [])[:_SHOWN]
        ]
        return ", ".join(found) or "-"
