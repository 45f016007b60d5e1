"""Changes of interests that the city has planted, and which of the alarms noticed them."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Literal

from msgspec import Struct, field

from livetags.city_truth import Subscriber
from schemas.outputs import Alarm
from schemas.pseudonyms import Pseudonyms
from schemas.tag_group import MS_PER_DAY

Story = Literal["switch", "gain", "lose"]


class Planted(Struct):
    """A change of a person's interests.

    Attributes
    ----------
    person
        Who, with the rest of the truth.
    user
        Pseudonym.
    at_ms
        When, milliseconds since the epoch.
    ended, began
        Interests (content categories) that ended and began then.
    """

    person: Subscriber
    user: str
    at_ms: int
    ended: list[str]
    began: list[str]

    @property
    def story(self) -> Story:
        """Whether interests were exchanged, gained or lost."""
        return "switch" if self.ended and self.began else "gain" if self.began else "lose"


class Noticed(Struct):
    """A planted change with the alarm that noticed it."""

    planted: Planted
    alarm: Alarm

    @property
    def error_days(self) -> float:
        """Estimated time of the change, minus the true one."""
        return (self.alarm.since_ms - self.planted.at_ms) / MS_PER_DAY

    @property
    def delay_days(self) -> float:
        """From the change to the alarm."""
        return (self.alarm.at_ms - self.planted.at_ms) / MS_PER_DAY


class Matched(Struct):
    """Alarms of changed shares beside the planted changes, of people whose profile may show interests.

    Attributes
    ----------
    planted
        Every planted change.
    noticed
        Those with an alarm.
    unplanted
        Alarms that no planted change explains: before one, a second one, or of somebody steady.
    steady_years
        Years that people lived without any planted change.
    steady_alarms
        Alarms of theirs.
    """

    planted: list[Planted] = field(default_factory=list)
    noticed: list[Noticed] = field(default_factory=list)
    unplanted: list[Alarm] = field(default_factory=list)
    steady_years: float = 0.0
    steady_alarms: int = 0


def match(people: Iterable[Subscriber], alarms: Iterable[Alarm], pseudonyms: Pseudonyms) -> Matched:
    """Lay the alarms of changed shares beside the truth.

    Of several words on one alarm the last counts. Who has not consented to profiling has no tags of content, so
    nothing can be noticed, and is left out.
    """
    asked = [person for person in people if person.consents.get("profiling", True) and person.interests]
    if not asked:
        return Matched()
    begin_ms = min(span.from_ms for person in asked for span in person.interests)
    end_ms = max(span.to_ms for person in asked for span in person.interests)
    raised: dict[str, dict[int, Alarm]] = {}
    for alarm in alarms:
        if alarm.kind == "shares":
            raised.setdefault(alarm.user, {})[alarm.at_ms] = alarm
    matched = Matched()
    for person in asked:
        user = pseudonyms.person(person.person_ref)
        own = [alarm for _, alarm in sorted(raised.get(user, {}).items())]
        changes = _planted(person, user, begin_ms, end_ms)
        matched.planted += changes
        if not changes:
            matched.steady_years += (end_ms - max(person.from_ms, begin_ms)) / MS_PER_DAY / 365.25
            matched.steady_alarms += len(own)
        _lay_beside(changes, own, matched)
    return matched


def _planted(person: Subscriber, user: str, begin_ms: int, end_ms: int) -> list[Planted]:
    times = {span.from_ms for span in person.interests} | {span.to_ms for span in person.interests}
    return [
        Planted(
            person,
            user,
            at_ms,
            [span.category for span in person.interests if span.to_ms == at_ms],
            [span.category for span in person.interests if span.from_ms == at_ms],
        )
        for at_ms in sorted(times - {begin_ms, end_ms})
    ]


def _lay_beside(changes: list[Planted], alarms: list[Alarm], matched: Matched) -> None:
    """The first alarm after a change, and before the next, noticed it."""
    left = list(alarms)
    untils_ms = [*(later.at_ms for later in changes[1:]), inf]
    for change, until_ms in zip(changes, untils_ms, strict=False):
        first = next((alarm for alarm in left if change.at_ms < alarm.at_ms <= until_ms), None)
        if first is not None:
            matched.noticed.append(Noticed(change, first))
            left.remove(first)
    matched.unplanted += left
