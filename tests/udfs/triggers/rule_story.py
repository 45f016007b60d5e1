"""One person who lives under some rules: events are folded, and what fires is collected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from schemas import state
from schemas.events import AppUse, Billing, Consent, DataUsage, Event, Order, Presence
from schemas.purposes import PURPOSES
from schemas.rules import Rules
from schemas.settings import Settings
from schemas.state import Profile
from schemas.trigger_rule import TriggerRule
from udfs.profile.fold import fold
from udfs.profile.output import Folded
from udfs.tags import GROUPS
from udfs.triggers.evaluate import Fired, Triggers
from udfs.triggers.rule_set import RuleSet
from udfs.triggers.situation import kind_of
from udfs.triggers.vocabulary import KINDS
from udfs.triggers.watermarks import REPLAYED, Watermarks

RULES: Rules = Settings(drift=False).rules(GROUPS)
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
T0_MS = 1_767_542_400_000  # 2026-01-05 00:00 in UTC+8, a Monday
ALL_GRANTED = {name: (1, 1, 1) for name, purpose in PURPOSES.items() if purpose.list == "optional"} | {
    "necessary": (1, 1, 1)
}


def rule(shape: str, on: str, **fields: Any) -> TriggerRule:
    """A rule of which only what matters is said."""
    given = {"id": "r", "version": 1, "owner": "team", "purpose": "marketing", "scene": "a scene"}
    return TriggerRule.model_validate(given | {"shape": shape, "on": on} | fields)


def feed_of(event: Event) -> str:
    """The feed of an event of a kind that comes from one; empty of others."""
    feeds = KINDS[kind_of(event)].feeds if kind_of(event) else ()
    return feeds[0] if len(feeds) == 1 else ""


class Life:
    """A person under rules, with every consent."""

    def __init__(self, *rules: TriggerRule, grace_ms: int = 0, settings: Rules = RULES) -> None:
        self.rules = settings
        self.set = RuleSet(settings.groups)
        assert self.set.replace(rules) == []
        self.grace_ms = grace_ms
        self.triggers = Triggers(settings, self.set, grace_ms)
        self.profile = Profile(consents=dict(ALL_GRANTED))
        self.fired: list[Fired] = []

    def see(self, *events: Event, watermarks: Watermarks = REPLAYED) -> list[Fired]:
        """Fold events in this order, each from a fresh decoding of the state; returns what they made fire."""
        before = len(self.fired)
        for event in events:
            self.profile = state.decode(state.encode(self.profile))
            self.fired += self.triggers.before(self.profile, event.event_time_ms, watermarks, feed_of(event))
            output = fold(self.profile, event, self.rules)
            if isinstance(output, Folded):
                self.fired += self.triggers.after(self.profile, event, output)
        return self.fired[before:]

    def wait(self, until_ms: int) -> list[Fired]:
        """Let time pass without events, up to an instant and beyond it for what is late."""
        return self.look(Watermarks(until_ms + self.grace_ms, {}))

    def look(self, watermarks: Watermarks) -> list[Fired]:
        """Look at the person when the feeds have come so far."""
        fired = self.triggers.settle(self.profile, watermarks)
        self.fired += fired
        return fired

    def due_ms(self) -> int:
        """When something will next happen by itself; 0: never."""
        return min(self.triggers.due(self.profile).values(), default=0)

    def publish(self, *rules: TriggerRule, older: Iterable[TriggerRule] = ()) -> None:
        """Put other rules in force."""
        assert self.set.replace(rules, older) == []


def used(at_ms: int, app: str = "v", category: str = "video", megabytes: float = 1.0, **fields: str) -> AppUse:
    """A flow."""
    return AppUse("p", at_ms, at_ms, app, category, 0, round(megabytes * 1e6), **fields)


def seen(at_ms: int, kind: str = "", district: str = "D", province: str = "北京") -> Presence:
    """A sighting in a district of a kind."""
    return Presence("p", at_ms, at_ms, "location_update", "", province, district, kind)


def balance(at_ms: int, remaining_mb: float, included_mb: float = 10_000.0) -> Billing:
    """What the plan has left."""
    return Billing("p", at_ms, at_ms, "balance", 0.0, "", remaining_mb, included_mb)


def metered(at_ms: int, megabytes: float) -> DataUsage:
    """A reading of the counter."""
    return DataUsage("p", at_ms, at_ms, 0, round(megabytes * 1e6))


def ordered(at_ms: int, product: str = "pack") -> Order:
    """An order."""
    return Order("p", at_ms, at_ms, product, True, 10.0)


def withdrawn(at_ms: int, purpose: str) -> Consent:
    """A consent withdrawn."""
    return Consent("p", at_ms, at_ms, purpose, False, 1)


def times(fired: Iterable[Fired]) -> list[int]:
    """When they fired, in minutes since `T0_MS`."""
    return [round((each.at_ms - T0_MS) / MINUTE_MS, 3) for each in fired]  # type: ignore[misc]
