"""Split a log any way, fold the parts, merge: the same as folding everything into one profile."""

from __future__ import annotations

from copy import deepcopy
from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import state
from schemas.events import Billing, Event, Purchase
from schemas.person_memory import LifecycleMemory, PersonMemory
from schemas.rules import GroupRule, Rules
from schemas.state import Profile
from udfs.profile import weighted_welford
from udfs.profile.advance import advance
from udfs.profile.decay import expires_at_ms, weight_at
from udfs.profile.merge_profiles import merge
from udfs.profile.output import DUPLICATE, Folded, Refused
from udfs.tags import GROUPS

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
T0_MS = 1_767_225_600_000  # 2026-01-01 UTC
NOW_MS = T0_MS + DAY_MS
EVERYTHING = 10**9

quick = settings(max_examples=80, deadline=None)


def rules_of(half_life_ms: int = DAY_MS, max_tags: int = EVERYTHING, buckets: int = EVERYTHING) -> Rules:
    groups = {
        name: GroupRule(half_life_ms, group.kind == "numeric", group.kind == "fact", group.purpose)
        for name, group in GROUPS.items()
    }
    return Rules(groups, max_tags_per_group=max_tags, dedup_buckets=buckets, dedup_max_ids=EVERYTHING)


def folded(events: list[Event], rules: Rules) -> Profile:
    profile = Profile()
    for event in events:
        assert advance(profile, event, rules, NOW_MS)[1].__class__ is Folded
    return profile


def purchase(event_id: int, time_ms: int = T0_MS, category: str = "a", spend: float = 2.0) -> Purchase:
    return Purchase("u", event_id, time_ms, category, 1.0, spend)


split_logs = st.lists(
    st.tuples(
        st.integers(T0_MS - 100 * DAY_MS, T0_MS),
        st.sampled_from("abcdef"),
        st.sampled_from([0.0, 0.5, 3.25, 1e6]),
        st.booleans(),
    ),
    min_size=1,
    max_size=30,
).map(lambda rows: [(purchase(i, t, tag, spend), left) for i, (t, tag, spend, left) in enumerate(rows)])


@quick
@given(split_logs, st.sampled_from([HOUR_MS, 7 * DAY_MS, 10_000 * DAY_MS]), st.booleans())
def test_merging_the_parts_equals_replaying_everything(
    log: list[tuple[Event, bool]], half_life_ms: int, through_state: bool
) -> None:
    rules = rules_of(half_life_ms)
    left = folded([event for event, is_left in log if is_left], rules)
    right = folded([event for event, is_left in log if not is_left], rules)
    if through_state:
        left, right = state.decode(state.encode(left)), state.decode(state.encode(right))
    merged = merge(left, right, rules)
    whole = folded([event for event, _ in log], rules)

    assert merged.n == whole.n == len(log)
    assert (merged.first_event_ms, merged.last_event_ms) == (whole.first_event_ms, whole.last_event_ms)
    assert merged.groups.keys() == whole.groups.keys()
    for name, group in merged.groups.items():
        assert group.landmark == whole.groups[name].landmark
        assert group.cells.keys() == whole.groups[name].cells.keys()
        for tag, cell in group.cells.items():
            other = whole.groups[name].cells[tag]
            assert isclose(cell[0], other[0], rel_tol=1e-12, abs_tol=1e-290)
            if rules.groups[name].numeric and cell[0] > 1e-290:
                assert abs(cell[1] - other[1]) <= 1e-12 * 1e6
                assert abs(cell[2] - other[2]) <= 1e-12 * cell[0] * 1e12
            if cell[0]:
                assert cell[-1] == other[-1]
    for event, _ in log:
        assert advance(merged, event, rules, NOW_MS)[1] is DUPLICATE


@quick
@given(split_logs, st.integers(1, 3))
def test_beyond_the_cap_the_merged_total_is_exact(log: list[tuple[Event, bool]], max_tags: int) -> None:
    rules = rules_of(max_tags=max_tags)
    merged = merge(
        folded([event for event, left in log if left], rules),
        folded([event for event, left in log if not left], rules),
        rules,
    )
    whole = folded([event for event, _ in log], rules_of())
    for name, group in merged.groups.items():
        assert len(group.cells) <= max_tags
        total = sum(cell[0] for cell in group.cells.values()) + (group.other[0] if group.other else 0.0)
        assert isclose(total, sum(cell[0] for cell in whole.groups[name].cells.values()), rel_tol=1e-12)


def test_merging_an_empty_profile_in_changes_no_cell_and_into_one_copies_all() -> None:
    rules = rules_of()
    one = folded([purchase(1), purchase(2, T0_MS - 3 * DAY_MS, "b")], rules)
    before = {name: dict(group.cells) for name, group in one.groups.items()}
    merge(one, Profile(), rules)
    assert {name: group.cells for name, group in one.groups.items()} == before
    fresh = merge(Profile(), one, rules)
    assert fresh.groups == one.groups
    assert (fresh.n, fresh.first_event_ms, fresh.last_event_ms) == (2, T0_MS - 3 * DAY_MS, T0_MS)


