"""The truth about scenes, recomputed the slow way from the records, with none of the city's code for it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import log
from typing import Any

import h3
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city.building import build
from city.situations.book import SCENES
from city.situations.episodes import Episodes
from city.situations.habits import Habits
from livetags.scenes import scenes_folder
from schemas.purposes import PURPOSES
from schemas.settings import Settings
from sources.trigger_rules import read_rules
from tests.city.built_city import BuiltCity
from udfs.tags import GROUPS
from udfs.triggers.compiled import compile_rule

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
BEIJING = timedelta(hours=8)
ATTACH, HANDOVER = 1, 2
DATA, VOICE = 3, 1
BILL, RECHARGE, BALANCE = 1, 2, 3

Times = dict[str, list[int]]


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> BuiltCity:
    """Long enough for a month to begin."""
    out = tmp_path_factory.mktemp("season")
    build(out, 70, 40, seed=4)
    return BuiltCity.of(out)


def told(city: BuiltCity, scene: str, doubtful: bool = False) -> Times:
    """Person -> when a scene really arose, in order."""
    found: Times = defaultdict(list)
    for line in _situations(city):
        if line["scene"] == scene and line.get("doubtful", False) == doubtful and not line.get("apparent"):
            found[line["person_ref"]].append(line["at_ms"])
    return {person: sorted(times) for person, times in found.items()}


def _situations(city: BuiltCity) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (city.folder / "truth" / "situations.jsonl").read_text("utf-8").splitlines()]


def events(city: BuiltCity, feed: str) -> dict[str, list[Any]]:
    """Person -> records that are no repeats and no nonsense, in order of time."""
    if feed in city.by_person:
        return city.by_person[feed]
    owners: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for person in city.people:
        for identifier in (person["imsi"], person["account"]):
            owners[identifier].append((0, person["person_ref"]))
        for number in person["msisdns"]:
            owners[number["msisdn"]].append((number["from_ms"], person["person_ref"]))
    found: dict[str, list[Any]] = defaultdict(list)
    for _, record in city.records(feed, {"duplicate", "outlier", "ping_pong", "drift"}):
        identifier = getattr(record, record.DESCRIPTOR.fields[0].name)
        found[max(each for each in owners[identifier] if each[0] <= record.event_time_ms)[1]].append(record)
    for records in found.values():
        records.sort(key=lambda record: record.event_time_ms)
    city.by_person[feed] = found
    return found


def permitted(city: BuiltCity, scene: str, found: Times) -> Times:
    """Those at times at which the person had consented to what the rule needs."""
    decisions: dict[tuple[str, str], list[tuple[int, bool]]] = defaultdict(list)
    for person, records in events(city, "consent").items():
        for record in records:
            purpose = "necessary" if record.list == 1 else record.purpose
            decisions[person, purpose].append((record.event_time_ms, record.decision == 1))

    def consented(person: str, at_ms: int) -> bool:
        return all(
            next((granted for time, granted in reversed(decisions[person, purpose]) if time <= at_ms), False)
            for purpose in SCENES[scene]
        )

    kept = {person: [at for at in times if consented(person, at)] for person, times in found.items()}
    return {person: sorted(times) for person, times in kept.items() if times}


def local(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC) + BEIJING


def local_day(time_ms: int) -> object:
    return local(time_ms).date()


def local_week(time_ms: int) -> object:
    return local(time_ms).isocalendar()[:2]


def firsts(times: list[int], period: Callable[[int], object]) -> list[int]:
    first: dict[object, int] = {}
    for time in times:
        first.setdefault(period(time), time)
    return list(first.values())


def reached(times: list[int], number: int, within_ms: int) -> list[int]:
    found: list[int] = []
    counted: list[int] = []
    for time in times:
        counted = [other for other in counted if other >= time - within_ms] + [time]
        if len(counted) == number:
            found.append(time)
            counted = []
    return found


def unanswered(starts: list[int], stops: list[int], within_ms: int, end_ms: int) -> list[int]:
    found: list[int] = []
    waits_until = 0
    for time, is_start in sorted([(time, True) for time in starts] + [(time, False) for time in stops]):
        if waits_until and waits_until <= time:
            found.append(waits_until)
            waits_until = 0
        if not is_start:
            waits_until = 0
        elif not waits_until:
            waits_until = time + within_ms
    return found + [waits_until] * (0 < waits_until <= end_ms)


def used_app(city: BuiltCity, chosen: Callable[[Any, dict[str, str]], bool]) -> Times:
    """Person -> when they used an app that the dictionary says to be one of the chosen."""
    apps = {row["alias"]: row for row in city.dictionary("apps")}
    return {
        person: [flow.event_time_ms for flow in flows if chosen(flow, apps[flow.app.lower()])]
        for person, flows in events(city, "dpi").items()
    }


def test_every_shipped_scene_but_that_of_drift_is_told() -> None:
    assert set(SCENES) == {file.stem for file in scenes_folder().glob("*.yaml")} - {"interests-changed"}


@pytest.mark.parametrize("scene", SCENES)
def test_the_consent_it_takes_is_that_of_the_rule(scene: str) -> None:
    [written] = read_rules([scenes_folder() / f"{scene}.yaml"]).rules
    rule = compile_rule(written.rule, Settings().rules(GROUPS).groups)
    needed = {"necessary" if PURPOSES[purpose].list == "necessary" else purpose for purpose in rule.purposes}
    assert set(SCENES[scene]) == needed


@pytest.mark.parametrize("scene", SCENES)
def test_situations_lie_within_the_city_and_have_consent(season: BuiltCity, scene: str) -> None:
    for doubtful in (False, True):
        found = told(season, scene, doubtful)
        assert permitted(season, scene, found) == found
        for times in found.values():
            assert season.summary["start_ms"] <= times[0] <= times[-1] <= season.summary["end_ms"]


def test_a_balance_is_the_plan_less_what_the_meter_has_read_this_month(season: BuiltCity) -> None:
    changed = {person["person_ref"] for person in season.people if len(person["msisdns"]) > 1}
    changed |= {person["person_ref"] for person in season.people if person["number_changed_hands"]}
    marked = {season.parsed("cdr", number).msisdn for kind in ("outlier",) for number, _ in season.marked("cdr", kind)}
    calls, compared = events(season, "cdr"), 0
    for person, bills in events(season, "billing").items():
        readings = [call for call in calls[person] if call.kind == DATA]
        if person in changed or not readings or readings[0].msisdn in marked:
            continue
        used = [
            (
                now.event_time_ms,
                (now.data_bytes_total - (before.data_bytes_total * (now.data_bytes_total >= before.data_bytes_total)))
                / 1e6,
            )
            for before, now in pairwise(readings)
        ]
        for balance in bills:
            if balance.kind != BALANCE:
                continue
            begin = local(balance.event_time_ms).replace(day=1, hour=0, minute=0, second=0, microsecond=0) - BEIJING
            begin_ms = begin.timestamp() * 1000
            if begin_ms < season.summary["start_ms"]:
                continue  # of the first reading nobody knows since when it counts
            gone = sum(each for time, each in used if begin_ms <= time < balance.event_time_ms)
            assert balance.remaining_mb == pytest.approx(max(balance.included_mb - gone, 0.0), abs=0.06)
            compared += 1
    assert compared > 100


def test_plans_are_renewed_when_a_month_begins(season: BuiltCity) -> None:
    begin_ms = int(datetime(2026, 1, 31, 16, tzinfo=UTC).timestamp() * 1000)
    alive = {person["person_ref"] for person in season.people if person["from_ms"] < begin_ms - DAY_MS}
    renewed = {
        person
        for person, bills in events(season, "billing").items()
        for bill in bills
        if bill.kind == BALANCE and 0 <= bill.event_time_ms - begin_ms < 10 * MINUTE_MS
        and bill.remaining_mb == bill.included_mb > 0
    }  # fmt: skip
    assert renewed == alive


def test_traffic_used_up_or_predicted_to_be(season: BuiltCity) -> None:
    calls = events(season, "cdr")
    most: Times = {}
    short: Times = {}
    born_ms = {person["person_ref"]: person["from_ms"] for person in season.people}
    for person, bills in events(season, "billing").items():
        readings = [call for call in calls[person] if call.kind == DATA]
        steps: list[tuple[int, Any, float]] = [
            (bill.event_time_ms, bill, 0.0) for bill in bills if bill.kind == BALANCE
        ]
        for before, now in pairwise(readings):
            fell = now.data_bytes_total < before.data_bytes_total
            steps.append(
                (now.event_time_ms, None, (now.data_bytes_total - (0 if fell else before.data_bytes_total)) / 1e6)
            )
        left = included = 0.0
        little = False
        most[person], short[person] = [], []
        for time, balance, megabytes in sorted(steps, key=lambda step: step[0]):
            if balance is not None:
                left, included = balance.remaining_mb, balance.included_mb
            left = max(left - megabytes, 0.0)
            if not included:
                continue
            if not little and left <= 0.2 * included:
                little = True
                most[person].append(time)
            elif left > 0.3 * included:
                little = False
            age_days = (time - born_ms[person]) / DAY_MS
            used = sum(each * 2 ** (-(time - when) / (7 * DAY_MS)) for when, _, each in steps if when <= time)
            daily = used * log(2) / 7 / (1 - 2 ** (-age_days / 7))
            if age_days >= 3 and left > 0 and daily > 0 and left / daily < _days_to_month_end(time) - 1:
                short[person].append(time)
        short[person] = firsts(short[person], lambda time: local(time).month)
    # Meters that leap or change hands read what nobody has used.
    odd = {
        person["person_ref"]
        for person in season.people
        if len(person["msisdns"]) > 1
        or person["number_changed_hands"]
        or any(season.parsed("cdr", number).msisdn == person["msisdn"] for number, _ in season.marked("cdr", "outlier"))
    }
    for scene, found in (("traffic-80-used", most), ("traffic-runs-out", short)):
        expected = {person: times for person, times in permitted(season, scene, found).items() if person not in odd}
        assert len(expected) > 10
        assert {person: times for person, times in told(season, scene).items() if person not in odd} == expected
    assert set(told(season, "traffic-all-used")) <= set(told(season, "traffic-80-used"))


def _days_to_month_end(time_ms: int) -> float:
    now = local(time_ms)
    ends = (now.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (ends - now) / timedelta(days=1)


def test_roaming_is_landing_elsewhere(season: BuiltCity) -> None:
    out: Times = {}
    back: Times = {}
    without: Times = {}
    orders = events(season, "order")
    for person, seen in events(season, "signalling").items():
        landings = [(each.event_time_ms, each.cell_id[:6] != "460-01") for each in seen if each.kind == ATTACH]
        states = [(0, False), *landings]
        out[person] = [now[0] for before, now in pairwise(states) if now[1] and not before[1]]
        back[person] = [now[0] for before, now in pairwise(states) if before[1] and not now[1]]
        passes = [o.event_time_ms for o in orders[person] if o.action == 1 and o.product == "roaming_day_pass"]
        without[person] = unanswered(
            [time for time, away in landings if away], passes, 3 * HOUR_MS, season.summary["end_ms"]
        )
    for scene, found in (("roaming-out", out), ("roaming-back", back), ("roaming-without-pass", without)):
        expected = permitted(season, scene, found)
        assert _together(told(season, scene), told(season, scene, doubtful=True)) == expected
        assert expected
    travellers = {person["person_ref"] for person in season.people if "business_traveller" in person["traits"]}
    assert set(told(season, "roaming-out")) <= travellers


def _together(one: Times, other: Times) -> Times:
    return {person: sorted([*one.get(person, []), *other.get(person, [])]) for person in {*one, *other}}


@pytest.mark.parametrize(
    ("scene", "kind", "hold_ms", "hold_exit_ms"),
    [
        ("school-stay", "school", 45 * MINUTE_MS, 15 * MINUTE_MS),
        ("station-entered", "station", 15 * MINUTE_MS, 10 * MINUTE_MS),
    ],
)
def test_visits_are_real_movements(season: BuiltCity, scene: str, kind: str, hold_ms: int, hold_exit_ms: int) -> None:
    districts = {row["h3"]: row["kind"] for row in season.dictionary("districts")}
    kinds = {
        row["cell_id"]: districts[h3.latlng_to_cell(float(row["latitude"]), float(row["longitude"]), 8)]
        for row in season.dictionary("cells")
    }
    stays: Times = {}
    for person in season.people:
        trail = season.trails[person["imsi"]]
        seen = {each.event_time_ms: each.kind for each in events(season, "signalling")[person["person_ref"]]}
        bounces = {
            time
            for (time, _, marks), (_, _, after) in pairwise(trail)
            if "ping_pong" in after and "ping_pong" not in marks and seen.get(time) == HANDOVER
        }
        moves = [
            (time, kinds[cell])
            for time, cell, marks in trail
            if "ping_pong" not in marks and time not in bounces and seen.get(time) in (ATTACH, HANDOVER)
        ]
        stays[person["person_ref"]] = list(_stays(moves, kind, hold_ms, hold_exit_ms, season.summary["end_ms"]))
    expected = permitted(season, scene, stays)
    certain, unsure = told(season, scene), told(season, scene, doubtful=True)
    assert expected
    for person in {*expected, *certain}:
        assert set(certain.get(person, [])) <= set(expected.get(person, []))
        assert set(expected.get(person, [])) <= {*certain.get(person, []), *unsure.get(person, [])}


def _stays(moves: list[tuple[int, str]], kind: str, hold_ms: int, hold_exit_ms: int, end_ms: int) -> Iterator[int]:
    inside: list[list[int]] = []  # from, to
    within = False
    for time, where in moves:
        if where == kind and not within:
            inside.append([time, end_ms])
        elif where != kind and within:
            inside[-1][1] = time
        within = where == kind
    last_end_ms = None
    counted = False
    for begin, end in inside:
        goes_on = counted and last_end_ms is not None and begin - last_end_ms < hold_exit_ms
        if not goes_on:
            counted = end - begin >= hold_ms and begin + hold_ms <= end_ms
            if counted:
                yield begin + hold_ms
        last_end_ms = end


def test_apps_are_opened_for_the_first_time_of_a_period(season: BuiltCity) -> None:
    streams = used_app(season, lambda _, app: app["category"] in ("video", "music"))
    found = {person: firsts(times, local_day) for person, times in streams.items()}
    assert told(season, "video-music-opened") == permitted(season, "video-music-opened", found)
    homes = used_app(season, lambda _, app: app["category"] == "property")
    found = {person: firsts(times, local_week) for person, times in homes.items()}
    assert told(season, "property-site-opened") == permitted(season, "property-site-opened", found)
    words = ("全屋定制", "装修", "橱柜", "木地板", "瓷砖")
    searches = used_app(season, lambda flow, _: any(word in flow.search_keyword for word in words))
    found = {person: firsts(times, local_day) for person, times in searches.items()}
    assert told(season, "renovation-search") == permitted(season, "renovation-search", found) != {}


def test_things_are_done_so_many_times(season: BuiltCity) -> None:
    games = used_app(season, lambda _, app: app["category"] == "games")
    binges = {person: firsts(reached(times, 4, 2 * HOUR_MS), local_day) for person, times in games.items()}
    assert told(season, "games-binge") == permitted(season, "games-binge", binges) != {}
    brands = used_app(season, lambda _, app: app["app"].endswith("官网"))
    visits = {person: firsts(reached(times, 3, 3 * DAY_MS), local_week) for person, times in brands.items()}
    assert told(season, "car-brand-visits") == permitted(season, "car-brand-visits", visits) != {}
    grouped = {
        person: reached([c.event_time_ms for c in calls if c.kind == VOICE and c.parties >= 3], 4, 14 * DAY_MS)
        for person, calls in events(season, "cdr").items()
    }
    assert told(season, "group-calls") == permitted(season, "group-calls", grouped) != {}


def test_things_do_not_follow(season: BuiltCity) -> None:
    end_ms = season.summary["end_ms"]
    unclicked: Times = {}
    for person, contacts in events(season, "contact").items():
        by_sms = [contact for contact in contacts if contact.channel == 1]
        reached_ms = [contact.event_time_ms for contact in by_sms if contact.result == 2]
        clicked_ms = [contact.event_time_ms for contact in by_sms if contact.result == 4]
        unclicked[person] = unanswered(reached_ms, clicked_ms, 2 * HOUR_MS, end_ms)
    found = _together(told(season, "sms-not-clicked"), told(season, "sms-not-clicked", doubtful=True))
    assert found == permitted(season, "sms-not-clicked", unclicked) != {}
    words = ("流量套餐", "5g套餐", "宽带办理")
    orders = events(season, "order")
    looked = used_app(season, lambda flow, _: any(word in flow.search_keyword for word in words))
    missed = {
        person: unanswered(times, [o.event_time_ms for o in orders[person] if o.action == 1], 6 * HOUR_MS, end_ms)
        for person, times in looked.items()
    }
    found = _together(told(season, "packs-not-ordered"), told(season, "packs-not-ordered", doubtful=True))
    assert found == permitted(season, "packs-not-ordered", missed) != {}


def _weight(times: list[int], at_ms: int, half_life_days: float, value: float = 1.0) -> float:
    return sum(value * 2 ** (-(at_ms - time) / (half_life_days * DAY_MS)) for time in times if time <= at_ms)


def test_who_has_rested_was_contacted_much_and_has_just_faded(season: BuiltCity) -> None:
    sent = {
        person: [contact.event_time_ms for contact in contacts if contact.result == 1]
        for person, contacts in events(season, "contact").items()
    }
    found = told(season, "contact-rested")
    assert len(found) > 5
    for person, times in found.items():
        for before_ms, at_ms in pairwise([0, *times]):
            assert _weight(sent[person], at_ms, 7) == pytest.approx(2.0, abs=1e-6)
            assert max(_weight(sent[person], time, 7) for time in sent[person] if before_ms < time <= at_ms) >= 4.0


def test_who_looks_for_a_home_has_just_reached_the_level(season: BuiltCity) -> None:
    intents = [row["keyword"] for row in season.dictionary("keywords")]
    visits = used_app(
        season,
        lambda flow, app: (
            app["category"] == "property" and not any(word in flow.search_keyword.lower() for word in intents)
        ),
    )
    found = told(season, "home-seeker")
    assert found
    for person, times in found.items():
        for at_ms in times:
            assert _weight(visits[person], at_ms - 1, 5, 0.2) < 1.0 <= _weight(visits[person], at_ms, 5, 0.2) + 1e-9


def test_dealings(season: BuiltCity) -> None:
    returned = {
        person: [order.event_time_ms for order in orders if order.action == 2]
        for person, orders in events(season, "order").items()
    }
    assert told(season, "order-returned") == permitted(season, "order-returned", returned) != {}
    large: Times = {}
    jumps: Times = {}
    for person, bills in events(season, "billing").items():
        large[person] = []
        for bill in bills:
            is_again = large[person] and bill.event_time_ms < large[person][-1] + 20 * DAY_MS
            if bill.kind == RECHARGE and bill.amount_yuan >= 100 and not is_again:
                large[person].append(bill.event_time_ms)
        paid = [(bill.event_time_ms, bill.amount_yuan) for bill in bills if bill.kind == BILL]
        jumps[person] = []
        for number, (at_ms, amount) in enumerate(paid):
            weights = [2 ** (-(at_ms - time) / (90 * DAY_MS)) for time, _ in paid[: number + 1]]
            usual = sum(w * yuan for w, (_, yuan) in zip(weights, paid)) / sum(weights)
            if amount > 1.2 * usual:
                jumps[person].append(at_ms)
    assert told(season, "recharge-large") == permitted(season, "recharge-large", large) != {}
    assert told(season, "bill-jump") == permitted(season, "bill-jump", jumps) != {}
    premium = {person["person_ref"] for person in season.people if person["device_price_band"] == "premium"}
    assert set(told(season, "premium-phone")) <= premium
    assert told(season, "premium-phone")


def test_an_episode_holds_ends_and_begins_anew() -> None:
    episodes = Episodes(2, hold_ms=10, hold_exit_ms=5)
    one = np.array([0])

    def step(time: int, enters: bool) -> None:
        episodes.step(one, np.array([time]), np.array([enters]), np.array([not enters]))

    for time, enters in ((1, True), (5, False), (20, True), (27, True), (40, False), (43, True), (50, False)):
        step(time, enters)
    episodes.settle(60)
    assert [each.tolist() for each in episodes.began()] == [[0], [30]]
    assert [each.tolist() for each in episodes.ended()] == [[0], [55]]
    step(61, True)
    episodes.settle(70)
    assert [each.tolist() for each in episodes.began()] == [[], []]
    episodes.settle(71)
    assert [each.tolist() for each in episodes.began()] == [[0], [71]]


@settings(max_examples=50)
@given(st.data())
def test_a_habit_is_the_mean_of_the_windows_before(data: st.DataObject) -> None:
    """Against a loop over one person's flows; days are handed over one by one, as the city does."""
    gaps = data.draw(st.lists(st.integers(1, 400_000), min_size=1, max_size=120))
    sizes = data.draw(st.lists(st.integers(1, 100), min_size=len(gaps), max_size=len(gaps)))
    cut = data.draw(st.integers(0, len(gaps)))
    times = (1_767_225_600_000 + np.cumsum(gaps)).tolist()
    expected = list(_habit(list(zip(times, map(float, sizes)))))
    habits = Habits(3)
    found: list[tuple[float, float]] = []
    for part in (slice(0, cut), slice(cut, None)):
        time = np.array(times[part], np.int64)
        who = np.full(len(time), 1)
        found += zip(*(each.tolist() for each in habits.day_of(who, time, np.array(sizes[part], float))))
    assert found == [pytest.approx(each, rel=1e-9, abs=1e-9) for each in expected]


def _habit(flows: list[tuple[int, float]]) -> Iterator[tuple[float, float]]:
    windows: list[tuple[int, float]] = []
    begin, inside = flows[0][0], 0.0
    for time, size in flows:
        if time >= begin + 180_000:
            windows.append((begin, inside))
            begin, inside = time, 0.0
        inside += size
        newest = sum(each for when, each in flows if time - 180_000 < when <= time)
        if not windows:
            yield newest, 0.0
            continue
        weights = [2 ** (-(windows[-1][0] - when) / (14 * DAY_MS)) for when, _ in windows]
        usual = sum(weight * held for weight, (_, held) in zip(weights, windows)) / sum(weights)
        yield newest, newest / usual if sum(weights) >= 20 else 0.0
