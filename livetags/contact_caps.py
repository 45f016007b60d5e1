"""How many contacts are left of all that rules would like to make, when nobody is to be contacted often or at night.

Whoever acts on triggers has policies of their own; these are the two that everybody has, to tell what a rule would come
to. Per person the rules with the highest priority go first, then what comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct

from udfs.local_time import MS_PER_DAY, MS_PER_HOUR
from udfs.triggers.period import period_of


class Wish(NamedTuple):
    """A contact that a rule would make: whose person's pseudonym, which rule, its priority, event time."""

    user: str
    rule: str
    priority: int
    at_ms: int


class ContactCaps(Struct, frozen=True):
    """How often and when a person may be contacted.

    Attributes
    ----------
    max_a_day, max_a_week
        Per person and local day, and week from Monday.
    quiet_from_h, quiet_to_h
        Local hours between which nobody is contacted, over midnight if the first is the later; equal: none.
    utc_offset_ms
        Local time minus UTC.
    """

    max_a_day: int
    max_a_week: int
    quiet_from_h: int
    quiet_to_h: int
    utc_offset_ms: int

    def put_off(self, at_ms: int) -> int:
        """When a contact is made: at once, or at the end of the quiet hours that it falls into."""
        begin_ms, end_ms = self.quiet_from_h * MS_PER_HOUR, self.quiet_to_h * MS_PER_HOUR
        in_day_ms = (at_ms + self.utc_offset_ms) % MS_PER_DAY
        if begin_ms <= end_ms:
            return at_ms + end_ms - in_day_ms if begin_ms <= in_day_ms < end_ms else at_ms
        if in_day_ms >= begin_ms:
            return at_ms + MS_PER_DAY + end_ms - in_day_ms
        return at_ms + end_ms - in_day_ms if in_day_ms < end_ms else at_ms


def within_caps(wishes: Iterable[Wish], caps: ContactCaps) -> list[Wish]:
    """The contacts that are made, in the order in which they are chosen: by priority, then time, rule, person.

    A contact counts for the local day and week in which it is made, and one that finds either full is never made.
    """
    days: Counter[tuple[str, int]] = Counter()
    weeks: Counter[tuple[str, int]] = Counter()
    made = []
    for wish in sorted(wishes, key=lambda each: (-each.priority, each.at_ms, each.rule, each.user)):
        made_ms = caps.put_off(wish.at_ms)
        day = wish.user, period_of("day", made_ms, caps.utc_offset_ms)
        week = wish.user, period_of("week", made_ms, caps.utc_offset_ms)
        if days[day] < caps.max_a_day and weeks[week] < caps.max_a_week:
            days[day] += 1
            weeks[week] += 1
            made.append(wish)
    return made
