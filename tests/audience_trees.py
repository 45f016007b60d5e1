"""Made vocabularies, audience trees and profiles for the tests of audiences."""

from __future__ import annotations

from hypothesis import strategies as st

from schemas.dictionaries import App, Dictionaries, District
from schemas.settings import Settings
from schemas.state import GroupState, Profile
from serving.audience.tree import (
    Above,
    Every,
    MeanAbove,
    Node,
    Outside,
    Seen,
    ShareAbove,
    Some,
    Top,
    TopsDiffer,
)
from serving.audience.vocabulary import Vocabulary
from serving.audience.words import with_words
from udfs.profile.cells import add, replace
from udfs.tags import GROUPS

DAY_MS = 86_400_000
T0_MS = 1_767_225_600_000  # 2026-01-01 UTC

DICTIONARIES = Dictionaries(
    districts={
        # about 1 degree of latitude is 111 km
        "A3": District("business", "上海", 31.00, 121.00),
        "new district": District("new_estate", "上海", 31.02, 121.00),
        "Lujiazui": District("business", "上海", 31.04, 121.00),
        "东湖小区": District("residential", "上海", 31.50, 121.00),
        "O'Hare": District("airport", "上海", 31.52, 121.00),
    },
    apps={
        "wechat": App("WeChat", "social"),
        "抖音": App("抖音", "video"),
        "v.qq.com": App("v.qq.com", "video"),
        "qq music": App("QQ Music", "music"),
        "news": App("News", "news"),
        "games": App("Games", "games"),
        "shop": App("Shop", "shopping"),
        "homes": App("Homes", "property"),
    },
    keywords=(("二手房", "home_purchase"), ("试驾", "car_purchase")),
)
RULES = Settings().rules(GROUPS, DICTIONARIES)
PLAIN = Vocabulary(GROUPS, RULES)
VOCABULARY = with_words(PLAIN)

# of each kind of group some, with few enough tags for conditions to meet in a profile
TAGS = {
    "home": ("A3", "Lujiazui", "东湖小区", "O'Hare"),
    "work": ("A3", "Lujiazui", "new district"),
    "app": ("WeChat", "抖音", "v.qq.com", "QQ Music"),
    "content": ("social", "video", "other"),
    "commuter": ("all",),
    "bill": ("all",),
    "churn": ("all",),
    "plan": ("basic", "plus"),
    "segment": ("low", "mid", "high", "premium"),
}
NUMERIC = tuple(group for group in TAGS if GROUPS[group].kind == "numeric")
SHARED = ("home", "work", "app", "content")

_tags = st.sampled_from([(group, name) for group, names in TAGS.items() for name in names])
_levels = st.sampled_from([RULES.weight_floor, 0.1, 0.5, 1.0, 2.0, 3.5, 1e300]) | st.floats(1e-6, 100.0)
ATOMS: st.SearchStrategy[Node] = st.one_of(
    st.builds(lambda tag, level: Above(*tag, level), _tags, _levels),
    st.builds(
        MeanAbove,
        st.sampled_from(NUMERIC),
        st.just("all"),
        st.sampled_from([-1.5, 0.0, 0.5, 100.0]) | st.floats(-100, 100).map(lambda level: level + 0.0),
    ),
    st.builds(
        lambda tag, share: ShareAbove(*tag, share),
        _tags.filter(lambda tag: tag[0] in SHARED),
        st.sampled_from([0.25, 0.5, 1.0]) | st.floats(1e-3, 1.0),
    ),
    st.builds(lambda tag: Top(*tag), _tags),
    st.sampled_from([TopsDiffer("home", "work"), TopsDiffer("work", "home")]),
    st.builds(
        lambda tag, within_ms: Seen(*tag, within_ms),
        _tags,
        st.sampled_from([1, 1_500, 90_000, 36 * 3_600_000]) | st.integers(1, 400 * DAY_MS),
    ),
)
TREES: st.SearchStrategy[Node] = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=4).map(lambda of: Every(tuple(of))),
        st.lists(inner, min_size=2, max_size=4).map(lambda of: Some(tuple(of))),
        inner.map(Outside),
    ),
    max_leaves=12,
)
POSITIVE_TREES: st.SearchStrategy[Node] = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=4).map(lambda of: Every(tuple(of))),
        st.lists(inner, min_size=2, max_size=4).map(lambda of: Some(tuple(of))),
    ),
    max_leaves=8,
)

Evidence = tuple[tuple[str, str], float, int]
"""Tag, value, event time."""
EVIDENCE: st.SearchStrategy[list[Evidence]] = st.lists(
    st.tuples(
        _tags,
        st.sampled_from([0.2, 1.0, 1.0, 2.0, 100.0]) | st.floats(0.0, 200.0),
        st.integers(T0_MS - 200 * DAY_MS, T0_MS),
    ),
    max_size=25,
)


def profile_of(evidence: list[Evidence]) -> Profile:
    """A profile with this evidence folded in, as the jobs fold it; its newest event is at T0."""
    profile = Profile(n=len(evidence), last_event_ms=T0_MS)
    for (group, tag), value, time_ms in sorted(evidence, key=lambda each: each[2]):
        rule = RULES.groups[group]
        state = profile.groups.setdefault(group, GroupState(time_ms // rule.half_life_ms, rule.half_life_ms, {}))
        if rule.fact:
            replace(state, tag, 1.0, time_ms)
        else:
            add(state, rule, tag, value, time_ms, 3)
    return profile
