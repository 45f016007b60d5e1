"""The scene that repeats drift alarms, beside the changes of interests that the city has planted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

import msgspec
from msgspec import Struct

from livetags.city_truth import Subscriber
from livetags.planted import match
from schemas.outputs import Alarm, Trigger
from schemas.pseudonyms import Pseudonyms
from schemas.tag_group import MS_PER_DAY

_LEARNT_DAYS, _TIME_LEFT_DAYS = 14, 21
_BUCKET_CLOSES_MS = 2 * MS_PER_DAY
"""The first event after a bucket closes it: within a day or two, unless the person is silent."""


class Turned(Struct):
    """How well exchanged interests were noticed by a scene. Add those of several cities with `together`.

    Attributes
    ----------
    planted
        Interests exchanged for others by people who consent to profiling and marketing.
    visible
        Those after two weeks from which the detector can learn, and three weeks before the end, as long as it may take.
    noticed
        Those of `visible` that made it fire before the next change.
    delays_days
        From the change to the trigger, of these.
    fired, unplanted
        Triggers, and those that no planted change explains: an exchange, a new interest, or a lost one.
    passed_on, alarms
        Alarms of these people, and how many of them have a trigger.
    """

    planted: int = 0
    visible: int = 0
    noticed: int = 0
    delays_days: list[float] = []
    fired: int = 0
    unplanted: int = 0
    passed_on: int = 0
    alarms: int = 0

    @property
    def delay_days_median(self) -> float:
        """Of the noticed ones; NaN without any."""
        return median(self.delays_days) if self.delays_days else float("nan")


def turned(
    scene: str, people: Iterable[Subscriber], alarms: Iterable[Alarm], triggers: Iterable[Trigger], names: Pseudonyms
) -> Turned:
    """Lay the triggers of a scene about changed shares beside the planted changes.

    Consent is that at the end of the city: who withdraws it later than their change is left out.
    """
    asked = [person for person in people if person.consents.get("marketing", False) and person.interests]
    users = {names.person(person.person_ref) for person in asked if person.consents.get("profiling", True)}
    fired = sorted((each.at_ms, each.user) for each in triggers if each.rule == scene and each.user in users)
    own = {(each.at_ms, each.user): each for each in alarms if each.kind == "shares" and each.user in users}
    passed = _passed_on(own.values(), fired)
    matched = match(asked, passed, names)
    if not matched.planted:
        return Turned()
    begin_ms = min(span.from_ms for person in asked for span in person.interests)
    end_ms = max(span.to_ms for person in asked for span in person.interests)
    switches = [change for change in matched.planted if change.story == "switch"]
    visible = {
        (change.user, change.at_ms)
        for change in switches
        if max(begin_ms, change.person.from_ms) + _LEARNT_DAYS * MS_PER_DAY
        <= change.at_ms
        <= end_ms - _TIME_LEFT_DAYS * MS_PER_DAY
    }
    delays = [each.delay_days for each in matched.noticed if (each.planted.user, each.planted.at_ms) in visible]
    return Turned(
        len(switches),
        len(visible),
        len(delays),
        delays,
        len(fired),
        len(matched.unplanted) + len(fired) - len(passed),
        len(passed),
        len(own),
    )


def _passed_on(alarms: Iterable[Alarm], fired: Sequence[tuple[int, str]]) -> list[Alarm]:
    """The alarms that made a trigger fire, at its time: that of the event that closed the alarm's bucket."""
    left = list(fired)
    passed = []
    for alarm in sorted(alarms, key=lambda each: each.at_ms):
        own = (each for each in left if each[1] == alarm.user and 0 <= each[0] - alarm.at_ms <= _BUCKET_CLOSES_MS)
        trigger = next(own, None)
        if trigger is not None:
            left.remove(trigger)
            passed.append(msgspec.structs.replace(alarm, at_ms=trigger[0]))
    return passed


def together(parts: Sequence[Turned]) -> Turned:
    """Of several cities."""
    whole = Turned()
    for part in parts:
        for name in Turned.__struct_fields__:
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
    return whole
