"""Whose an identifier is, and from when: IMSI, MSISDN and account belong to a person, and may change hands."""

from __future__ import annotations

from schemas.state import Profile


def link(profile: Profile, valid_from_ms: int, person: str) -> bool:
    """Take note that the identifier belongs to `person` from a time on; returns whether that is the first link known.

    Whatever came before the first link known belongs to its person too: nobody else claims it. A later link starts a
    new person from its time on; the old one keeps what was theirs.
    """
    first = not profile.links
    entry = (valid_from_ms, person)
    if entry not in profile.links:
        profile.links.append(entry)
        profile.links.sort()
    return first


def person_at(links: list[tuple[int, str]], event_time_ms: int) -> str | None:
    """Person the identifier belonged to at a time; None while nobody is known."""
    if not links:
        return None
    person = links[0][1]
    for valid_from_ms, each in links[1:]:
        if valid_from_ms > event_time_ms:
            break
        person = each
    return person
