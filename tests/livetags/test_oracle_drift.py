"""The oracle against both stages while behaviour drifts and profiles are rebuilt, whatever else happens.

The detectors are set to alarm at little, so that alarms come within a few days of events; rebuilds are answered after
some batches and not after others, with what the history holds by then.
"""

from __future__ import annotations

from hypothesis import event, given, settings
from hypothesis import strategies as st
from staged_stores import (
    DAY_MS,
    IDENTIFIERS,
    PERSONS,
    T0_MS,
    WIDE,
    Said,
    assert_same,
    consent,
    link,
    log_of,
    rebuilt,
    right,
    staged,
    use,
)

from livetags.oracle import recompute
from schemas.settings import Settings
from udfs.privacy.pseudonym import GivenPseudonyms

DAYS = 16
NOW_MS = T0_MS + (DAYS + 1) * DAY_MS
JUMPY = Settings(
    **WIDE,
    dedup_horizon_hours=24 * DAYS,
    drift_alpha_per_year=10,
    drift_min_buckets=4,
    drift_min_days=1,
    drift_min_distance_bits=0.01,
)

few = st.sampled_from(IDENTIFIERS[:2])
hours = st.integers(0, DAYS * 24 - 1)
disturbances = st.one_of(
    st.builds(use, few, st.integers(1_000, 1_010), hours, st.sampled_from(["news", "cars"]), st.integers(0, 3)),
    st.builds(consent, few, st.integers(0, 5), hours, st.sampled_from(["profiling", "necessary"]), st.booleans()),
    st.builds(link, few, st.integers(0, 3), hours, st.sampled_from(PERSONS)),
    st.builds(rebuilt, few, st.integers(0, 3), hours.map(lambda hour: hour + 24), hours),
    st.builds(right, few, st.integers(0, 3), hours, st.booleans()),
)


def life(who: str, before: str, since: str, change_day: int, per_day: int) -> list[Said]:
    """Somebody who turns from one kind of content to another."""
    return [
        use(who, day * 10 + n, day * 24 + 6.5 * n, before if day < change_day else since, mb=day % 4)
        for day in range(DAYS)
        for n in range(per_day)
    ]


def granted(who: str) -> list[Said]:
    return [consent(who, 90 + n, 0, purpose) for n, purpose in enumerate(["profiling", "necessary"])]


lives = st.builds(
    life,
    few,
    st.sampled_from(["video", "music"]),
    st.sampled_from(["games", "property"]),
    st.integers(5, 10),
    st.integers(1, 3),
)


def check(said: list[Said], cuts: list[int], answered: set[int]) -> int:
    log = log_of(said)
    stages, stores = staged(log, sorted(min(cut, len(log)) for cut in cuts), JUMPY, {}, answered, NOW_MS)
    refined = {key for key, alarm in stores.alarms.items() if alarm.status == "refined"}
    expected = recompute(log, JUMPY, NOW_MS, pseudonyms=GivenPseudonyms(), refined=refined)
    assert_same(stages, stores, expected)
    return len(refined)


@settings(max_examples=300, deadline=None)
@given(
    lives,
    st.lists(st.tuples(st.integers(0, 60), disturbances), max_size=6),
    st.lists(st.integers(20, 60), min_size=3, max_size=8),
    st.just(set(range(9))) | st.sets(st.integers(0, 8)),
    st.sampled_from([True, True, True, False]),
)
def test_profiles_stores_and_alarms_are_what_the_oracle_says(
    told: list[Said], disturbing: list[tuple[int, Said]], cuts: list[int], answered: set[int], linked: bool
) -> None:
    said = list(told)
    for where, what in disturbing:
        said.insert(min(where, len(said)), what)
    who = told[0].key
    refined = check([*([link(who, 99, 0)] if linked else []), *granted(who), *said], cuts, answered)
    event(f"{refined} refined")


def test_a_rebuild_refined_from_the_history_is_what_the_oracle_says() -> None:
    """The one above may draw none."""
    said = [link("one", 99, 0), *granted("one"), *life("one", "video", "games", 8, 3)]
    assert check(said, list(range(5, 60, 3)), set(range(60))) == 1


def test_a_partial_profile_merged_after_an_alarm_is_no_part_of_its_rebuild() -> None:
    early = life("two", "music", "music", 8, 2)[:8]
    said = [link("one", 99, 0), *granted("one"), *granted("two"), *early, *life("one", "video", "games", 7, 3)]
    middle = len(said) - 3
    said.insert(middle, link("two", 98, 1))
    assert check(said, list(range(5, len(said), 2)), {40}) <= 1
    assert check(said, list(range(5, len(said), 2)), set(range(60))) == 1


def test_a_partial_profile_merged_between_alarm_and_answer_is_no_part_of_it() -> None:
    """Its evidence is from after the change, and was in the history, under its own numbers, before the alarm was."""
    early = [use("two", 500 + n, 8 * 24 + 7 * n, "sports") for n in range(8)]
    said = [link("one", 99, 0), *granted("one"), *granted("two"), *early, *life("one", "video", "games", 7, 3)]
    said.insert(len(said) - 6, link("two", 98, 1))
    assert check(said, list(range(5, len(said), 2)), {len(said) // 2 - 2}) == 1


def test_a_rebuild_by_hand_is_what_the_oracle_says() -> None:
    said = [link("one", 99, 0), *granted("one"), *life("one", "video", "video", 9, 3)]
    said.insert(40, rebuilt("one", 98, 12 * 24, 8 * 24))
    assert check(said, list(range(5, len(said), 2)), set(range(60))) == 1


def test_a_rebuild_is_refused_of_an_identifier_nobody_is_behind() -> None:
    said = [*granted("one"), *life("one", "video", "video", 9, 3), rebuilt("one", 98, 12 * 24, 8 * 24)]
    assert check(said, [], set()) == 0
