"""Identifiers that join, arrive late, change hands: whose profile an event ends in."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage_checks import DAY, HOUR, T0, Stages

from schemas.events import AppUse, Consent, Event, Link
from udfs.profile.decay import weight_at


def use(user: str, number: int, time_ms: int, category: str = "video") -> AppUse:
    return AppUse(user, number, time_ms, f"{category}.example", category, 10, 1_000_000)


def consents(user: str, time_ms: int = T0) -> list[Event]:
    return [
        Consent(user, 101, time_ms, "necessary", True, 1),
        Consent(user, 102, time_ms, "profiling", True, 1),
    ]


def weights(profile: object, group: str = "content") -> dict[str, float]:
    state = profile.groups[group]  # type: ignore[attr-defined]
    return {tag: weight_at(c[0], T0 + 30 * DAY, state.half_life_ms, state.landmark) for tag, c in state.cells.items()}


def test_identifiers_of_one_person_end_in_one_profile() -> None:
    stages = Stages()
    stages.batch([Link("imsi", 1, T0, "p.1"), Link("msisdn", 1, T0, "p.1"), *consents("msisdn")])
    stages.batch([use("imsi", 2, T0 + HOUR), use("imsi", 3, T0 + 2 * HOUR, "music")])
    assert set(weights(stages.person("p.1"))) == {"video", "music"}
    assert stages.person("p.1").n == 4
    assert {row[0] for row in stages.rows()} == {"p.1"}
    assert stages.balanced()


def test_a_profile_made_before_the_link_is_merged_and_nothing_is_lost() -> None:
    late, early = Stages(), Stages()
    link = Link("msisdn", 9, T0 + DAY, "p.1")
    events = [*consents("msisdn"), use("msisdn", 3, T0 + HOUR), use("msisdn", 4, T0 + 5 * HOUR, "music")]
    more = [use("msisdn", 5, T0 + 2 * DAY)]
    early.batch([link, *events, *more])
    late.batch(events)
    assert set(weights(late.identifier("msisdn"))) == {"video", "music"}
    late.batch([link, *more])
    assert weights(late.person("p.1")) == pytest.approx(weights(early.person("p.1")), rel=1e-12)
    assert late.person("p.1").n == early.person("p.1").n == 5
    assert sorted(late.rows()) == sorted(early.rows())
    assert late.identifier("msisdn").n == 0
    assert ("move", "msisdn", "p.1") in late.removals()
    assert late.balanced()
    assert early.balanced()


def test_two_profiles_of_one_person_add_up() -> None:
    apart, joined = Stages(), Stages()
    events = {
        name: [
            *consents(name),
            *(use(name, 10 + i, T0 + i * HOUR, c) for i, c in enumerate(["video", "video", "news"])),
        ]
        for name in ("one", "two")
    }
    links = [Link(name, 9, T0, "p.1") for name in events]
    joined.batch([*links, *events["one"], *events["two"]])
    apart.batch([*events["one"], *events["two"]])
    apart.batch(links)
    assert weights(apart.person("p.1")) == pytest.approx(weights(joined.person("p.1")), rel=1e-12)
    assert apart.person("p.1").n == joined.person("p.1").n == 10


def test_a_number_that_changes_hands_starts_a_new_person() -> None:
    stages = Stages()
    stages.batch([Link("msisdn", 1, T0, "p.old"), *consents("msisdn"), use("msisdn", 3, T0 + HOUR, "games")])
    stages.batch([Link("msisdn", 4, T0 + 10 * DAY, "p.new")])
    stages.batch([*consents("msisdn", T0 + 10 * DAY + HOUR)[1:], use("msisdn", 5, T0 + 11 * DAY, "news")])
    assert set(weights(stages.person("p.old"))) == {"games"}
    # the new person has consented to profiling only: nothing of the old one's consents is theirs
    assert set(weights(stages.person("p.new"))) == {"news"}
    assert set(stages.person("p.new").consents) == {"profiling"}
    assert [link.person for hot in stages.hot for link in hot.links] == ["p.old", "p.new"]


def test_a_late_event_of_before_the_change_is_the_old_persons() -> None:
    stages = Stages()
    stages.batch([Link("msisdn", 1, T0, "p.old"), *consents("msisdn")])
    stages.batch([Link("msisdn", 4, T0 + DAY, "p.new"), use("msisdn", 5, T0 + DAY - HOUR, "games")])
    assert set(weights(stages.person("p.old"))) == {"games"}
    assert "p.new" not in stages.result.people


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_links_of_one_person_does_not_matter(order: tuple[int, ...]) -> None:
    links = [Link(name, 9, T0, "p.1") for name in ("one", "two", "three")]
    stages = Stages()
    stages.batch([*consents("one"), use("one", 3, T0 + HOUR)])
    stages.batch([links[number] for number in order])
    assert weights(stages.person("p.1")).keys() == {"video"}
    assert stages.balanced()


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 40), st.booleans()), max_size=40))
def test_records_balance_whatever_comes(plan: list[tuple[str, int, bool]]) -> None:
    stages = Stages()
    events: list[Event | None] = []
    for number, (name, hours, linked) in enumerate(plan):
        if hours == 0:
            events.append(None)
        elif linked:
            events.append(Link(name, hours, T0 + hours * HOUR, f"p.{hours % 3}"))
        elif hours % 4 == 1:
            events += consents(name, T0 + hours * HOUR)
        else:
            events.append(use(name, hours, T0 + hours * HOUR, ["video", "news"][number % 2]))
    for begin in range(0, len(events), 7):
        stages.batch(events[begin : begin + 7])
    assert stages.balanced()
    people = [stages.person(user) for user in stages.result.people]
    alone = [stages.identifier(user) for user in stages.result.identifiers]
    assert stages.result.profiles.users == sum(profile.n > 0 for profile in people)
    assert stages.result.door.users == sum(profile.n > 0 for profile in alone)
    assert stages.result.profiles.state_bytes == sum(map(len, stages.result.people.values()))
    assert stages.result.door.state_bytes == sum(map(len, stages.result.identifiers.values()))
