"""People whose behaviour was noticed to change, with the city's truth beside them, in words."""

from __future__ import annotations

from livetags.alarm_sentence import became_of, changes
from livetags.behaviour import local_day
from livetags.drift_score import DriftScore, StoryScore
from livetags.planted import Matched, Noticed, Planted

_STORIES = {
    "switch": "who exchanged an interest for another",
    "gain": "with one more interest",
    "lose": "with one interest less",
}


def clearest(matched: Matched, count: int) -> list[Noticed]:
    """The noticed changes that are the easiest to see: exchanged interests first, then by how far shares moved."""
    by_clarity = sorted(
        matched.noticed, key=lambda each: (each.planted.story != "switch", -each.alarm.distance_bits, each.planted.user)
    )
    return by_clarity[:count]


def noticed_text(noticed: Noticed, utc_offset_ms: int) -> str:
    """What was noticed; days are local ones."""
    alarm = noticed.alarm
    since, at = local_day(alarm.since_ms, utc_offset_ms), local_day(alarm.at_ms, utc_offset_ms)
    return f"{changes(alarm)} since about {since}, noticed {at}, {became_of(alarm)}"


def truth_text(planted: Planted, utc_offset_ms: int) -> str:
    """What is so: interests that ended and began, those that stayed, and what else changed in the person's life."""
    person, day = planted.person, local_day(planted.at_ms, utc_offset_ms)
    moved = {*planted.ended, *planted.began}
    told = [f"{name} until {day}" for name in planted.ended] + [f"{name} from {day}" for name in planted.began]
    told += [f"{span.category} throughout" for span in person.interests if span.category not in moved]
    if person.moved is not None:
        told.append(f"moved house {local_day(person.moved.at_ms, utc_offset_ms)}")
    if person.churning is not None:
        told.append(f"use falls from {local_day(person.churning['from_ms'], utc_offset_ms)}")
    return ", ".join(told)


def score_text(score: DriftScore) -> list[str]:
    """The figures in sentences."""
    lines = [_story_text(story, found) for story, found in score.stories.items() if found.planted]
    lines.append(
        f"alarms without a planted change: {score.unplanted_alarms}; people with steady interests: "
        f"{score.steady_alarms} in {score.steady_years:.1f} years lived"
    )
    return lines


def _story_text(story: str, found: StoryScore) -> str:
    text = f"of {found.planted} people {_STORIES[story]} {found.noticed} noticed ({found.recall:.0%})"
    if not found.noticed:
        return text
    return (
        f"{text}, in the median {found.delay_days:.1f} days after it; time of the change off by {found.error_days:.1f} "
        f"days ({found.bias_days:+.1f})"
    )
