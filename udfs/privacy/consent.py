"""Consent by purpose: default deny, the newest decision counts, and only for the versions of the lists in force."""

from __future__ import annotations

from schemas.events import Consent
from schemas.purposes import NECESSARY, PURPOSES
from schemas.rules import Rules
from schemas.state import Profile

Consents = dict[str, tuple[int, int, int]]
"""Purpose, or ``necessary`` for that whole list -> (time of the decision, 1 granted or 0 withdrawn, list version)."""


# Purpose -> what a decision about it names; None where no decision is needed.
_DECIDED_AS: dict[str, str | None] = {
    name: None if purpose.list == "source" else NECESSARY if purpose.list == "necessary" else name
    for name, purpose in PURPOSES.items()
}


def allowed(consents: Consents, purpose: str, rules: Rules) -> bool:
    """Whether a purpose may be served now."""
    asked = _DECIDED_AS[purpose]
    if asked is None:
        return True
    decision = consents.get(asked)
    return decision is not None and decision[1] == 1 and decision[2] >= rules.consent_list_version


def allowed_purposes(consents: Consents, rules: Rules) -> set[str]:
    """Purposes that may be served now."""
    return {purpose for purpose in PURPOSES if allowed(consents, purpose, rules)}


def decide(profile: Profile, event: Consent, rules: Rules) -> tuple[str, ...]:
    """Take note of a decision; returns the tag groups that must go because of it, whether or not they hold anything.

    A decision older than the one known changes nothing. At the same instant a withdrawal wins: when in doubt, deny.
    """
    known = profile.consents.get(event.purpose)
    new = (event.event_time_ms, int(event.granted), event.list_version)
    if known is not None and _rank(new) <= _rank(known):
        return ()
    profile.consents[event.purpose] = new
    gone = tuple(
        name
        for name, rule in rules.groups.items()
        if _DECIDED_AS[rule.purpose] == event.purpose and not allowed(profile.consents, rule.purpose, rules)
    )
    for name in gone:
        profile.groups.pop(name, None)
    return gone


def newest(mine: Consents, more: Consents) -> Consents:
    """The newest decision of either for each purpose."""
    merged = dict(mine)
    for purpose, decision in more.items():
        if purpose not in merged or _rank(decision) > _rank(merged[purpose]):
            merged[purpose] = decision
    return merged


def _rank(decision: tuple[int, int, int]) -> tuple[int, int, int]:
    time_ms, granted, version = decision
    return time_ms, -granted, version
