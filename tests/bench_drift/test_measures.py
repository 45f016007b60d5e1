from __future__ import annotations

import doctest

import numpy as np
import pytest

from bench.drift import poisson
from bench.drift.detector import Raised
from bench.drift.history import PARTS, History
from bench.drift.metrics import false_alarms, found, time_ratio
from bench.drift.outcome import Outcome
from bench.drift.quality import DAYS, qualities


# Garwood's limits, as tables of exact Poisson intervals have them
@pytest.mark.parametrize(
    ("count", "lower", "upper"),
    [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (4, 1.0899, 10.2416), (10, 4.7954, 18.3904), (100, 81.3640, 121.6268)],
)
def test_exact_poisson_limits(count, lower, upper):
    assert poisson.interval(count, 1.0) == pytest.approx((lower, upper), abs=2e-4)
    assert poisson.interval(count, 500.0) == pytest.approx((lower / 500, upper / 500), abs=1e-6)


def test_the_example_of_the_interval_holds():
    assert doctest.testmod(poisson).failed == 0


def outcome(change: int | None, alarms: list[tuple[int, int, float | None]]) -> Outcome:
    return Outcome(
        seed=0,
        number=0,
        label="",
        years=1.0,
        before_years=1.0 if change is None else 0.4,
        buckets=1000,
        changes=[] if change is None else [(change, change * 2)],
        distance_bits=0.3,
        alarms={"one": alarms},
    )


def test_alarms_before_the_change_are_false_and_those_after_it_are_not():
    people = [outcome(400, [(100, 200, None), (410, 820, None)]), outcome(None, [(7, 14, None)]), outcome(400, [])]
    rate = false_alarms(people, "one")
    assert (rate.alarms, rate.years) == (2, pytest.approx(1.8))
    assert rate.per_year == pytest.approx(2 / 1.8)
    assert rate.lower < rate.per_year < rate.upper


def test_people_a_detector_has_not_seen_do_not_count():
    assert false_alarms([outcome(None, [])], "another").years == 0.0
    assert found([outcome(4, [])], "another", 10).people == 0


def test_delay_counts_the_bucket_that_raised_the_alarm():
    # change at active bucket 400, which is calendar bucket 800
    one = found([outcome(400, [(400, 800, 796.0)]), outcome(400, [(419, 838, 808.0)]), outcome(400, [(420, 840, 0.0)])],
                "one", 20)  # fmt: skip
    assert (one.people, one.found) == (3, 2)
    assert one.recall == pytest.approx(2 / 3)
    assert one.delay_buckets == (10.5, 20)
    assert one.delay_days == (pytest.approx((0.25 + 39 / 4) / 2), pytest.approx(39 / 4))
    assert one.since_error_days == (pytest.approx(0.5), 2.0)
    assert time_ratio(1000.0, one) == pytest.approx(1000 / 10.5 * 2 / 3)


def test_nothing_found_has_no_delay():
    one = found([outcome(400, [(100, 200, None)])], "one", 20)
    assert (one.found, one.delay_buckets, time_ratio(1000.0, one)) == (0, None, None)


def test_a_rebuild_at_the_true_time_is_the_perfect_one():
    buckets = np.arange(400)
    change = 200
    counts = np.where((buckets < change)[:, None], [[8, 0]], [[0, 8]])
    history = History(buckets, counts, 0, 400, changes=(change,))
    truth = np.array([0.0, 1.0])
    got = qualities(history, [Raised(change, float(change))], truth, change)
    week = DAYS.index(7)
    assert got["refined"][week] == pytest.approx(got["perfect"][week])
    assert got["decay only"][week] == pytest.approx(np.sqrt(0.5), abs=0.01)
    assert got["perfect"][week] > 0.99
    # a provisional rebuild at the alarm also takes the bucket that raised it
    assert got["decay only"][week] < got["provisional"][week] < got["refined"][week]
    late = qualities(history, [Raised(change + 8 * PARTS, float(change))], truth, change)
    assert late["refined"][week] == late["decay only"][week]
