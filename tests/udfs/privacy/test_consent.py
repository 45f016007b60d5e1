from __future__ import annotations

from itertools import permutations

import pytest

from schemas.events import Consent
from schemas.purposes import PURPOSES
from schemas.rules import GroupRule, Rules
from schemas.state import GroupState, Profile
from udfs.privacy.consent import Consents, allowed, decide, newest

DAY = 86_400_000
RULES = Rules(
    {
        "content": GroupRule(DAY, False, purpose="profiling"),
        "home": GroupRule(DAY, False, purpose="location_services"),
        "plan": GroupRule(DAY, False, purpose="service"),
        "spend": GroupRule(DAY, False, purpose="panel"),
    }
)


def decision(purpose: str, time_ms: int, granted: bool, version: int = 1) -> Consent:
    return Consent("p.1", time_ms, time_ms, purpose, granted, version)


def full_profile() -> Profile:
    return Profile(groups={name: GroupState(0, DAY, {"x": [1.0, 0.0]}) for name in RULES.groups})


def test_every_purpose_is_denied_until_somebody_consents_but_what_its_source_agreed() -> None:
    assert {purpose for purpose in PURPOSES if allowed({}, purpose, RULES)} == {"panel"}


def test_the_necessary_list_is_granted_as_a_whole_and_the_optional_one_by_one() -> None:
    profile = Profile()
    decide(profile, decision("necessary", 1, True), RULES)
    decide(profile, decision("profiling", 2, True), RULES)
    granted = {purpose for purpose in PURPOSES if allowed(profile.consents, purpose, RULES)}
    assert granted == {"service", "security", "profiling", "panel"}


def test_a_withdrawal_takes_the_groups_of_its_purpose() -> None:
    profile = full_profile()
    for purpose in ("necessary", "profiling", "location_services"):
        profile.consents[purpose] = (1, 1, 1)
    assert decide(profile, decision("profiling", 5, False), RULES) == ("content",)
    assert set(profile.groups) == {"home", "plan", "spend"}
    assert decide(profile, decision("necessary", 6, False), RULES) == ("plan",)


def test_a_late_older_decision_changes_nothing() -> None:
    profile = full_profile()
    decide(profile, decision("profiling", 5, False), RULES)
    assert decide(profile, decision("profiling", 4, True), RULES) == ()
    assert not allowed(profile.consents, "profiling", RULES)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_newest_decision_counts_in_any_order_and_a_tie_denies(order: tuple[int, ...]) -> None:
    decisions = [
        decision("profiling", 1, True),
        decision("profiling", 9, False),
        decision("profiling", 9, True),
        decision("profiling", 4, True),
    ]
    profile = Profile()
    for number in order:
        decide(profile, decisions[number], RULES)
    assert profile.consents["profiling"] == (9, 0, 1)


def test_a_raised_list_version_lapses_older_consents() -> None:
    consents: Consents = {"profiling": (1, 1, 1)}
    raised = Rules(RULES.groups, consent_list_version=2)
    assert allowed(consents, "profiling", RULES)
    assert not allowed(consents, "profiling", raised)


def test_merging_takes_the_newest_of_each_purpose_either_way() -> None:
    one: Consents = {"profiling": (1, 1, 1), "marketing": (7, 0, 1)}
    two: Consents = {"profiling": (3, 0, 1), "necessary": (2, 1, 1)}
    merged = {"profiling": (3, 0, 1), "marketing": (7, 0, 1), "necessary": (2, 1, 1)}
    assert newest(one, two) == newest(two, one) == merged