def test_the_merged_profile_shares_no_cell_with_the_other() -> None:
    rules = rules_of()
    mine, more = Profile(), folded([purchase(1)], rules)
    merge(mine, more, rules)
    before = more.groups["spend"].cells["a"][0]
    advance(mine, purchase(2), rules, NOW_MS)
    assert more.groups["spend"].cells["a"][0] == before


def test_merged_due_is_not_before_any_tags_expiry() -> None:
    rules = rules_of()
    merged = merge(folded([purchase(1)], rules), folded([purchase(2)], rules), rules)
    group = merged.groups["spend"]
    expiry_ms = expires_at_ms(group.cells["a"][0], group.half_life_ms, group.landmark, rules.weight_floor)
    assert merged.due_ms >= expiry_ms - 1


def test_a_merge_never_lets_a_repeat_be_folded_twice() -> None:
    rules = rules_of(buckets=4)
    old, newer = purchase(1, T0_MS - 12 * HOUR_MS), purchase(2, T0_MS)
    forgot = folded([old, newer], rules)
    merged = merge(forgot, folded([purchase(3, T0_MS - 12 * HOUR_MS)], rules), rules)
    output = advance(merged, old, rules, NOW_MS)[1]
    assert output is DUPLICATE or output.__class__ is Refused


def test_profiles_folded_with_different_half_lives_merge_at_the_rules_half_life() -> None:
    slow, fast = rules_of(30 * DAY_MS), rules_of(DAY_MS)
    merged = merge(folded([purchase(1, category="a")], slow), folded([purchase(2, category="b")], fast), fast)
    group = merged.groups["spend"]
    read = {tag: weight_at(cell[0], T0_MS, group.half_life_ms, group.landmark) for tag, cell in group.cells.items()}
    assert read == pytest.approx({"a": 2.0, "b": 2.0}, rel=1e-9)


def test_merging_keeps_the_evidence_time_of_a_numeric_cell_whose_weight_underflowed() -> None:
    mine, more = [1.0, 5.0, 0.0, 100.0], [0.0, 7.0, 0.0, 200.0]
    weighted_welford.merge(mine, more)
    assert mine == [1.0, 5.0, 0.0, 200.0]


def registered(*said: tuple[int, int, str]) -> Profile:
    """A profile of (number, time, plan) with the plan as a fact."""
    profile = Profile(consents={"necessary": (1, 1, 1)})
    for number, time_ms, plan in said:
        bill = Billing("u", number, time_ms, "bill", 30.0, plan)
        assert advance(profile, bill, rules_of(), NOW_MS)[1].__class__ is Folded
    return profile


@pytest.mark.parametrize("swapped", [False, True])
def test_of_facts_the_newest_of_both_stays(swapped: bool) -> None:
    one = registered((1, T0_MS, "new"), (2, T0_MS - DAY_MS, "old"))
    other = registered((3, T0_MS - 1, "older"), (4, T0_MS - 2 * DAY_MS, "oldest"))
    merged = merge(*((other, one) if swapped else (one, other)), rules_of())
    assert merged.groups["plan"].cells.keys() == {"new"}
    assert merged.groups["plan"].cells["new"][-1] == T0_MS
    tied = merge(registered((1, T0_MS, "a")), registered((2, T0_MS, "b")), rules_of())
    assert tied.groups["plan"].cells.keys() == {"b"}  # as if folded: the later name


def test_a_fact_merged_in_weighs_what_it_did() -> None:
    merged = merge(Profile(), registered((1, T0_MS, "new")), rules_of())
    group = merged.groups["plan"]
    assert weight_at(group.cells["new"][0], T0_MS, group.half_life_ms, group.landmark) == pytest.approx(1.0, rel=1e-12)


def test_of_decisions_the_newest_of_both_counts_and_at_one_instant_the_withdrawal() -> None:
    mine = Profile(consents={"a": (5, 1, 1), "b": (5, 1, 1), "c": (5, 1, 1), "d": (5, 1, 1)})
    more = Profile(consents={"a": (6, 0, 1), "b": (4, 0, 1), "c": (5, 0, 1), "e": (1, 1, 1)})
    merged = merge(mine, more, rules_of())
    assert merged.consents == {"a": (6, 0, 1), "b": (5, 1, 1), "c": (5, 0, 1), "d": (5, 1, 1), "e": (1, 1, 1)}


def test_the_later_erasure_and_the_higher_generation_stay_and_links_are_not_merged() -> None:
    mine = Profile(generation=1, erased_ms=5, links=[(1, "p")])
    merged = merge(mine, Profile(generation=2, erased_ms=4, links=[(2, "q")]), rules_of())
    assert (merged.generation, merged.erased_ms, merged.links) == (2, 5, [(1, "p")])


def test_memories_are_merged_and_one_alone_is_kept() -> None:
    one = Profile(memory=PersonMemory(lifecycle=LifecycleMemory(1, 10, 2.0, 3.0)))
    other = Profile(memory=PersonMemory(lifecycle=LifecycleMemory(2, 10, 4.0, 5.0)))
    merged = merge(deepcopy(one), other, rules_of())
    assert merged.memory == PersonMemory(lifecycle=LifecycleMemory(1, 10, 6.0, 8.0))
    assert merge(Profile(), deepcopy(one), rules_of()).memory == one.memory
    assert merge(deepcopy(one), Profile(), rules_of()).memory == one.memory
