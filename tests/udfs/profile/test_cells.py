"""Cells of a group: the direct formula, exact shifts, the cap, and a change of half-life."""

from __future__ import annotations

from collections import Counter
from math import fsum, isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.rules import GroupRule
from schemas.state import GroupState
from udfs.profile import cells
from udfs.profile.decay import landmark_of, weight_at

DAY_MS = 86_400_000
T0_MS = 1_767_225_600_000  # 2026-01-01 UTC
HALF_LIFE_MS = 7 * DAY_MS
WEIGHT = GroupRule(HALF_LIFE_MS, numeric=False)
NUMERIC = GroupRule(HALF_LIFE_MS, numeric=True)
NO_CAP = 10**9

Evidence = tuple[str, float, int]
quick = settings(max_examples=100, deadline=None)
times_ms = st.integers(T0_MS - 400 * DAY_MS, T0_MS)
evidence = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([0.0, 1e-9, 1.0, 2.5, 1e6]), times_ms),
    min_size=1,
    max_size=40,
)


def group_of(events: list[Evidence], rule: GroupRule = WEIGHT, max_tags: int = NO_CAP) -> GroupState:
    group = GroupState(landmark_of(events[0][2], rule.half_life_ms), rule.half_life_ms, {})
    for tag, value, time_ms in events:
        cells.add(group, rule, tag, value, time_ms, max_tags)
    return group


def read(group: GroupState, scaled: float, at_ms: int = T0_MS) -> float:
    return weight_at(scaled, at_ms, group.half_life_ms, group.landmark)


def direct(events: list[Evidence], at_ms: int = T0_MS) -> dict[str, float]:
    tags = {tag for tag, _, _ in events}
    return {tag: fsum(v * 2.0 ** (-(at_ms - t) / HALF_LIFE_MS) for name, v, t in events if name == tag) for tag in tags}


@quick
@given(evidence)
def test_every_tag_reads_as_the_direct_formula(events: list[Evidence]) -> None:
    group = group_of(events)
    expected = direct(events)
    assert group.cells.keys() == expected.keys()
    for tag, cell in group.cells.items():
        assert isclose(read(group, cell[0]), expected[tag], rel_tol=1e-12)
        assert cell[-1] == max(t for name, _, t in events if name == tag)


@quick
@given(evidence, st.integers(0, 300), st.integers(0, 300), st.booleans())
def test_shifting_cells_then_reading_is_bit_for_bit_reading(
    events: list[Evidence], a: int, b: int, numeric: bool
) -> None:
    rule = NUMERIC if numeric else WEIGHT
    still, moved = group_of(events, rule), group_of(events, rule)
    still.other, moved.other = [8.0, 1.0, 2.0, 3.0], [8.0, 1.0, 2.0, 3.0]
    cells.shift_to(moved, numeric, moved.landmark + a)
    cells.shift_to(moved, numeric, moved.landmark + b)
    assert moved.landmark == still.landmark + a + b
    for mine, theirs in zip([*still.cells.values(), still.other], [*moved.cells.values(), moved.other], strict=True):
        assert read(still, mine[0]).hex() == read(moved, theirs[0]).hex()
        if numeric:
            assert mine[1] == theirs[1]
            assert read(still, mine[2]).hex() == read(moved, theirs[2]).hex()


@quick
@given(evidence, st.integers(1, 7), st.booleans())
def test_beyond_the_cap_the_total_is_exact_and_kept_tags_miss_at_most_other(
    events: list[Evidence], max_tags: int, numeric: bool
) -> None:
    group = group_of(events, NUMERIC if numeric else WEIGHT, max_tags)
    true = {tag: fsum(2.0 ** (-(T0_MS - t) / HALF_LIFE_MS) for n, _, t in events if n == tag) for tag in direct(events)}
    if not numeric:
        true = direct(events)
    assert len(group.cells) <= max_tags
    other = read(group, group.other[0]) if group.other else 0.0
    kept = {tag: read(group, cell[0]) for tag, cell in group.cells.items()}
    assert isclose(fsum(kept.values()) + other, fsum(true.values()), rel_tol=1e-12, abs_tol=1e-300)
    assert (group.other is not None) == (len(true) > max_tags)
    for tag, weight in kept.items():
        assert true[tag] - other - 1e-12 * true[tag] <= weight <= true[tag] * (1 + 1e-12)


def test_the_lightest_tag_is_spilled_and_ties_are_broken_by_name() -> None:
    group = group_of([("b", 1.0, T0_MS), ("a", 1.0, T0_MS), ("heavy", 5.0, T0_MS)], max_tags=2)
    assert set(group.cells) == {"b", "heavy"}
    assert group.other is not None
    assert isclose(read(group, group.other[0]), 1.0, rel_tol=1e-12)


def test_evidence_for_a_tag_that_is_spilled_at_once_returns_the_other_cell() -> None:
    group = group_of([("a", 3.0, T0_MS), ("b", 2.0, T0_MS)], max_tags=2)
    cell = cells.add(group, WEIGHT, "light", 1.0, T0_MS + 5, 2)
    assert cell is group.other
    assert cell[-1] == T0_MS + 5
    assert set(group.cells) == {"a", "b"}


