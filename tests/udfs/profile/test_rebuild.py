"""Rebuilding: exact at once, and after the history has answered what the sum over all evidence says."""

from __future__ import annotations

from copy import deepcopy
from math import fsum, isclose, sqrt
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas import state
from schemas.drift_memory import DriftMemory
from schemas.drift_rules import DriftRules
from schemas.outputs import Alarm, PastPiece
from schemas.rules import GroupRule, Rules
from schemas.state import GroupState, Profile
from udfs.profile import cells, rebuild
from udfs.profile.decay import weight_at
from udfs.profile.expiry import due_ms_of
from udfs.profile.weighted_welford import deviation

DAY_MS = 86_400_000
T0_MS = 1_767_225_600_000
RULES = Rules(
    {
        "seen": GroupRule(7 * DAY_MS, numeric=False, rebuilt=True, watched=True),
        "used": GroupRule(30 * DAY_MS, numeric=False, rebuilt=True),
        "size": GroupRule(7 * DAY_MS, numeric=True, rebuilt=True),
        "kept": GroupRule(7 * DAY_MS, numeric=False),
        "bill": GroupRule(30 * DAY_MS, numeric=True),
    },
    max_tags_per_group=1_000,
)
NUMERIC = ("size", "bill")


class Piece(NamedTuple):
    group: str
    tag: str
    time_ms: int
    value: float


