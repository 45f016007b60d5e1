"""What a person turned to over time, and when that changed: what pictures of a drift are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from schemas.outputs import Alarm
from serving.daily_shares import DayOfTag

SHOWN_TAGS = 7
"""Tags told apart in a picture; the others are the rest."""
_EACH_WAY = 2  # of an alarm's tags, those that rose and those that fell

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Behaviour:
    """A person's days.

    Attributes
    ----------
    user
        Pseudonym.
    first
        Local day of the first column of `events`; the days follow without a gap.
    tags
        Tags told apart, most used first.
    events
        Row per day, column per tag, and a last column: events of all other tags.
    alarms
        Oldest first.
    utc_offset_ms
        Local time minus UTC, milliseconds.
    """

    user: str
    first: date
    tags: list[str]
    events: Floats
    alarms: list[Alarm]
    utc_offset_ms: int

    def day(self, time_ms: int) -> int:
        """Row of the local day of a time (milliseconds since the epoch), the nearest if it lies outside."""
        return min(max((local_day(time_ms, self.utc_offset_ms) - self.first).days, 0), len(self.events) - 1)

    def date(self, row: int) -> date:
        """Local day of a row."""
        return self.first + timedelta(days=row)


def behaviour(user: str, days: list[DayOfTag], alarms: list[Alarm], utc_offset_ms: int) -> Behaviour:
    """A person's days from what the history says of them.

    The tags told apart are the most used ones, and those that the alarms of changed shares name.

    Raises
    ------
    ValueError
        When there is no day.
    """
    if not days:
        msg = "no day of any behaviour, expected at least one"
        raise ValueError(msg)
    tags = _told_apart(days, alarms)
    first, last = min(each.day for each in days), max(each.day for each in days)
    events = np.zeros(((last - first).days + 1, len(tags) + 1))
    column = {tag: number for number, tag in enumerate(tags)}
    for each in days:
        events[(each.day - first).days, column.get(each.tag, -1)] += each.events
    return Behaviour(user, first, tags, events, alarms, utc_offset_ms)


def local_day(time_ms: int, utc_offset_ms: int) -> date:
    """Local day of a time, milliseconds since the epoch."""
    return datetime.fromtimestamp((time_ms + utc_offset_ms) / 1000, UTC).date()


def short_names(tags: list[str]) -> list[str]:
    """Tags without their group where all are of one."""
    groups = {tag.partition(":")[0] for tag in tags}
    return [tag.partition(":")[2] for tag in tags] if len(groups) == 1 else tags


def _told_apart(days: list[DayOfTag], alarms: list[Alarm]) -> list[str]:
    total: dict[str, int] = {}
    for each in days:
        total[each.tag] = total.get(each.tag, 0) + each.events
    most_used = sorted(total, key=lambda tag: (-total[tag], tag))
    named = [
        change[0]
        for alarm in reversed(alarms)
        if alarm.kind == "shares"
        for change in (*alarm.rose[:_EACH_WAY], *alarm.fell[:_EACH_WAY])
        if change[0] in total
    ]
    chosen = set(list(dict.fromkeys([*named, *most_used]))[:SHOWN_TAGS])
    return [tag for tag in most_used if tag in chosen]
