"""Cities made, lived through and forgotten again, to see what scenes fire in them beside what really arose."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec

from city.delivery import Delivery
from livetags.arisen import Arisen, arisen
from livetags.city_truth import subscribers
from livetags.in_process import replay
from livetags.inputs import resolve
from livetags.turned import Turned, turned
from schemas.outputs import Trigger
from schemas.pseudonym_keys import PseudonymKeys
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule
from sources.dictionaries import load
from udfs.privacy.pseudonym import KeyedPseudonyms
from udfs.tags import GROUPS
from udfs.triggers.rule_set import RuleSet

BY_ALARMS = "interests-changed"
# nothing is stored, so any keys do
_KEYS = PseudonymKeys("k1", {"k1": "00" * 32}, "00" * 32)


class Lived(NamedTuple):
    """What arose in a city, what fired, and what became of changed interests."""

    situations: list[Arisen]
    triggers: list[Trigger]
    turned: Turned


class Plan(NamedTuple):
    """A city to be made."""

    seed: int
    people: int
    days: int
    delivery: Delivery


def live(folder: Path, rules: Sequence[TriggerRule], settings: Settings, on_events: Callable[[int], None]) -> Lived:
    """Replay a city's records with some rules in force.

    Raises
    ------
    FileNotFoundError
        When the folder is no city.
    """
    rule_set = RuleSet(settings.rules(GROUPS).groups)
    rule_set.replace(rules)
    names = KeyedPseudonyms(_KEYS)
    situations = arisen(folder / "truth", names)
    replayed = replay(
        resolve("all", str(folder)),
        settings,
        names,
        load(folder / "dictionaries"),
        int(time.time() * 1000),
        on_events,
        rule_set=rule_set,
    )
    people = subscribers(folder / "truth")
    return Lived(situations, replayed.triggers, turned(BY_ALARMS, people, replayed.alarms, replayed.triggers, names))


def live_through(
    plan: Plan, rules: Sequence[TriggerRule], settings: Settings, on_events: Callable[[int], None]
) -> Lived:
    """Make a city, replay it, and remove it."""
    from city.building import build

    with TemporaryDirectory(prefix="livetags-city-") as folder:
        build(Path(folder), plan.people, plan.days, plan.seed, delivery=plan.delivery)
        return live(Path(folder), rules, settings, on_events)


def apart(lives: Iterable[Lived]) -> tuple[list[Arisen], list[Trigger]]:
    """Situations and triggers of all the cities, nobody of one taken for somebody of another."""
    situations: list[Arisen] = []
    triggers: list[Trigger] = []
    for number, lived in enumerate(lives):
        situations += [each._replace(user=f"{number} {each.user}") for each in lived.situations]
        triggers += [
            msgspec.structs.replace(each, user=f"{number} {each.user}", id=f"{number} {each.id}")
            for each in lived.triggers
        ]
    return situations, triggers
