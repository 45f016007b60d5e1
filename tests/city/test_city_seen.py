"""What can be seen of situations in a city whose records come very late, recomputed from the records without those."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.building import build
from city.delivery import Delivery
from city.rows import Rows
from city.situations.compared import Compared
from city.situations.found import Found
from city.situations.repeats import Repeats
from city.situations.seen import MadeUp
from tests.city.built_city import BuiltCity

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
BEIJING = timedelta(hours=8)
WRONG = {"duplicate", "outlier", "ping_pong", "drift"}
Times = dict[str, set[int]]


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> BuiltCity:
    out = tmp_path_factory.mktemp("slow")
    build(out, 70, 14, 5, delivery=Delivery(0.05, 30.0, 0.02, 0.03))
    return BuiltCity.of(out)


def told(city: BuiltCity, scene: str, *kinds: str) -> Times:
    found: Times = defaultdict(set)
    for text in (city.folder / "truth" / "situations.jsonl").read_text("utf-8").splitlines():
        line = json.loads(text)
        kind = next((each for each in ("doubtful", "unseen", "apparent") if each in line), "")
        if line["scene"] == scene and kind in kinds:
            found[line["person_ref"]].add(line["at_ms"])
    return dict(found)


def opened(city: BuiltCity, without: set[str], chosen: Callable[[Any, dict[str, str]], bool]) -> dict[str, list[int]]:
    owner = {person["imsi"]: person["person_ref"] for person in city.people}
    apps = {row["alias"]: row for row in city.dictionary("apps")}
    found: dict[str, list[int]] = defaultdict(list)
    for _, flow in city.records("dpi", WRONG | without):
        if chosen(flow, apps[flow.app.lower()]):
            found[owner[getattr(flow, flow.DESCRIPTOR.fields[0].name)]].append(flow.event_time_ms)
    return {person: sorted(times) for person, times in found.items()}


def daily(times: list[int]) -> set[int]:
    first: dict[object, int] = {}
    for time in times:
        first.setdefault((datetime.fromtimestamp(time / 1000, tz=UTC) + BEIJING).date(), time)
    return set(first.values())


def test_the_first_of_a_day_that_comes_in_time_is_what_is_seen(slow: BuiltCity) -> None:
    scene = "video-music-opened"
    consented = set(told(slow, scene, "", "unseen", "apparent"))
    withdrawn = {person["person_ref"] for person in slow.people if not all(person["consents"].values())}
    for without, kinds in ((set(), ("", "unseen")), ({"late"}, ("", "apparent"))):
        streams = opened(slow, without, lambda _, app: app["category"] in ("video", "music"))
        expected = {who: daily(times) for who, times in streams.items() if who in consented - withdrawn}
        found = told(slow, scene, *kinds)
        assert {who: found.get(who, set()) for who in expected} == expected
        assert sum(map(len, expected.values())) > 100
    assert sum(map(len, told(slow, scene, "unseen").values())) > 10
    assert sum(map(len, told(slow, scene, "apparent").values())) > 10


@pytest.mark.parametrize("scene", ["recharge-large", "premium-phone"])
def test_what_is_noticed_whenever_its_record_comes_is_never_hidden(slow: BuiltCity, scene: str) -> None:
    assert told(slow, scene, "")
    assert not told(slow, scene, "unseen", "apparent")


def test_a_clean_delivery_hides_nothing(tmp_path: Any) -> None:
    build(tmp_path, 40, 10, 5, delivery=Delivery(0.0, 20.0, 0.0, 0.0))
    city = BuiltCity.of(tmp_path)
    assert not {"late", "shuffled", "duplicate"} & {line["kind"] for line in city.dirt}
    text = (tmp_path / "truth" / "situations.jsonl").read_text("utf-8")
    assert text.count("\n") > 100
    assert "unseen" not in text
    assert "apparent" not in text


def test_dirt_does_not_change_what_happens(slow: BuiltCity, tmp_path: Any) -> None:
    build(tmp_path, 70, 14, 5)
    usual = BuiltCity.of(tmp_path)
    for scene in ("mall-stay", "video-music-opened", "games-binge", "traffic-80-used", "sms-not-clicked"):
        assert told(slow, scene, "", "unseen", "doubtful").keys() >= told(usual, scene, "", "unseen").keys()
        for who, times in told(usual, scene, "", "unseen").items():
            assert times <= told(slow, scene, "", "unseen", "doubtful")[who]


@pytest.mark.parametrize("wrong", [{"late_share": -0.1}, {"late_share": 0.3, "repeat_share": 0.3}, {"late_hours": 1.0}])
def test_a_delivery_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"expected .* got"):
        Delivery(**wrong)


def test_the_next_reading_makes_up_for_a_late_one() -> None:
    readings = Rows(
        who=np.array([0, 0, 0, 1]),
        time=np.array([0, 1, 2, 0]) * HOUR_MS,
        megabytes=np.array([1.0, 2.0, 4.0, 8.0]),
        arrival=np.array([0, 30, 2, 0]) * HOUR_MS,
    )
    made_up = MadeUp(2)
    assert made_up.day_of(readings)["megabytes"].tolist() == [1.0, 6.0, 8.0]
    late = Rows(
        who=np.array([0]), time=np.array([5 * HOUR_MS]), megabytes=np.array([3.0]), arrival=np.array([9 * HOUR_MS])
    )
    assert len(made_up.day_of(late)["megabytes"]) == 0
    later = Rows(
        who=np.array([0]), time=np.array([8 * HOUR_MS]), megabytes=np.array([1.0]), arrival=np.array([8 * HOUR_MS])
    )
    assert made_up.day_of(later)["megabytes"].tolist() == [4.0]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 40)), unique_by=lambda each: each[0], max_size=25))
def test_a_count_looked_at_late_is_that_of_a_plain_reading(records: list[tuple[int, int]]) -> None:
    """Times with delays; a plain reading keeps every time since the number was last reached."""
    ordered = sorted(records, key=lambda each: (each[0] + each[1], each[0]))
    looked = np.arange(len(ordered))
    rows = Rows(
        who=np.zeros(len(ordered), np.int64), time=np.array([time for time, _ in ordered], np.int64), looked=looked
    )
    _, at = Repeats(1, 3, 10).day_of(rows)
    expected, kept, reached = [], [], -1
    for time, _ in ordered:
        if time <= reached:
            continue
        kept = [each for each in sorted([*kept, time]) if each >= max([*kept, time]) - 10]
        if len(kept) == 3:
            reached = kept[-1]
            expected.append(reached)
            kept = []
    assert at.tolist() == expected


def test_counterparts_of_another_day_are_found() -> None:
    def found(*times: int) -> Found:
        return Found("scene", np.zeros(len(times), np.int64), np.array(times, np.int64), np.zeros(len(times), np.bool_))

    compared = Compared()
    assert compared.both(found(1, 2), found(2, 9)).at_ms.tolist() == [2]
    assert compared.both(found(7), found(1)).at_ms.tolist() == [1]
    assert [(part.at_ms.tolist(), why) for part, why in compared.rest("scene")] == [([7], "unseen"), ([9], "apparent")]
