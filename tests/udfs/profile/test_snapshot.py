"""The hot view: weights as of the newest event, nothing below the floor, an expiry no replay can shorten."""

from __future__ import annotations

from math import isclose, sqrt

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import AppUse, Purchase
from schemas.rules import GroupRule, Rules
from schemas.state import Profile
from udfs.profile.advance import advance
from udfs.profile.snapshot import snapshot, version_of
from udfs.tags import GROUPS

DAY_MS = 86_400_000
T0_MS = 1_767_225_600_000  # 2026-01-01 UTC
NOW_MS = T0_MS + 30 * DAY_MS


def rules_of(half_life_ms: int = DAY_MS, max_tags: int = 256, retention_ms: int = 30 * DAY_MS) -> Rules:
    groups = {
        name: GroupRule(half_life_ms, group.kind == "numeric", group.kind == "fact", group.purpose)
        for name, group in GROUPS.items()
    }
    return Rules(groups, max_tags_per_group=max_tags, dedup_buckets=10**6, hot_retention_ms=retention_ms)


def folded(rules: Rules, *events: Purchase | AppUse) -> Profile:
    profile = Profile(last_write_ms=NOW_MS, consents={"profiling": (1, 1, 1)})
    for event in events:
        advance(profile, event, rules, NOW_MS)
    assert profile.n == len(events)
    return profile


def purchase(event_id: int, time_ms: int, category: str, spend: float) -> Purchase:
    return Purchase("u", event_id, time_ms, category, 1.0, spend)


def test_a_snapshot_holds_every_tags_weight_at_the_newest_event() -> None:
    rules = rules_of()
    profile = folded(rules, purchase(1, T0_MS, "tea", 8.0), purchase(2, T0_MS + DAY_MS, "milk", 3.0))
    hot = snapshot("u", profile, rules)
    assert (hot.user, hot.as_of_ms) == ("u", T0_MS + DAY_MS)
    expected = {
        "quantity:tea": 0.5,
        "quantity:milk": 1.0,
        "spend:tea": 4.0,
        "spend:milk": 3.0,
        "line_spend:all": 1.5,
        "line_spend:all.mean": (8.0 * 0.5 + 3.0) / 1.5,
        "line_spend:all.std": sqrt((0.5 * (8 - 14 / 3) ** 2 + (3 - 14 / 3) ** 2) / 1.5),
    }
    assert hot.weights.keys() == expected.keys()
    for field, weight in expected.items():
        assert isclose(hot.weights[field], weight, rel_tol=1e-12), field
    assert hot.other == {}
    assert hot.last_evidence_ms == {
        "quantity:tea": T0_MS,
        "spend:tea": T0_MS,
        "quantity:milk": T0_MS + DAY_MS,
        "spend:milk": T0_MS + DAY_MS,
        "line_spend:all": T0_MS + DAY_MS,
    }


def test_tags_below_the_floor_are_gone_with_their_times() -> None:
    rules = rules_of()  # floor 1e-6 is 19.93 half-lives below 1
    profile = folded(rules, purchase(1, T0_MS, "old", 1.0), purchase(2, T0_MS + 20 * DAY_MS, "new", 1.0))
    hot = snapshot("u", profile, rules)
    assert {"spend:new", "quantity:new"} <= hot.weights.keys()
    assert not {"spend:old", "quantity:old"} & hot.weights.keys()
    assert hot.last_evidence_ms.keys() == {"spend:new", "quantity:new", "line_spend:all"}
    profile = folded(rules, purchase(1, T0_MS, "old", 1.0), purchase(2, T0_MS + 19 * DAY_MS, "new", 1.0))
    assert isclose(snapshot("u", profile, rules).weights["spend:old"], 2.0**-19, rel_tol=1e-12)


def test_bug_sigmap_657_a_mean_does_not_decay_towards_zero_with_its_weight() -> None:
    rules = rules_of()
    profile = folded(rules, purchase(1, T0_MS, "tea", 8.0), purchase(2, T0_MS + 1, "tea", 4.0))
    app = AppUse("u", 3, T0_MS + 10 * DAY_MS, "maps", "travel", 0, 0)
    advance(profile, app, rules, NOW_MS)
    hot = snapshot("u", profile, rules)
    assert isclose(hot.weights["line_spend:all"], 2 * 2.0**-10, rel_tol=1e-7)
    assert isclose(hot.weights["line_spend:all.mean"], 6.0, rel_tol=1e-7)
    assert isclose(hot.weights["line_spend:all.std"], 2.0, rel_tol=1e-7)


def test_a_mean_of_exactly_zero_is_shown() -> None:
    rules = rules_of()
    hot = snapshot("u", folded(rules, AppUse("u", 1, T0_MS, "maps", "travel", 0, 0)), rules)
    assert isclose(hot.weights["flow_mb:all"], 1.0, rel_tol=1e-15)
    assert hot.weights["flow_mb:all.mean"] == 0.0
    assert hot.weights["flow_mb:all.std"] == 0.0


def test_the_weight_of_tags_beyond_the_cap_is_shown_as_other() -> None:
    rules = rules_of(max_tags=1)
    events = [purchase(1, T0_MS, "a", 5.0), purchase(2, T0_MS, "b", 2.0), purchase(3, T0_MS, "c", 1.0)]
    hot = snapshot("u", folded(rules, *events), rules)
    assert isclose(hot.weights["spend:a"], 5.0, rel_tol=1e-12)
    assert hot.other.keys() == {"spend", "quantity"}
    assert isclose(hot.other["spend"], 3.0, rel_tol=1e-12)


def test_a_snapshot_expires_when_the_last_tag_does_but_never_before_the_retention() -> None:
    event = purchase(1, T0_MS, "tea", 1.0)
    short, long = rules_of(1000), rules_of(365 * DAY_MS)
    assert snapshot("u", folded(short, event), short).expires_at_ms == NOW_MS + 30 * DAY_MS
    kept = snapshot("u", folded(long, event), long).expires_at_ms
    assert isclose(kept, T0_MS + 365 * DAY_MS * 19.931568569324174, rel_tol=1e-9)


def test_a_snapshot_depends_on_the_events_not_on_their_order_or_the_clock() -> None:
    rules = rules_of()
    events = [purchase(number, T0_MS + number * 7_000_000, "abc"[number % 3], 2.0) for number in range(9)]
    one = snapshot("u", folded(rules, *events), rules)
    other = snapshot("u", folded(rules, *events[::-1]), rules)
    assert (one.version, one.as_of_ms, one.last_evidence_ms) == (other.version, other.as_of_ms, other.last_evidence_ms)
    assert one.weights.keys() == other.weights.keys()
    for field, weight in one.weights.items():
        assert isclose(weight, other.weights[field], rel_tol=1e-12, abs_tol=1e-12)


@settings(max_examples=200, deadline=None)
@given(*[st.tuples(st.integers(0, 10**10 - 1), st.integers(0, 2**63 - 1))] * 2)
def test_versions_compare_as_text_as_their_numbers_do(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (version_of(*one) < version_of(*other)) == (one < other)
    assert (version_of(*one) == version_of(*other)) == (one == other)
