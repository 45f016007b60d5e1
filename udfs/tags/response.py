"""Response: how the person answers to being contacted."""

from __future__ import annotations

from schemas.events import Contact
from schemas.outputs import Evidence
from schemas.person_memory import PersonMemory
from schemas.rules import Rules
from schemas.tag_group import MoreTags, TagGroup

EVENTS = (Contact,)

CHANNELS = ("sms", "push", "call", "popup")
_ENGAGED = {"opened": 1.0, "clicked": 2.0, "converted": 4.0}
_REFUSED = {"refused": 1.0, "unsubscribed": 3.0}


def _group(
    name: str, unit: str, half_life_days: float, meaning: str, tags: tuple[str, ...] = (), more_tags: MoreTags = ""
) -> TagGroup:
    return TagGroup(
        name=name,
        kind="weight",
        unit=unit,
        half_life_days=half_life_days,
        meaning=meaning,
        family="response",
        sources=("contact",),
        purpose="marketing",
        tags=tags,
        more_tags=more_tags,
    )


GROUPS = (
    # Reading: above 3, contacted more than three times in about a week: let the person rest.
    _group("fatigue", "contacts", 7.0, "Contacts sent, decayed.", ("all",)),
    # Reading: the heaviest channel is the preferred one, if it is above 1.
    _group("channel", "points", 90.0, "Answers per channel, decayed: opened 1, clicked 2, converted 4.", CHANNELS),
    # Reading: what was bought before; above 0.5 within the last half-year.
    _group("offer", "conversions", 180.0, "Conversions per offer, decayed.", more_tags="any"),
    # Reading: above 1, don't use this channel for now; unsubscribing is also a consent withdrawn, which is final.
    _group("refused", "points", 90.0, "Refusals per channel, decayed: refused 1, unsubscribed 3.", CHANNELS),
)


def evidence(event: Contact, memory: PersonMemory, rules: Rules) -> tuple[Evidence, ...]:
    """One more contact, answer or refusal. A delivery alone says nothing of the person."""
    result = event.result
    if result == "sent":
        return (("fatigue", "all", 1.0),)
    if result in _REFUSED:
        return (("refused", event.channel, _REFUSED[result]),)
    if result not in _ENGAGED:
        return ()
    answered = ("channel", event.channel, _ENGAGED[result])
    return (answered, ("offer", event.offer, 1.0)) if result == "converted" and event.offer else (answered,)
