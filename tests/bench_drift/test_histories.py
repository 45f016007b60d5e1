from __future__ import annotations

import numpy as np
import pytest

from bench.drift.history import FIRST_DAY, PARTS, Traits, active_buckets, context_of, draw_counts, long_run, multipliers
from bench.drift.people import TAGS, by_context, js_bits, population, preferences
from bench.drift.scenarios import SCENARIOS, STICKY, STRATA, changed, histories


@pytest.mark.parametrize("key", SCENARIOS)
def test_a_person_depends_on_scenario_seed_and_number_alone(key):
    scenario = SCENARIOS[key]
    together = histories(scenario, 7, 0, 3)
    alone = histories(scenario, 7, 2, 3)[0]
    assert (together[2].buckets == alone.buckets).all()
    assert (together[2].counts == alone.counts).all()
    assert together[2].changes == alone.changes
    other_seed = histories(scenario, 8, 2, 3)[0]
    assert not np.array_equal(other_seed.counts, alone.counts)


@pytest.mark.parametrize("key", SCENARIOS)
def test_a_history_is_one_a_detector_can_be_given(key):
    for history in histories(SCENARIOS[key], 3, 0, 4):
        assert (np.diff(history.buckets) > 0).all()
        assert history.start <= history.buckets[0]
        assert history.buckets[-1] < history.stop
        assert (history.counts.sum(axis=1) > 0).all()
        assert history.closed(0) == {
            tag: count for tag, count in zip(history.tags, history.counts[0], strict=True) if count
        }
        assert history.before.sum() == pytest.approx(1.0)
        assert all(history.start < change < history.stop for change in history.changes)
        assert bool(history.changes) != SCENARIOS[key].null


@pytest.mark.parametrize("key", ["S5", "S5-seasonal", "S5-sticky"])
def test_abrupt_changes_have_the_size_they_say(key):
    for number, history in enumerate(histories(SCENARIOS[key], 3, 0, 12)):
        low, high = STRATA[number % len(STRATA)]
        assert low - 1e-6 <= history.distance_bits <= high + 1e-6
        assert history.distance_bits == js_bits(history.before, history.after)


def test_long_run_shares_are_what_a_long_history_has():
    # 12 years, so that what is left is chance; sticky buckets and the season change no long-run share
    traits = Traits(season=1.0, sticky=0.3, lapses_per_year=0.0)
    rng = np.random.default_rng(5)
    shares = by_context(preferences(rng, population(5)), multipliers(rng, traits))
    start = FIRST_DAY * PARTS
    buckets = active_buckets(rng, traits, start, start + 12 * 365 * PARTS)
    counts = draw_counts(rng, traits, buckets, shares, None, None)
    seen = (counts / counts.sum(axis=1, keepdims=True)).mean(axis=0)
    assert np.abs(seen - long_run(shares, traits)).max() < 0.01


def test_distance_of_shares_that_can_be_reckoned_by_hand():
    assert js_bits(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(1.0)
    assert js_bits(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0.0
    # middle (3/4, 1/4): 1/2 log2(4/3) + 1/2 (1/2 log2(2/3) + 1/2 log2(2))
    assert js_bits(np.array([1.0, 0.0]), np.array([0.5, 0.5])) == pytest.approx(0.311278, abs=1e-6)


def test_a_change_nobody_can_make_is_refused():
    rng = np.random.default_rng(1)
    people = population(1)
    base, factors = preferences(rng, people), multipliers(rng, STICKY)
    with pytest.raises(ValueError, match="ask for a smaller change"):
        changed(rng, people, base, factors, STICKY, 1.1)


def test_weekdays_and_times_of_day_are_told_apart_as_the_calendar_has_them():
    day_and_night, parts = Traits(season=1.0), Traits(season=1.0, all_parts=True)
    # the epoch was a Thursday: day 2 a Saturday, day 4 a Monday
    saturday_noon, monday_night = np.array([2 * PARTS + 2]), np.array([4 * PARTS])
    assert context_of(saturday_noon, day_and_night).tolist() == [3]
    assert context_of(monday_night, day_and_night).tolist() == [0]
    assert context_of(saturday_noon, parts).tolist() == [6]


def test_a_flood_is_one_bucket():
    for history in histories(SCENARIOS["S4-flood"], 3, 0, 4):
        index = history.index_of(history.changes[0])
        assert history.buckets[index] == history.changes[0]
        assert history.counts[index].max() >= 10_000
        assert np.delete(history.counts, index, axis=0).max() < 10_000


def test_a_trip_begins_and_ends_when_it_says():
    shares = []
    for history in histories(SCENARIOS["S4-7d"], 3, 0, 8):
        assert history.until is not None
        away = (history.buckets >= history.changes[0]) & (history.buckets < history.until)
        assert len(TAGS) == history.counts.shape[1]
        per_bucket = history.counts / history.counts.sum(axis=1, keepdims=True)
        tag = per_bucket[away].mean(axis=0).argmax()
        shares.append((per_bucket[away, tag].mean(), per_bucket[~away, tag].mean()))
    assert np.mean([share for share, _ in shares]) > 0.8
    assert np.mean([share for _, share in shares]) < 0.2
