"""`advance` by its promises: order does not matter, repeats and refusals change nothing, weights are the formula."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from math import ceil, fsum, isclose, isfinite
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import state
from schemas.dictionaries import App, Dictionaries
from schemas.events import AppUse, Consent, Event, Purchase, RightsRequest
from schemas.outputs import Evidence
from schemas.person_memory import PersonMemory
from schemas.reasons import Reason
from schemas.rules import GroupRule, Rules
from schemas.state import GroupState, Profile
from udfs.cleaning import Correction
from udfs.profile.advance import advance
from udfs.profile.decay import expires_at_ms, weight_at
from udfs.profile.output import DUPLICATE, ERASED, Folded, Refused
from udfs.tags import GROUPS, evidence_of, families_of

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
T0_MS = 1_767_225_600_000  # 2026-01-01 UTC
NOW_MS = T0_MS + DAY_MS
EVERYTHING = 10**9  # a horizon or cap that nothing reaches

quick = settings(max_examples=60, deadline=None)


def rules_of(half_life_ms: int, **limits: int) -> Rules:
    groups = {
        name: GroupRule(half_life_ms, group.kind == "numeric", group.kind == "fact", group.purpose)
        for name, group in GROUPS.items()
    }
    wide = {"dedup_buckets": EVERYTHING, "dedup_max_ids": EVERYTHING, "max_tags_per_group": EVERYTHING}
    return Rules(groups, **{**wide, **limits})


WEEK = rules_of(7 * DAY_MS)

half_lives_ms = st.sampled_from([MINUTE_MS, HOUR_MS, 7 * DAY_MS, 2_500 * DAY_MS, 10_000 * DAY_MS])
times_ms = st.integers(T0_MS - 400 * DAY_MS, T0_MS)
amounts = st.sampled_from([0.0, 1e-12, 0.5, 1.0, 3.25, 1e9])
purchases = st.builds(Purchase, st.just("u"), st.just(0), times_ms, st.sampled_from("abcdef"), amounts, amounts)
app_uses = st.builds(
    AppUse,
    st.just("u"),
    st.just(0),
    times_ms,
    st.sampled_from("vwxyz"),
    st.sampled_from(["video", "news"]),
    st.integers(0, 2**40),
    st.integers(0, 2**40),
)


def numbered(events: list[Event]) -> list[Event]:
    for number, event in enumerate(events):
        event.event_id = number
    return events


logs = st.lists(purchases | app_uses, min_size=1, max_size=25).map(numbered)


def folded(events: Iterable[Event], rules: Rules = WEEK) -> Profile:
    profile = consenting()
    for event in events:
        profile, output, _ = advance(profile, event, rules, NOW_MS)
        assert output.__class__ is Folded
    return profile


def consenting() -> Profile:
    """A profile of someone who has consented to what the events of this file are used for."""
    return Profile(consents={"necessary": (1, 1, 1), "profiling": (1, 1, 1)})


def evidence_in(event: Event) -> tuple[Evidence, ...]:
    """All evidence of an event of these kinds; none of their families remembers anything."""
    return evidence_of(event, families_of(event), PersonMemory(), WEEK)


def weights(profile: Profile, at_ms: int) -> dict[str, float]:
    return {
        f"{name}:{tag}": weight_at(cell[0], at_ms, group.half_life_ms, group.landmark)
        for name, group in profile.groups.items()
        for tag, cell in group.cells.items()
    }


def purchase(event_id: int = 1, time_ms: int = T0_MS, category: str = "a", spend: float = 2.0) -> Purchase:
    return Purchase("u", event_id, time_ms, category, 1.0, spend)


def assert_same_group(mine: GroupState, theirs: GroupState, numeric: bool, largest: float) -> None:
    assert (mine.landmark, mine.half_life_ms) == (theirs.landmark, theirs.half_life_ms)
    assert mine.cells.keys() == theirs.cells.keys()
    for tag, cell in mine.cells.items():
        other = theirs.cells[tag]
        assert isclose(cell[0], other[0], rel_tol=1e-12, abs_tol=1e-290)
        assert cell[-1] == other[-1]
        if numeric and cell[0] > 1e-290:
            assert abs(cell[1] - other[1]) <= 1e-12 * largest
            assert abs(cell[2] - other[2]) <= 1e-12 * cell[0] * largest**2


def largest_value(events: Iterable[Event]) -> float:
    return max(abs(value) for event in events for _, _, value in evidence_in(event))


@quick
@given(logs, half_lives_ms, st.randoms(use_true_random=False))
def test_any_order_of_the_events_gives_the_same_profile(events: list[Event], half_life_ms: int, random: object) -> None:
    rules = rules_of(half_life_ms)
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = folded(events, rules), folded(shuffled, rules)
    assert one.groups.keys() == other.groups.keys()
    for name, group in one.groups.items():
        assert_same_group(group, other.groups[name], rules.groups[name].numeric, largest_value(events))
    assert (one.n, one.first_event_ms, one.last_event_ms) == (other.n, other.first_event_ms, other.last_event_ms)
    assert one.n == len(events)
    assert one.first_event_ms == min(event.event_time_ms for event in events)
    assert one.last_event_ms == max(event.event_time_ms for event in events)


@quick
@given(logs, half_lives_ms, st.integers(0, 100 * DAY_MS))
def test_every_weight_is_the_direct_formula(events: list[Event], half_life_ms: int, later_ms: int) -> None:
    profile = folded(events, rules_of(half_life_ms))
    at_ms = profile.last_event_ms + later_ms
    terms: dict[str, list[float]] = {}
    for event in events:
        for group, tag, value in evidence_in(event):
            amount = 1.0 if GROUPS[group].kind == "numeric" else value
            age = (at_ms - event.event_time_ms) / half_life_ms
            terms.setdefault(f"{group}:{tag}", []).append(amount * 2.0**-age)
    read = weights(profile, at_ms)
    assert read.keys() == terms.keys()
    for tag, weight in read.items():
        assert isclose(weight, fsum(terms[tag]), rel_tol=1e-12, abs_tol=1e-290)


@quick
@given(logs, st.data())
def test_an_exact_repeat_is_a_duplicate_and_changes_nothing(events: list[Event], data: st.DataObject) -> None:
    profile = state.decode(state.encode(folded(events)))
    before = deepcopy(profile)
    for repeat in data.draw(st.permutations(events)):
        profile, output, due_ms = advance(profile, repeat, WEEK, NOW_MS)
        assert output is DUPLICATE
        assert due_ms == before.due_ms
    # ids are unpacked to sets while in use, so compare what is encoded
    state.encode(profile)
    assert {b: state.unpack_ids(ids) for b, ids in profile.seen.items()} == {
        b: state.unpack_ids(ids) for b, ids in before.seen.items()
    }
    before.seen = profile.seen
    assert profile == before


def test_an_exact_repeat_leaves_the_encoded_state_byte_for_byte_equal() -> None:
    for seed in range(30):
        ids = Random(seed)
        events = [purchase(ids.getrandbits(64)) for _ in range(20)]
        blob = state.encode(state.decode(state.encode(folded(events))))
        profile, output, _ = advance(state.decode(blob), events[0], WEEK, NOW_MS)
        assert output is DUPLICATE
        assert state.encode(profile) == blob


def test_encoding_is_the_same_whether_or_not_the_profile_was_decoded_in_between() -> None:
    blob = state.encode(folded([purchase()]))
    assert state.encode(state.decode(blob)) == blob


@quick
@given(logs, st.integers(1, 10**13))
def test_a_future_event_is_refused_and_changes_nothing(events: list[Event], ahead_ms: int) -> None:
    profile = folded(events)
    before = deepcopy(profile)
    late_ms = NOW_MS + WEEK.future_tolerance_ms + ahead_ms
    profile, output, due_ms = advance(profile, purchase(10**6, late_ms), WEEK, NOW_MS)
    assert output == Refused(Reason.TIME_IN_FUTURE)
    assert profile == before
    assert due_ms == before.due_ms


@pytest.mark.parametrize(
    ("time_ms", "reason"),
    [
        (NOW_MS + HOUR_MS + 1, Reason.TIME_IN_FUTURE),
        (2**63 - 1, Reason.TIME_IN_FUTURE),
        (10**30, Reason.TIME_IN_FUTURE),
        (946_684_799_999, Reason.TIME_BEFORE_MINIMUM),
        (0, Reason.TIME_BEFORE_MINIMUM),
        (-(2**63), Reason.TIME_BEFORE_MINIMUM),
    ],
)
def test_absurd_times_are_refused_with_their_reason(time_ms: int, reason: Reason) -> None:
    profile = folded([purchase()])
    before = deepcopy(profile)
    assert advance(profile, purchase(2, time_ms), WEEK, NOW_MS) == (before, Refused(reason), before.due_ms)


@pytest.mark.parametrize("time_ms", [NOW_MS + HOUR_MS, 946_684_800_000])
def test_times_on_the_limits_are_folded(time_ms: int) -> None:
    assert advance(Profile(), purchase(1, time_ms), WEEK, NOW_MS)[1].__class__ is Folded


def test_events_beyond_the_horizon_and_floods_are_refused_and_change_nothing() -> None:
    rules = rules_of(DAY_MS, dedup_buckets=2, max_events_per_bucket=1)
    profile = folded([purchase()], rules)
    before = deepcopy(profile)
    for event, reason in (
        (purchase(2, T0_MS - 3 * HOUR_MS), Reason.LATE_BEYOND_HORIZON),
        (purchase(2, T0_MS + 1), Reason.USER_FLOOD),
    ):
        assert advance(profile, event, rules, NOW_MS) == (before, Refused(reason), before.due_ms)


def test_the_evidence_returned_is_one_history_row_each() -> None:
    _, output, _ = advance(Profile(), purchase(category="tea", spend=2.5), WEEK, NOW_MS)
    assert output == Folded((("quantity", "tea", 1.0), ("spend", "tea", 2.5), ("line_spend", "all", 2.5)))


@pytest.mark.parametrize("half_life_ms", [HOUR_MS, DAY_MS])
def test_ten_idle_years_leave_a_clean_zero_and_the_next_event_counts_right(half_life_ms: int) -> None:
    rules = rules_of(half_life_ms)
    later_ms = T0_MS + 3_653 * DAY_MS
    profile = folded([purchase(1, spend=1e12), purchase(2, category="b", spend=5.0)], rules)
    profile, _, due_ms = advance(profile, purchase(3, later_ms, spend=4.0), rules, later_ms)
    read = weights(profile, later_ms)
    assert read["spend:b"] == 0.0
    assert isclose(read["spend:a"], 4.0, rel_tol=1e-12)
    assert isclose(read["line_spend:all"], 1.0, rel_tol=1e-12)
    assert profile.groups["line_spend"].cells["all"][1:3] == pytest.approx([4.0, 0.0], abs=1e-3)
    assert due_ms > later_ms
    assert all(isfinite(x) for group in profile.groups.values() for cell in group.cells.values() for x in cell)


def test_bug_kumulant_45_a_zero_weight_observation_changes_no_weight() -> None:
    profile = folded([purchase(1, spend=3.0), purchase(2, category="b", spend=2.0)])
    before = weights(profile, T0_MS)
    advance(profile, Purchase("u", 3, T0_MS, "a", 0.0, 0.0), WEEK, NOW_MS)
    after = weights(profile, T0_MS)
    for tag in ("spend:a", "spend:b", "quantity:a", "quantity:b"):
        assert after[tag] == before[tag]


@pytest.mark.parametrize("days", [2_136, 10_000])
def test_bug_kumulant_45_half_lives_beyond_2135_days_fold_and_halve(days: int) -> None:
    profile = folded([purchase(spend=8.0)], rules_of(days * DAY_MS))
    assert isclose(weights(profile, T0_MS + days * DAY_MS)["spend:a"], 4.0, rel_tol=1e-12)
    assert profile.due_ms > T0_MS + 22 * days * DAY_MS


def test_bug_muninndb_766_sixty_folds_a_minute_apart_decay_as_one_hour() -> None:
    rules = rules_of(HOUR_MS)
    profile = folded([purchase(1, spend=8.0)], rules)
    for minute in range(1, 61):  # each fold of another tag passes over the group
        profile, _, _ = advance(profile, purchase(1 + minute, T0_MS + minute * MINUTE_MS, "b"), rules, NOW_MS)
    assert isclose(weights(profile, T0_MS + HOUR_MS)["spend:a"], 4.0, rel_tol=1e-12)


@quick
@given(logs, half_lives_ms)
def test_without_a_cap_nothing_is_above_the_floor_a_millisecond_after_due(
    events: list[Event], half_life_ms: int
) -> None:
    rules = rules_of(half_life_ms)
    profile = folded(events, rules)
    for group in profile.groups.values():
        for cell in group.cells.values():
            expiry_ms = expires_at_ms(cell[0], half_life_ms, group.landmark, rules.weight_floor)
            # float time and rounding of weights folded in another order: well under a millisecond and 1e-12
            assert profile.due_ms + 1 >= expiry_ms - 1e-11 * half_life_ms - 1e-3
    for weight in weights(profile, profile.due_ms + 1).values():
        assert weight <= rules.weight_floor * (1 + 1e-8)


def test_due_is_never_before_a_tags_expiry() -> None:
    profile = folded([purchase(spend=3.0)])
    latest_ms = max(
        expires_at_ms(cell[0], group.half_life_ms, group.landmark, WEEK.weight_floor)
        for group in profile.groups.values()
        for cell in group.cells.values()
    )
    assert profile.due_ms >= ceil(latest_ms)


def test_due_is_never_before_the_expiry_of_other() -> None:
    rules = rules_of(DAY_MS, max_tags_per_group=1)
    # each newcomer is heavier than the tag kept before, so it is always another tag that is spilled
    profile = folded(
        [purchase(number, category=f"{number:03d}", spend=1000 + number / 1e6) for number in range(64)], rules
    )
    group = profile.groups["spend"]
    assert group.other is not None
    left = weight_at(group.other[0], profile.due_ms + HOUR_MS, group.half_life_ms, group.landmark)
    assert left <= rules.weight_floor


@quick
@given(logs, st.integers(1, 3))
def test_with_a_cap_totals_are_exact_and_kept_tags_miss_at_most_other(events: list[Event], max_tags: int) -> None:
    capped = folded(events, rules_of(7 * DAY_MS, max_tags_per_group=max_tags))
    full = folded(events)
    for name, group in capped.groups.items():
        true = {tag: cell[0] for tag, cell in full.groups[name].cells.items()}
        assert group.landmark == full.groups[name].landmark
        other = group.other[0] if group.other else 0.0
        assert len(group.cells) <= max_tags
        assert isclose(fsum(c[0] for c in group.cells.values()) + other, fsum(true.values()), rel_tol=1e-12)
        for tag, cell in group.cells.items():
            assert true[tag] * (1 - 1e-12) - other <= cell[0] <= true[tag] * (1 + 1e-12)


def test_a_changed_half_life_keeps_the_weights_and_decays_them_anew() -> None:
    profile = folded([purchase(1, spend=8.0)], rules_of(30 * DAY_MS))
    halved = rules_of(DAY_MS)
    profile, output, _ = advance(profile, purchase(2, T0_MS + HOUR_MS, category="b"), halved, NOW_MS)
    assert output.__class__ is Folded
    assert profile.groups["spend"].half_life_ms == DAY_MS
    assert isclose(weights(profile, T0_MS)["spend:a"], 8.0, rel_tol=1e-12)
    assert isclose(weights(profile, T0_MS + DAY_MS)["spend:a"], 4.0, rel_tol=1e-12)


def test_a_finite_value_near_the_largest_double_does_not_stop_the_job() -> None:
    profile, _, due_ms = advance(Profile(), purchase(spend=1.7e308), WEEK, NOW_MS)
    assert isfinite(due_ms)
    assert all(isfinite(x) for group in profile.groups.values() for cell in group.cells.values() for x in cell)


def test_the_deviation_of_accepted_values_stays_finite() -> None:
    profile = folded([purchase(1, spend=1e15), purchase(2, spend=0.0)])
    assert all(isfinite(x) for x in profile.groups["line_spend"].cells["all"])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1.0000001e15])
def test_a_value_beyond_all_bounds_is_refused_and_its_repeat_is_a_duplicate(value: float) -> None:
    profile = folded([purchase()])
    before = deepcopy(profile)
    bad = Purchase("u", 2, T0_MS, "a", value, 1.0)
    _, output, due_ms = advance(profile, bad, WEEK, NOW_MS)
    assert output == Refused(Reason.VALUE_NOT_FINITE)
    assert due_ms == before.due_ms
    assert profile.seen != before.seen  # the values are looked at after the door, which remembers what it admits
    assert advance(profile, bad, WEEK, NOW_MS)[1] is DUPLICATE
    before.seen = profile.seen
    assert profile == before


def test_values_on_the_bounds_are_folded() -> None:
    assert advance(Profile(), Purchase("u", 1, T0_MS, "a", 1e15, 1e15), WEEK, NOW_MS)[1].__class__ is Folded


@pytest.mark.parametrize(
    "consents",
    [
        {},
        {"necessary": (1, 1, 1)},
        {"profiling": (1, 0, 1)},
        {"profiling": (1, 1, 0)},  # of a list that is no longer in force
    ],
    ids=["none", "another", "withdrawn", "outdated"],
)
def test_without_consent_an_event_is_refused_and_leaves_nothing_but_its_id(
    consents: dict[str, tuple[int, int, int]],
) -> None:
    profile = Profile(consents=dict(consents))
    before = deepcopy(profile)
    event = AppUse("u", 1, T0_MS, "app", "video", 1, 1)
    profile, output, due_ms = advance(profile, event, WEEK, NOW_MS)
    assert (output, due_ms) == (Refused(Reason.NO_CONSENT), 0)
    assert advance(profile, event, WEEK, NOW_MS)[1] is DUPLICATE
    assert (profile.n, profile.groups, profile.memory, profile.consents) == (0, {}, None, consents)
    for name in ("seen", "dedup_floor", "cleaning"):
        setattr(before, name, getattr(profile, name))
    assert profile == before


def test_panel_data_needs_no_consent_of_the_operators() -> None:
    assert advance(Profile(), purchase(), WEEK, NOW_MS)[1].__class__ is Folded


def test_a_withdrawal_takes_its_groups_and_says_which_and_leaves_the_others() -> None:
    profile = folded([purchase(), AppUse("u", 2, T0_MS, "app", "video", 1, 1)])
    before = deepcopy(profile)
    profile, output, _ = advance(profile, Consent("u", 3, T0_MS, "profiling", False, 1), WEEK, NOW_MS)
    # all of the purpose, also those that hold nothing now: the history may
    assert output == Folded((), ("rhythm", "app", "content", "flow_mb", "intent"))
    assert set(profile.groups) == {"quantity", "spend", "line_spend"}
    assert all(profile.groups[name] == before.groups[name] for name in profile.groups)
    assert profile.n == 3


def test_an_erasure_leaves_whose_it_is_and_when_it_was() -> None:
    profile = folded([purchase(), AppUse("u", 2, T0_MS, "app", "video", 1, 1)])
    profile.links = [(T0_MS, "p")]
    profile, output, due_ms = advance(profile, RightsRequest("u", 9, T0_MS + HOUR_MS, "erase", "case"), WEEK, NOW_MS)
    assert output is ERASED
    assert due_ms == 0
    seen, floor = deepcopy(profile.seen), profile.dedup_floor
    assert profile == Profile(1, links=[(T0_MS, "p")], seen=seen, dedup_floor=floor, erased_ms=T0_MS + HOUR_MS)
    profile.links = []  # of a linked identifier the person's profile decides
    for late in (purchase(3, T0_MS + HOUR_MS), purchase(), Consent("u", 4, T0_MS, "profiling", True, 1)):
        assert advance(profile, late, WEEK, NOW_MS)[1] == Refused(Reason.ERASED)
    assert profile == Profile(1, seen=seen, dedup_floor=floor, erased_ms=T0_MS + HOUR_MS)
    assert advance(profile, purchase(5, T0_MS + HOUR_MS + 1), WEEK, NOW_MS)[1].__class__ is Folded
    assert (profile.generation, profile.n) == (1, 1)


def test_asking_for_a_copy_changes_nothing_but_that_it_was_asked() -> None:
    profile = folded([purchase()])
    before = deepcopy(profile)
    request = RightsRequest("u", 9, T0_MS, "export", "case")
    profile, output, _ = advance(profile, request, WEEK, NOW_MS)
    assert output == Folded(())
    assert advance(profile, request, WEEK, NOW_MS)[1] is DUPLICATE
    before.seen = profile.seen
    assert profile == before


def test_what_cleaning_changed_is_said() -> None:
    corrections: list[str] = []
    dictionaries = Dictionaries(apps={"alias": App("The App", "video")})
    rules = msgspec.structs.replace(WEEK, dictionaries=dictionaries)
    _, output, _ = advance(consenting(), AppUse("u", 1, T0_MS, "Alias", "", 1, 1), rules, NOW_MS, corrections)
    assert isinstance(output, Folded)
    assert ("app", "The App", 1.0) in output.evidence
    assert ("content", "video", 1.0) in output.evidence
    assert corrections == [Correction.APP_NORMALISED, Correction.CATEGORY_FILLED]
