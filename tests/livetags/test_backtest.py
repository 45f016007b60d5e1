"""What rules came to, against counting it in the plainest way; and rules beside those in force."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from made_triggers import T0_MS, trigger

from livetags.backtest import NEAR_MS, backtest
from livetags.contact_caps import ContactCaps, Wish, within_caps
from livetags.rules_beside import beside, told_apart
from schemas.outputs import Trigger
from tests.udfs.triggers.rule_story import DAY_MS, MINUTE_MS, Life, rule, used

HOUR_MS = 3_600_000
CAPS = ContactCaps(1, 3, 22, 8, 8 * HOUR_MS)
FREE = ContactCaps(10**6, 10**6, 0, 0, 0)

triggers = st.lists(
    st.builds(
        lambda user, rule, minutes, shadow: trigger(
            minutes, user, rule=rule, at_ms=T0_MS + minutes * MINUTE_MS, shadow=shadow, priority=len(rule)
        ),
        st.sampled_from(["p.1", "p.2", "p.3"]),
        st.sampled_from(["a", "bb", "ccc"]),
        st.integers(0, 8 * 24 * 60),
        st.booleans(),
    ),
    max_size=40,
)


@given(triggers, triggers, st.integers(0, 7), st.integers(1, 5))
def test_the_counts_are_those_of_a_plain_count(
    before: list[Trigger], fired: list[Trigger], from_day: int, days: int
) -> None:
    begin, end = T0_MS + from_day * DAY_MS, T0_MS + (from_day + days) * DAY_MS
    found = backtest(before, fired, {"a": 3, "bb": 1}, {"a", "ccc"}, (begin, end), CAPS)
    assert [(each.rule, each.version) for each in found.rules] == [("a", 3), ("bb", 1)]
    within = [each for each in fired if begin <= each.at_ms <= end]
    for each in found.rules:
        mine = [one for one in within if one.rule == each.rule]
        assert each.fired == len(mine)
        assert each.people == len({one.user for one in mine})
        assert each.fired_a_day == len(mine) / days
        was = sum(one.rule == each.rule and begin <= one.at_ms <= end for one in before)
        assert each.fired_before == (was if each.rule == "a" else None)
        overlaps = {}
        for other in {"a", "bb", "ccc"} - {each.rule}:
            theirs = [one for one in within if one.rule == other]
            people = {one.user for one in mine} & {one.user for one in theirs}
            near = sum(
                any(one.user == two.user and abs(one.at_ms - two.at_ms) <= NEAR_MS for two in theirs) for one in mine
            )
            if people:
                overlaps[other] = (len(people), near)
        assert {one.rule: (one.people, one.near) for one in each.overlaps} == overlaps
    sent = [one for one in fired if one.at_ms <= end and (not one.shadow or one.rule in ("a", "bb"))]
    made = [
        wish
        for wish in within_caps([Wish(one.user, one.rule, one.priority, one.at_ms) for one in sent], CAPS)
        if wish.at_ms >= begin
    ]
    assert found.contacts == len(made)
    for each in found.rules:
        assert each.contacts == sum(wish.rule == each.rule for wish in made)


@given(triggers)
def test_without_caps_every_trigger_that_is_sent_is_a_contact(fired: list[Trigger]) -> None:
    found = backtest(fired, fired, {}, (), (T0_MS, T0_MS + 100 * DAY_MS), FREE)
    assert found.contacts == found.contacts_before == sum(not each.shadow for each in fired)


def test_a_log_of_one_instant_has_no_days() -> None:
    found = backtest([], [trigger(0, rule="a", at_ms=T0_MS)], {"a": 1}, (), (T0_MS, T0_MS), FREE)
    assert (found.days, found.rules[0].fired_a_day) == (0.0, 1.0)


def test_two_versions_of_a_rule_and_another_fire_in_one_replay() -> None:
    old = rule("pulse", "app_use", id="films", match={"category": ["video"]})
    new = rule("pulse", "app_use", id="films", version=2, match={"category": ["video", "music"]})
    songs = rule("pulse", "app_use", id="songs", match={"category": ["music"]})
    extra = rule("pulse", "app_use", id="extra")
    in_force, tried = {"films": old, "songs": songs}, {"films": new, "extra": extra}
    life = Life(*beside(in_force, tried))
    life.see(used(T0_MS), used(T0_MS + 1, category="music"))
    fired = [trigger(rule=each.compiled.rule.id, version=each.compiled.rule.version) for each in life.fired]
    told = told_apart(fired, in_force, tried)
    assert sorted((each.rule, each.version) for each in told.before) == [("films", 1), ("songs", 1)]
    assert sorted((each.rule, each.version) for each in told.fired) == [
        ("extra", 1),
        ("extra", 1),
        ("films", 2),
        ("films", 2),
        ("songs", 1),
    ]