def fold(profile: Profile, piece: Piece, rules: Rules = RULES) -> None:
    """One event that is one piece of evidence."""
    rule = rules.groups[piece.group]
    group = profile.groups.setdefault(
        piece.group, GroupState(piece.time_ms // rule.half_life_ms, rule.half_life_ms, {})
    )
    cells.add(group, rule, piece.tag, piece.value, piece.time_ms, rules.max_tags_per_group)
    profile.n += 1
    profile.last_event_ms = max(profile.last_event_ms, piece.time_ms)


def alarm_of(profile: Profile, since_ms: int) -> Alarm:
    return Alarm("u", "shares", profile.last_event_ms, since_ms, 0, profile.n, 2.0, 0.3)


def begun(profile: Profile, since_ms: int, rules: Rules = RULES) -> Alarm:
    if profile.drift is None:
        profile.drift = DriftMemory()
    alarm = alarm_of(profile, since_ms)
    rebuild.begin(profile, alarm, rules)
    return alarm


def numbers_of(profile: Profile) -> list[float]:
    return [v for group in profile.groups.values() for cell in group.cells.values() for v in cell]


times_ms = st.integers(0, 120).map(lambda half_days: T0_MS + half_days * DAY_MS // 2)
pieces = st.builds(Piece, st.sampled_from(sorted(RULES.groups)), st.sampled_from("abc"), times_ms, st.integers(1, 90))
quick = settings(max_examples=80, deadline=None)


@quick
@given(st.lists(pieces, min_size=1, max_size=30), st.integers(0, 60))
def test_the_beginning_multiplies_by_a_power_of_two_to_the_bit(drawn: list[Piece], halvings: int) -> None:
    rules = replace(RULES, drift=DriftRules(rebuild_halvings=halvings))
    profile = Profile(drift=DriftMemory())
    for piece in drawn:
        fold(profile, piece)
    before = deepcopy(profile)
    alarm = begun(profile, T0_MS, rules)
    assert (alarm.factor, alarm.status, alarm.generation) == (2.0**-halvings, "provisional", 1)
    assert profile.generation == before.generation + 1
    assert profile.drift is not None
    assert profile.drift.pending is alarm
    for name, group in before.groups.items():
        factor = alarm.factor if RULES.groups[name].rebuilt else 1.0
        for tag, cell in group.cells.items():
            first, *rest, last = profile.groups[name].cells[tag]
            assert first == cell[0] * factor
            assert last == cell[-1]
            assert rest == ([cell[1], cell[2] * factor] if name in NUMERIC else [])
    assert profile.due_ms == due_ms_of(profile, rules)


def test_the_other_cell_is_down_weighted_too() -> None:
    rules = replace(RULES, max_tags_per_group=1)
    profile = Profile()
    for n, tag in enumerate("abcd"):
        fold(profile, Piece("seen", tag, T0_MS, 1.0 + n), rules)
        fold(profile, Piece("size", tag, T0_MS, 1.0 + n), rules)
    before = deepcopy(profile.groups)
    begun(profile, T0_MS, rules)
    for name in ("seen", "size"):
        mine, was = profile.groups[name].other, before[name].other
        assert mine is not None
        assert was is not None
        assert mine[0] == was[0] / 8


class Kept(NamedTuple):
    """A piece of evidence and what rebuilds leave of it."""

    piece: Piece
    number: int
    kept: float


def expected(all_kept: list[Kept], name: str, tag: str, at_ms: int) -> tuple[float, float, float]:
    """Weight, mean and deviation, summed over the evidence."""
    mine = [(k.piece, k.kept) for k in all_kept if (k.piece.group, k.piece.tag) == (name, tag)]
    weights = [kept * 2.0 ** (-(at_ms - p.time_ms) / RULES.groups[name].half_life_ms) for p, kept in mine]
    values = [p.value for p, _ in mine]
    if name not in NUMERIC:
        return fsum(w * v for w, v in zip(weights, values)), 0.0, 0.0
    total = fsum(weights)
    mean = fsum(w * v for w, v in zip(weights, values)) / total
    return total, mean, sqrt(fsum(w * (v - mean) ** 2 for w, v in zip(weights, values)) / total)


def assert_is(profile: Profile, evidence: list[Kept]) -> None:
    at_ms = profile.last_event_ms
    held = {(name, tag) for name, group in profile.groups.items() for tag in group.cells}
    assert held == {(k.piece.group, k.piece.tag) for k in evidence}
    for name, tag in held:
        group = profile.groups[name]
        cell = group.cells[tag]
        weight, mean, std = expected(evidence, name, tag, at_ms)
        assert isclose(weight_at(cell[0], at_ms, group.half_life_ms, group.landmark), weight, rel_tol=1e-9)
        if name in NUMERIC:
            assert isclose(cell[1], mean, rel_tol=1e-9)
            assert isclose(deviation(cell), std, rel_tol=1e-6, abs_tol=1e-5)


def rows_since(evidence: list[Kept], alarm: Alarm) -> list[PastPiece]:
    """What the history answers, before the alarm's own factor."""
    return [
        (k.piece.group, k.piece.tag, k.piece.time_ms, k.piece.value, k.kept)
        for k in evidence
        if RULES.groups[k.piece.group].rebuilt and k.number <= alarm.seq and k.piece.time_ms >= alarm.since_ms
    ]


def after(evidence: list[Kept], alarm: Alarm, refined: bool) -> list[Kept]:
    return [
        k._replace(kept=k.kept * alarm.factor)
        if RULES.groups[k.piece.group].rebuilt
        and k.number <= alarm.seq
        and not (refined and k.piece.time_ms >= alarm.since_ms)
        else k
        for k in evidence
    ]


Phase = tuple[list[Piece], int, list[Piece], bool]
phases = st.lists(
    st.tuples(
        st.lists(pieces, max_size=12), times_ms, st.lists(pieces, max_size=8), st.sampled_from([True, True, False])
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=80, deadline=None)
@given(phases, st.randoms(use_true_random=False))
def test_a_refined_profile_is_the_sum_over_its_evidence(story: list[Phase], random: object) -> None:
    """Evidence in any order of time; some arrives between alarm and answer; earlier rebuilds were refined or not."""
    profile = Profile(drift=DriftMemory())
    evidence: list[Kept] = []
    for before, since_ms, between, refined in story:
        for piece in before:
            fold(profile, piece)
            evidence.append(Kept(piece, profile.n, 1.0))
        alarm = begun(profile, since_ms)
        rows = rows_since(evidence, alarm)
        evidence = after(evidence, alarm, refined)
        for piece in between:
            fold(profile, piece)
            evidence.append(Kept(piece, profile.n, 1.0))
        if refined:
            random.shuffle(rows)  # type: ignore[attr-defined]
            profile = state.decode(state.encode(profile))
            rebuild.refine(profile, rows, RULES)
            assert profile.drift is not None
            assert profile.drift.pending is None
        assert_is(profile, evidence)
        assert profile.due_ms >= due_ms_of(profile, RULES) or not refined


def test_a_late_event_from_before_the_change_that_comes_after_the_alarm_counts_in_full() -> None:
    profile = Profile()
    fold(profile, Piece("seen", "a", T0_MS, 8.0))
    fold(profile, Piece("seen", "a", T0_MS + 7 * DAY_MS, 8.0))
    begun(profile, T0_MS + 5 * DAY_MS)
    fold(profile, Piece("seen", "a", T0_MS, 16.0))
    rebuild.refine(profile, [("seen", "a", T0_MS + 7 * DAY_MS, 8.0, 1.0)], RULES)
    group = profile.groups["seen"]
    assert weight_at(group.cells["a"][0], T0_MS + 7 * DAY_MS, group.half_life_ms, group.landmark) == 0.5 + 8.0 + 8.0


def test_what_earlier_rebuilds_have_left_is_given_back_as_that() -> None:
    profile = Profile()
    fold(profile, Piece("used", "a", T0_MS, 64.0))
    begun(profile, T0_MS + 1)
    begun(profile, T0_MS)
    [scaled, _] = profile.groups["used"].cells["a"]
    rebuild.refine(profile, [("used", "a", T0_MS, 64.0, 0.125)], RULES)
    group = profile.groups["used"]
    assert isclose(group.cells["a"][0], 8 * scaled)
    assert weight_at(group.cells["a"][0], T0_MS, group.half_life_ms, group.landmark) == pytest.approx(8.0)


@pytest.mark.parametrize("name", ["seen", "size"])
@pytest.mark.parametrize("max_tags", [1, 2, 5])
def test_totals_stay_exact_where_tags_were_spilled(name: str, max_tags: int) -> None:
    rules = replace(RULES, max_tags_per_group=max_tags)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        profile = Profile()
        drawn = [
            Piece(name, str(rng.integers(9)), T0_MS + int(rng.integers(40)) * DAY_MS, float(rng.integers(1, 50)))
            for _ in range(60)
        ]
        for piece in drawn[:40]:
            fold(profile, piece, rules)
        alarm = begun(profile, T0_MS + 20 * DAY_MS, rules)
        evidence = [Kept(piece, number, 1.0) for number, piece in enumerate(drawn, 1)]
        for piece in drawn[40:]:
            fold(profile, piece, rules)
        rebuild.refine(profile, rows_since(evidence, alarm), rules)
        group, at_ms = profile.groups[name], profile.last_event_ms
        assert len(group.cells) <= max_tags
        every = [*group.cells.values(), *([group.other] if group.other is not None else [])]
        held = weight_at(fsum(cell[0] for cell in every), at_ms, group.half_life_ms, group.landmark)
        one_tag = [k._replace(piece=k.piece._replace(tag="all")) for k in after(evidence, alarm, True)]
        total, mean, _ = expected(one_tag, name, "all", at_ms)
        assert isclose(held, total, rel_tol=1e-9)
        if name == "size":
            assert isclose(fsum(c[0] * c[1] for c in every) / fsum(c[0] for c in every), mean, rel_tol=1e-9)


def test_a_group_withdrawn_from_the_profile_meanwhile_is_made_of_the_rows_alone() -> None:
    profile = Profile()
    fold(profile, Piece("kept", "a", T0_MS, 1.0))
    begun(profile, T0_MS)
    rebuild.refine(profile, [("seen", "a", T0_MS, 8.0, 1.0), ("seen", "a", T0_MS, 8.0, 0.5)], RULES)
    group = profile.groups["seen"]
    assert weight_at(group.cells["a"][0], T0_MS, group.half_life_ms, group.landmark) == pytest.approx(7.0 + 3.5)


def test_another_half_life_in_force_by_then_is_taken_over() -> None:
    profile = Profile()
    fold(profile, Piece("seen", "a", T0_MS, 8.0))
    begun(profile, T0_MS)
    groups = {**RULES.groups, "seen": replace(RULES.groups["seen"], half_life_ms=DAY_MS)}
    rebuild.refine(profile, [("seen", "a", T0_MS, 8.0, 1.0)], replace(RULES, groups=groups))
    group = profile.groups["seen"]
    assert group.half_life_ms == DAY_MS
    assert weight_at(group.cells["a"][0], T0_MS + DAY_MS, DAY_MS, group.landmark) == pytest.approx(4.0)


def test_no_rows_leave_the_provisional_profile() -> None:
    profile = Profile()
    fold(profile, Piece("seen", "a", T0_MS, 8.0))
    begun(profile, T0_MS + DAY_MS)
    before = deepcopy(profile.groups)
    rebuild.refine(profile, [], RULES)
    assert profile.groups == before


def test_refining_what_does_not_wait_is_an_error_that_names_nobody() -> None:
    for profile in (Profile(), Profile(drift=DriftMemory())):
        with pytest.raises(ValueError, match=r"^no rebuild of this profile waits for the history$"):
            rebuild.refine(profile, [("seen", "a", T0_MS, 1.0, 1.0)], RULES)
        assert profile.groups == {}


def test_a_second_alarm_takes_the_place_of_one_that_waits() -> None:
    profile = Profile()
    fold(profile, Piece("seen", "a", T0_MS, 64.0))
    begun(profile, T0_MS)
    second = begun(profile, T0_MS + 1)
    assert profile.drift is not None
    assert profile.drift.pending is second
    assert (profile.generation, second.generation) == (2, 2)
    group = profile.groups["seen"]
    assert weight_at(group.cells["a"][0], T0_MS, group.half_life_ms, group.landmark) == pytest.approx(1.0)
