"""A city as of now: the same records at other times, in order, when they are due."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.building import build
from city.clock import START_MS
from livetags import live_city
from livetags.inputs import resolve
from livetags.live_city import DAYS, CityStream, due, moved, shift_ms, utc_offset_hours
from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.pb.livetags.v1.registration_pb2 import RegistrationRecord
from schemas.settings import Settings
from sources import FEEDS
from sources.records import read_records

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NOW_MS = 1_795_915_800_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("city")
    build(folder, 40, DAYS, 3)
    return folder


@given(st.integers(min_value=1_700_000_000_000, max_value=2_500_000_000_000))
def test_it_is_evening_there_and_the_setting_says_so(now_ms: int) -> None:
    by_ms = shift_ms(now_ms)
    offset_h = utc_offset_hours(by_ms)
    assert Settings(utc_offset_hours=offset_h).utc_offset_hours == offset_h
    assert (now_ms + offset_h * HOUR_MS) // HOUR_MS % 24 == 19
    assert (now_ms - by_ms + 8 * HOUR_MS) // HOUR_MS % 24 == 19, "in the city's own time, which is UTC+8"


def test_a_city_begins_and_ends_where_this_says(folder: Path) -> None:
    told = json.loads((folder / "truth" / "summary.json").read_text())
    assert told["start_ms"] == START_MS
    assert told["end_ms"] == START_MS + DAYS * 24 * HOUR_MS


def test_only_times_are_moved() -> None:
    flow = DpiRecord(subscriber_id="1", record_id="r", event_time_ms=1_000, app="a", bytes_down=7)
    later = DpiRecord.FromString(moved("dpi", flow.SerializeToString(), HOUR_MS))
    assert later.event_time_ms == 1_000 + HOUR_MS
    later.event_time_ms = 1_000
    assert later == flow
    joined = RegistrationRecord(registrant_ref="1", event_time_ms=5_000, activation_time_ms=4_000)
    moved_on = RegistrationRecord.FromString(moved("registration", joined.SerializeToString(), 10))
    assert (moved_on.event_time_ms, moved_on.activation_time_ms) == (5_010, 4_010)
    unknown = RegistrationRecord(registrant_ref="1", event_time_ms=5_000)
    assert RegistrationRecord.FromString(moved("registration", unknown.SerializeToString(), 10)).activation_time_ms == 0
    assert moved("dpi", b"\xff\xff", 10) == b"\xff\xff"


def test_every_record_goes_out_once_in_order_and_about_when_it_says(folder: Path) -> None:
    by_ms = shift_ms(NOW_MS)
    found = list(due(folder, by_ms))
    assert [each[0] for each in found] == sorted(each[0] for each in found)
    for feed in {each[1].name for each in found}:
        values = [value for _, value in read_records(FEEDS[feed], folder / f"{feed}.pb", 1 << 20)]
        assert [value for _, of, value in found if of.name == feed] == [moved(feed, value, by_ms) for value in values]
    waits_ms = [
        due_ms - time_ms
        for due_ms, feed, value in found
        if (time_ms := feed.event_time_ms(value)) is not None and NOW_MS - 3 * DAY_MS < time_ms < NOW_MS + 3 * DAY_MS
    ]
    assert len(waits_ms) > 0.95 * len(found), "the rest says no time, or nobody's"
    assert sum(wait_ms == 0 for wait_ms in waits_ms) > 0.9 * len(waits_ms), "the rest is late"
    assert sum(wait_ms < 0 for wait_ms in waits_ms) < 0.002 * len(waits_ms), (
        "told before it happens: the last of a feed"
    )


class Broker:
    """Takes records in the place of a producer."""

    taken: list[tuple[float, str, bytes, bytes | None]]

    def __init__(self, _: object) -> None:
        Broker.taken = []

    def produce(self, topic: str, value: bytes, key: bytes | None) -> None:
        Broker.taken.append((time.time() * 1000, topic, value, key))

    def poll(self, _: float) -> int:
        return 0

    def flush(self, _: float) -> int:
        return 0


def test_what_has_been_goes_at_once_and_the_rest_when_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_city, "Producer", Broker)
    dpi = FEEDS["dpi"]
    value = DpiRecord(subscriber_id="1").SerializeToString()
    now_ms = round(time.time() * 1000)
    dues = [now_ms - HOUR_MS, now_ms - 1, now_ms + 300, now_ms + 600, now_ms + HOUR_MS]
    stream = CityStream([(each, dpi, value) for each in dues], resolve("dpi", "kafka://nowhere:1"))
    stream.start()
    deadline = time.monotonic() + 10
    while stream.sent.records < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    stream.stop()
    assert (stream.sent.records, stream.sent.of_before, stream.sent.over) == (4, 2, False)
    assert {(topic, key) for _, topic, _, key in Broker.taken} == {(dpi.topic, b"1")}
    assert all(sent_ms >= due_ms for due_ms, (sent_ms, *_) in zip(dues, Broker.taken, strict=False))


def test_a_city_that_is_over_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_city, "Producer", Broker)
    stream = CityStream([(0, FEEDS["dpi"], b"")] * 3, resolve("dpi", "kafka://nowhere:1"))
    stream.start()
    deadline = time.monotonic() + 10
    while not stream.sent.over and time.monotonic() < deadline:
        time.sleep(0.01)
    stream.stop()
    assert (stream.sent.records, stream.sent.caught_up, stream.sent.over) == (3, True, True)
