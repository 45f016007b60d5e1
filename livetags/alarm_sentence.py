"""An alarm in one sentence, or for programs."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from livetags.behaviour import local_day
from schemas.outputs import Alarm, ShareChange

_SMALL = 0.05


def sentence(alarm: Alarm, utc_offset_ms: int) -> str:
    """What changed, since when, when it was noticed, and what was done; days are local ones."""
    since, noticed = local_day(alarm.since_ms, utc_offset_ms), local_day(alarm.at_ms, utc_offset_ms)
    about = f"{since.day} {since:%B}" + (f" {since.year}" if since.year != noticed.year else "")
    on = dated(noticed)
    if alarm.kind == "by_hand":
        return f"asked for by hand on {on}, to count from {about}: {became_of(alarm)}"
    sure = f"evidence {alarm.evidence:.1f}"
    if alarm.kind == "volume":
        return f"{changes(alarm)} since about {about}; noticed on {on} ({sure}), {became_of(alarm)}"
    sure += f", distance {alarm.distance_bits:.2f} bit"
    return f"{changes(alarm)} since about {about}; noticed on {on} ({sure}), {became_of(alarm)}"


def changes(alarm: Alarm, each_way: int = 2) -> str:
    """What rose and what fell, `each_way` tags at most: ``games 4 % -> 38 %, news 30 % -> 6 %``, or events a day."""
    if alarm.kind == "volume":
        return ", ".join(f"{before:,.0f} -> {since:,.0f} events a day" for _, before, since in alarm.rose + alarm.fell)
    named = [*_worth_naming(alarm.rose, each_way), *_worth_naming(alarm.fell, each_way)]
    return ", ".join(_share(change) for change in named) or "-"


def became_of(alarm: Alarm) -> str:
    """What became of the rebuild."""
    if alarm.status == "noted":
        return "no rebuild"
    return f"profile rebuilt (generation {alarm.generation}, {alarm.status})"


def dated(day: date) -> str:
    """``9 May 2026``"""
    return f"{day.day} {day:%B %Y}"


def alarm_json(alarm: Alarm) -> dict[str, Any]:
    """An alarm for programs, every part by its name."""
    named = msgspec.structs.asdict(alarm)
    for way in ("rose", "fell"):
        named[way] = [{"tag": tag, "before": before, "since": since} for tag, before, since in named[way]]
    return named


def _worth_naming(changed: list[ShareChange], most: int) -> list[ShareChange]:
    """The largest, and further ones that are not small."""
    return changed[:1] + [change for change in changed[1:most] if abs(change[2] - change[1]) >= _SMALL]


def _share(change: ShareChange) -> str:
    tag, before, since = change
    return f"{tag.partition(':')[2] or tag} {100 * before:.0f} % -> {100 * since:.0f} %"
