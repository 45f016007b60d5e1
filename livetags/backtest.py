"""What rules would have come to over the last days of a log, beside the rules in force."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from livetags.contact_caps import ContactCaps, Wish, within_caps
from schemas.outputs import Trigger
from udfs.local_time import MS_PER_DAY, MS_PER_HOUR

NEAR_MS = MS_PER_HOUR
"""Two triggers of one person are near each other up to this far apart."""


class Overlap(Struct, frozen=True):
    """Another rule: people for whom both fired; how often the one fired with the other within an hour, same person."""

    rule: str
    people: int
    near: int


class RuleBacktest(Struct, frozen=True):
    """What one rule came to.

    Attributes
    ----------
    rule, version
        Which.
    fired, people
        Triggers, and for how many people.
    fired_before
        Triggers of the version in force; None if there is none.
    fired_a_day
        Per day of the log that was looked at.
    contacts
        Of the triggers, those that are left under the caps, all rules together.
    overlaps
        With each other rule that fired for any of the same people, most people first.
    """

    rule: str
    version: int
    fired: int
    people: int
    fired_before: int | None
    fired_a_day: float
    contacts: int
    overlaps: list[Overlap]


class Backtest(Struct, frozen=True):
    """What rules came to.

    Attributes
    ----------
    from_ms, until_ms
        Event times looked at; until inclusive.
    days
        Between them.
    rules
        The rules that were asked about.
    contacts_before, contacts
        Of all rules that send, under the caps: of those in force, and with those that were asked about.
    """

    from_ms: int
    until_ms: int
    days: float
    rules: list[RuleBacktest]
    contacts_before: int
    contacts: int


def backtest(
    before: Sequence[Trigger],
    fired: Sequence[Trigger],
    asked: Mapping[str, int],
    in_force: Collection[str],
    span_ms: tuple[int, int],
    caps: ContactCaps,
) -> Backtest:
    """Count.

    Parameters
    ----------
    before, fired
        Triggers of a replay under the rules in force, and with those asked about in their place or beside them; in any
        order, of earlier times too, which count for the weeks of the caps.
    asked
        Rule -> version; they count as sent, also in shadow.
    in_force
        Rules in force.
    span_ms
        Event times to be looked at, until inclusive.
    caps
        How often a person may be contacted.
    """
    from_ms, until_ms = span_ms
    days = (until_ms - from_ms) / MS_PER_DAY
    everything = [each for each in fired if each.at_ms <= until_ms]
    looked_at = [each for each in everything if each.at_ms >= from_ms]
    made = [wish for wish in within_caps(_wishes(everything, asked), caps) if wish.at_ms >= from_ms]
    made_before = within_caps(_wishes([each for each in before if each.at_ms <= until_ms], ()), caps)
    fired_before = Counter(each.rule for each in before if from_ms <= each.at_ms <= until_ms)
    times_ms = _times_ms(looked_at)
    rules = []
    for rule, version in asked.items():
        mine = times_ms.get(rule, {})
        number = sum(map(len, mine.values()))
        overlaps = [
            Overlap(other, len(mine.keys() & theirs.keys()), _near(mine, theirs))
            for other, theirs in times_ms.items()
            if other != rule and mine.keys() & theirs.keys()
        ]
        overlaps.sort(key=lambda each: (-each.people, -each.near, each.rule))
        contacts = sum(wish.rule == rule for wish in made)
        a_day = number / days if days > 0 else float(number)
        was = fired_before[rule] if rule in in_force else None
        rules.append(RuleBacktest(rule, version, number, len(mine), was, a_day, contacts, overlaps))
    contacts_before = sum(wish.at_ms >= from_ms for wish in made_before)
    return Backtest(from_ms, until_ms, days, rules, contacts_before, len(made))


def _wishes(fired: Iterable[Trigger], asked: Collection[str]) -> list[Wish]:
    return [
        Wish(each.user, each.rule, each.priority, each.at_ms) for each in fired if not each.shadow or each.rule in asked
    ]


def _times_ms(fired: Iterable[Trigger]) -> dict[str, dict[str, list[int]]]:
    """Rule -> person -> when it fired, in order."""
    found: dict[str, dict[str, list[int]]] = {}
    for each in fired:
        found.setdefault(each.rule, {}).setdefault(each.user, []).append(each.at_ms)
    for of_rule in found.values():
        for times_ms in of_rule.values():
            times_ms.sort()
    return found


def _near(mine: Mapping[str, Sequence[int]], theirs: Mapping[str, Sequence[int]]) -> int:
    """How often mine fired with one of theirs near."""
    near = 0
    for user, times_ms in mine.items():
        others_ms = theirs.get(user, ())
        for at_ms in times_ms:
            place = bisect_left(others_ms, at_ms - NEAR_MS)
            near += place < len(others_ms) and others_ms[place] <= at_ms + NEAR_MS
    return near
