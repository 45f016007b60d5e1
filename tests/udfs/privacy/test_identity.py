from __future__ import annotations

from itertools import permutations

import pytest

from schemas.state import Profile
from udfs.privacy.identity import link, person_at


def test_nobody_until_somebody_is_linked() -> None:
    assert person_at([], 5) is None


def test_the_first_link_claims_what_came_before_it() -> None:
    profile = Profile()
    assert link(profile, 100, "p.one")
    assert [person_at(profile.links, t) for t in (0, 99, 100, 10**15)] == ["p.one"] * 4


@pytest.mark.parametrize("order", list(permutations([(100, "p.one"), (200, "p.two"), (300, "p.one")])))
def test_a_number_that_changes_hands_is_a_new_persons_from_then_on(order: tuple[tuple[int, str], ...]) -> None:
    profile = Profile()
    firsts = [link(profile, *each) for each in order]
    assert firsts == [True, False, False]
    owners = [person_at(profile.links, t) for t in (50, 100, 199, 200, 299, 300)]
    assert owners == ["p.one", "p.one", "p.one", "p.two", "p.two", "p.one"]


def test_the_same_link_twice_is_one() -> None:
    profile = Profile()
    link(profile, 100, "p.one")
    assert not link(profile, 100, "p.one")
    assert profile.links == [(100, "p.one")]
