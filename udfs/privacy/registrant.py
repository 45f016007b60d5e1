"""Cards opened by one document: seen together, because registrations are keyed by it."""

from __future__ import annotations

from schemas.events import Registration
from schemas.state import Profile

WINDOW_MS = 30 * 86_400_000
_MAX_CARDS = 64


def note_card(profile: Profile, event: Registration) -> list[str]:
    """Take note that the document opened a card; returns the persons whose cards it opened within 30 days, this one
    included, and writes their number into the event.

    Late registrations count in their own window. Beyond 64 cards only the newest are remembered.
    """
    entry = (event.event_time_ms, event.person)
    profile.links = sorted({*profile.links, entry})[-_MAX_CARDS:]
    near = [p for time_ms, p in profile.links if abs(event.event_time_ms - time_ms) <= WINDOW_MS]
    persons = list(dict.fromkeys(near))
    event.cards_of_registrant = max(len(persons), 1)
    return persons