def test_spilled_numeric_tags_keep_mean_and_deviation_of_all_their_values() -> None:
    rule = GroupRule(HALF_LIFE_MS, numeric=True)
    landmark_ms = landmark_of(T0_MS, HALF_LIFE_MS) * HALF_LIFE_MS
    events = [("a", 9.0, landmark_ms)] * 3 + [("b", 2.0, landmark_ms), ("c", 4.0, landmark_ms)]
    group = group_of(events, rule, max_tags=1)
    assert group.cells["a"] == [3.0, 9.0, 0.0, landmark_ms]
    assert group.other == [2.0, 3.0, 2.0, landmark_ms]


def test_bug_kumulant_45_zero_valued_evidence_changes_no_weight() -> None:
    group = group_of([("a", 3.0, T0_MS), ("b", 2.0, T0_MS)], max_tags=2)
    before = {tag: cell[0] for tag, cell in group.cells.items()}
    cells.add(group, WEIGHT, "a", 0.0, T0_MS, 2)
    cells.add(group, WEIGHT, "new", 0.0, T0_MS, 2)
    assert {tag: cell[0] for tag, cell in group.cells.items()} == before
    assert group.other == [0.0, T0_MS]


@pytest.mark.parametrize("value", [5e-324, -2.5, 1e-300])
def test_negative_and_tiny_values_are_plain_terms_of_the_sum(value: float) -> None:
    landmark_ms = landmark_of(T0_MS, HALF_LIFE_MS) * HALF_LIFE_MS
    group = group_of([("a", value, landmark_ms)])
    assert group.cells["a"] == [value, landmark_ms]
    cells.add(group, WEIGHT, "a", -value, landmark_ms, NO_CAP)
    assert group.cells["a"][0] == 0.0


@pytest.mark.parametrize("half_life_ms", [3_600_000, DAY_MS])
def test_after_ten_idle_years_the_past_is_zero_and_the_next_event_counts_right(half_life_ms: int) -> None:
    later_ms = T0_MS + 3_653 * DAY_MS
    for rule in (GroupRule(half_life_ms, numeric=False), GroupRule(half_life_ms, numeric=True)):
        group = group_of([("old", 1e12, T0_MS), ("both", 7.0, T0_MS)], rule)
        cells.add(group, rule, "both", 3.0, later_ms, NO_CAP)
        assert group.cells["old"][0] == 0.0
        assert isclose(read(group, group.cells["both"][0], later_ms), 1.0 if rule.numeric else 3.0, rel_tol=1e-12)
        if rule.numeric:
            assert group.cells["both"][1:3] == [3.0, 0.0]


def test_evidence_arriving_ten_years_late_adds_nothing_and_overflows_nothing() -> None:
    group = group_of([("a", 2.0, T0_MS)], GroupRule(DAY_MS, numeric=False))
    before = group.cells["a"][0]
    cells.add(group, GroupRule(DAY_MS, numeric=False), "a", 1e300, T0_MS - 3_653 * DAY_MS, NO_CAP)
    assert group.cells["a"] == [before, T0_MS]


@quick
@given(evidence, st.integers(60_000, 10_000 * DAY_MS), st.booleans())
def test_a_changed_half_life_keeps_every_weight_at_the_instant_of_change(
    events: list[Evidence], half_life_ms: int, numeric: bool
) -> None:
    group = group_of(events, NUMERIC if numeric else WEIGHT)
    group.other = [8.0, 1.0, 2.0, 3.0] if numeric else [8.0, 1.0]
    every = [*group.cells.values(), group.other]
    before = [(read(group, cell[0]), cell[1] if numeric else 0.0) for cell in every]
    cells.change_half_life(group, GroupRule(half_life_ms, numeric), T0_MS)
    assert (group.half_life_ms, group.landmark) == (half_life_ms, landmark_of(T0_MS, half_life_ms))
    for cell, (weight, mean) in zip(every, before, strict=True):
        assert isclose(read(group, cell[0]), weight, rel_tol=1e-12)
        assert isclose(read(group, cell[0], T0_MS + half_life_ms), weight / 2, rel_tol=1e-12)
        if numeric:
            assert cell[1] == mean


def test_a_group_counter_of_uses_equals_counting_when_nothing_has_decayed() -> None:
    landmark_ms = landmark_of(T0_MS, HALF_LIFE_MS) * HALF_LIFE_MS
    names = "abracadabra"
    group = group_of([(name, 1.0, landmark_ms) for name in names])
    assert {tag: cell[0] for tag, cell in group.cells.items()} == Counter(names)


moments = st.integers(T0_MS - 3, T0_MS)
facts = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([0.5, 1.0]), moments), min_size=1, max_size=9)


@quick
@given(facts, st.randoms(use_true_random=False))
def test_of_facts_the_newest_stays_in_any_order(events: list[Evidence], random: object) -> None:
    # one value for each tag and instant: which of two stays is not for the order to say
    events = list({(tag, time_ms): (tag, value, time_ms) for tag, value, time_ms in events}.values())
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    groups = []
    for order in (events, shuffled):
        group = GroupState(landmark_of(order[0][2], HALF_LIFE_MS), HALF_LIFE_MS, {})
        for tag, value, time_ms in order:
            scaled = cells.replace(group, tag, value, time_ms)
            assert [scaled] == [cell[0] for cell in group.cells.values()]
        groups.append(group)
    assert groups[0] == groups[1]
    newest, value, time_ms = max(events, key=lambda each: (each[2], each[0]))
    assert groups[0].cells.keys() == {newest}
    assert groups[0].cells[newest][-1] == time_ms
    assert isclose(read(groups[0], groups[0].cells[newest][0], time_ms), value, rel_tol=1e-12)
