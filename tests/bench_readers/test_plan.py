"""The load of the readers' benchmark is what its report says it is."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from bench.readers.plan import Access, Outcome, Plan, measured
from bench.readers.population import PURPOSE, profiles
from udfs.tags import GROUPS

NOW_MS = 1_767_225_600_000


def plan(people: int, access: Access) -> Plan:
    return Plan("sync", "", "lt", "", 1_000, people, access, 50.0, 1.0, 3.0, "")


def test_uniform_asks_for_everybody_alike_and_for_nobody_twice_at_once() -> None:
    asked = list(islice(plan(10, "uniform").asked(), 5_000))
    assert all(len(set(each)) == 10 for each in asked)
    counts = Counter(number for each in asked for number in each)
    assert len(counts) == 1_000
    assert 25 < min(counts.values()) < max(counts.values()) < 80, "fifty on the average"


def test_zipf_asks_for_some_far_more_often() -> None:
    asked = list(islice(plan(1, "zipf").asked(), 50_000))
    counts = Counter(number for [number] in asked).most_common()
    # 1 / sum of 1 / rank**0.99 over a thousand ranks
    assert 0.11 < counts[0][1] / 50_000 < 0.15
    assert 1.7 < counts[0][1] / counts[1][1] < 2.3
    assert max(number for number, _ in counts) < 1_000


def test_a_line_is_of_the_requests_that_were_measured() -> None:
    made = plan(1, "uniform")
    assert made.requests() == 200
    line = measured(made, Outcome([float(n) for n in range(1, 151)], 2))
    assert (line.requests, line.failed, line.p50_ms, line.p99_ms, line.max_ms) == (150, 2, 75.0, 149.0, 150.0)


def test_made_profiles_have_the_tags_that_the_report_counts() -> None:
    [first, second] = profiles(2, NOW_MS)
    assert [first, second] == list(profiles(2, NOW_MS))
    read = [tag for tag in first.last_evidence_ms if GROUPS[tag.partition(":")[0]].purpose == PURPOSE]
    assert (len(read), 70 < len(first.last_evidence_ms) < 90) == (43, True)
    assert set(first.last_evidence_ms) <= set(first.weights)
    assert first.last_evidence_ms.keys() != second.last_evidence_ms.keys()
