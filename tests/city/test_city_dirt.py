"""The dirt is where the truth says it is, and nowhere else."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from tests.city.built_city import KINDS, MESSAGES, BuiltCity

HOUR_MS = 3_600_000
FEEDS = list(MESSAGES)


def _key(message: object) -> str:
    return str(getattr(message, message.DESCRIPTOR.fields[0].name))  # type: ignore[attr-defined]


def test_every_kind_is_there(borough: BuiltCity) -> None:
    assert {line["kind"] for line in borough.dirt} == KINDS


@pytest.mark.parametrize("feed", FEEDS)
def test_all_but_garbage_parses_and_serializes_to_the_same_bytes(town: BuiltCity, feed: str) -> None:
    garbage = {number for number, _ in town.marked(feed, "garbage")}
    for number, raw in enumerate(town.raw[feed], start=1):
        message = town.parsed(feed, number)
        if number in garbage:
            assert message is None
        else:
            assert message.SerializeToString() == raw
            assert _key(message)
            assert message.record_id


def test_garbage_sometimes_carries_a_key(borough: BuiltCity) -> None:
    imsis = {person["imsi"].encode() for person in borough.people}
    details = Counter(detail for _, detail in borough.marked("dpi", "garbage"))
    assert set(details) == {"random bytes", "truncated record", "valid field 1, then random bytes"}
    for number, detail in borough.marked("dpi", "garbage"):
        raw = borough.raw["dpi"][number - 1]
        assert borough.parsed("dpi", number) is None
        assert (raw[0] == 0x0A and raw[2:17] in imsis) == (detail != "random bytes")


@pytest.mark.parametrize("feed", FEEDS)
def test_duplicates_are_the_repeated_records(town: BuiltCity, feed: str) -> None:
    seen: set[bytes] = set()
    repeated = set()
    garbage = {number for number, _ in town.marked(feed, "garbage")}
    for number, raw in enumerate(town.raw[feed], start=1):
        if number not in garbage and raw in seen:
            repeated.add(number)
        seen.add(raw)
    assert repeated == {number for number, _ in town.marked(feed, "duplicate")}


def test_record_ids_are_unique_in_the_city(town: BuiltCity) -> None:
    ids = [message.record_id for feed in FEEDS for _, message in town.records(feed, {"duplicate"})]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("feed", FEEDS)
def test_clean_records_of_a_subscriber_are_in_order(town: BuiltCity, feed: str) -> None:
    newest: dict[str, int] = defaultdict(int)
    for _, message in town.records(feed, {"duplicate", "late", "shuffled"}):
        assert message.event_time_ms >= newest[_key(message)]
        newest[_key(message)] = message.event_time_ms


@pytest.mark.parametrize("feed", ["signalling", "dpi", "cdr"])
def test_late_and_repeated_records_stay_within_the_horizon(borough: BuiltCity, feed: str) -> None:
    """The newest clean event so far tells the time at which a record arrives."""
    now = 0
    behind: dict[str, list[int]] = defaultdict(list)
    for number, message in borough.records(feed):
        kinds = borough.marks[feed].get(number, [])
        if not {"late", "shuffled", "duplicate"} & set(kinds):
            now = max(now, message.event_time_ms)
        for kind in kinds:
            behind[kind].append(now - message.event_time_ms)
    assert max(behind["late"]) < 40 * HOUR_MS
    assert max(behind["duplicate"]) < 48 * HOUR_MS
    assert max(behind["shuffled"]) < HOUR_MS
    for kind, least_s, most_s in (("late", 3_600, 20 * 3_600 + 2), ("shuffled", 20, 902)):
        delays = [float(detail.split()[1]) for _, detail in borough.marked(feed, kind)]
        assert least_s <= min(delays) <= max(delays) <= most_s


def test_missing_values_are_the_marked_ones(borough: BuiltCity) -> None:
    clean = {"duplicate"}
    for feed, column in [("registration", "age"), ("registration", "device_model"), ("dpi", "category")]:
        empty = {number for number, message in borough.records(feed, clean) if not getattr(message, column)}
        assert empty == {number for number, detail in borough.marked(feed, "missing") if detail == column}
        assert empty


def test_outliers_are_the_marked_ones(borough: BuiltCity) -> None:
    marked = {feed: {number for number, _ in borough.marked(feed, "outlier")} for feed in ("cdr", "billing")}
    clean = {"duplicate"}
    calls = {number for number, call in borough.records("cdr", clean) if call.duration_s > 24 * 3_600}
    assert calls
    assert calls <= marked["cdr"]
    bills = [(number, bill) for number, bill in borough.records("billing", clean) if bill.kind == 1]
    usual = sorted(bill.amount_yuan for _, bill in bills)[len(bills) // 2]
    assert {number for number, bill in bills if bill.amount_yuan > 20 * usual} == marked["billing"]
    leaps, resets = set(), set()
    handed = {person["msisdn"] for person in borough.people if person["number_changed_hands"]}
    readings: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for number, reading in borough.records("cdr", clean):
        # A number that changed hands is read from two counters.
        if reading.kind == 3 and reading.msisdn not in handed:
            readings[reading.msisdn].append((reading.event_time_ms, reading.data_bytes_total, number))
    for series in readings.values():
        series.sort()
        for (_, before, _), (_, after, number) in pairwise(series):
            if after - before > 100 * 10**9:
                leaps.add(number)
            if after < before:
                resets.add(number)
    assert leaps
    assert leaps <= marked["cdr"] - calls
    assert resets
    restarted = {number for number, _ in borough.marked("cdr", "counter_reset")}
    assert resets <= restarted
    assert len(restarted - resets) + len(marked["cdr"] - calls - leaps) <= 2 * len(handed)


def test_variants_are_in_the_dictionary_and_are_the_marked_ones(borough: BuiltCity) -> None:
    names = {
        "app": ("dpi", "app", {row["app"] for row in borough.dictionary("apps")}),
        "region": ("registration", "region", {row["region"] for row in borough.dictionary("regions")}),
        "device_model": ("registration", "device_model", {row["model"] for row in borough.dictionary("devices")}),
    }
    for detail, (feed, column, proper) in names.items():
        written = borough.records(feed, {"duplicate"})
        varied = {
            number for number, message in written if getattr(message, column) and getattr(message, column) not in proper
        }
        assert varied == {number for number, its in borough.marked(feed, "alias") if its == detail}
        assert varied


def test_bounces_between_neighbours(borough: BuiltCity) -> None:
    """At A, first at B, then bounces that end at A."""
    beside = {row["cell_id"]: set(row["neighbours"].split()) for row in borough.dictionary("cells")}
    bounced = 0
    for trail in borough.trails.values():
        index = 0
        while index < len(trail):
            if "ping_pong" not in trail[index][2]:
                index += 1
                continue
            end = index
            while end < len(trail) and "ping_pong" in trail[end][2]:
                end += 1
            burst = trail[index - 2 : end]
            assert len(burst) in (5, 7)
            assert {cell for _, cell, _ in burst[::2]} == {burst[0][1]}
            assert {cell for _, cell, _ in burst[1::2]} == {burst[1][1]}
            assert burst[1][1] in beside[burst[0][1]]
            assert burst[-1][0] - burst[0][0] < 60_000
            bounced += 1
            index = end
    assert bounced > 20


def test_drift_is_a_jump_and_back(borough: BuiltCity) -> None:
    cells = {row["cell_id"]: row for row in borough.dictionary("cells")}
    cloned = {person["imsi"] for person in borough.people if person["fraud"] == "impossible_travel"}
    jumps = 0
    for imsi, trail in borough.trails.items():
        for before, there, after in zip(trail, trail[1:], trail[2:], strict=False):
            if "drift" not in there[2]:
                continue
            assert imsi not in cloned
            assert before[1] == after[1]
            assert after[0] - before[0] <= 120_000
            assert _km(cells[before[1]], cells[there[1]]) > 8
            jumps += 1
    assert jumps == len(borough.marked("signalling", "drift"))
    assert jumps > 20


def test_only_marked_records_are_at_impossible_places(borough: BuiltCity) -> None:
    cells = {row["cell_id"]: row for row in borough.dictionary("cells")}
    cloned = {person["imsi"] for person in borough.people if person["fraud"] == "impossible_travel"}
    for imsi, trail in borough.trails.items():
        if imsi in cloned:
            continue
        kept = [seen for seen in trail if not {"drift", "ping_pong"} & set(seen[2])]
        for before, after in pairwise(kept):
            distance = _km(cells[before[1]], cells[after[1]])
            hours = (after[0] - before[0]) / HOUR_MS
            assert distance < 2.5 or distance < 800 * hours


def _km(one: dict[str, str], other: dict[str, str]) -> float:
    north = (float(one["latitude"]) - float(other["latitude"])) * 111.2
    east = (float(one["longitude"]) - float(other["longitude"])) * 85.0
    return float((north**2 + east**2) ** 0.5)


def test_dirt_file_is_plain(town: BuiltCity) -> None:
    assert all(list(line) == ["feed", "record", "kind", "detail"] and line["detail"] for line in town.dirt)
