"""Triggers laid beside situations: by hand, and a law of the pairing."""

from __future__ import annotations

import json
from io import StringIO
from itertools import combinations, permutations
from math import isnan
from pathlib import Path

import pytest
from alarm_rows import T0_MS, alarm
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from livetags.arisen import Arisen, arisen, arisen_by_alarms
from livetags.city_truth import Subscriber
from livetags.scene_score import TOLERANCE, USUAL_TOLERANCE, SceneScore, pair, score
from livetags.scene_table import scene_table
from livetags.scenes import scenes_folder
from schemas.outputs import Trigger
from schemas.pseudonym_keys import new_keys
from udfs.privacy.pseudonym import KeyedPseudonyms

PSEUDONYMS = KeyedPseudonyms(new_keys())
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def fired(user: str, at_ms: int, rule: str = "order-returned", name: str = "") -> Trigger:
    identity = name or f"{user} {rule} {at_ms}"
    return Trigger(identity, user, rule, 1, "scene", "service", 50, "pulse", str(at_ms), T0_MS + at_ms, T0_MS + at_ms)


def arose(user: str, at_ms: int, doubtful: bool = False, scene: str = "order-returned") -> Arisen:
    return Arisen(scene, user, T0_MS + at_ms, doubtful)


def figures(situations: list[Arisen], triggers: list[Trigger]) -> SceneScore:
    [only] = score(["order-returned"], situations, triggers)
    return only


def test_a_trigger_matches_a_situation_of_the_same_person_and_scene_at_about_the_same_time() -> None:
    situations = [arose("ann", 0), arose("ben", 0), arose("ann", 5 * HOUR_MS), arose("cleo", 0)]
    triggers = [
        fired("ann", 10_000),
        fired("ann", 4 * HOUR_MS + 30 * MINUTE_MS),
        fired("ben", 2 * HOUR_MS),  # too late
        fired("dora", 0),  # did not consent, or nothing happened
        fired("cleo", 0, rule="group-calls"),
    ]
    found = figures(situations, triggers)
    assert (found.planted, found.fired, found.matched) == (4, 4, 2)
    assert (found.precision, found.recall) == (0.5, 0.5)
    assert found.late_s_median == pytest.approx((10 - 1_800) / 2)


def test_a_situation_explains_one_trigger_and_a_repeated_trigger_is_one() -> None:
    found = figures([arose("ann", 0)], [fired("ann", 0), fired("ann", 0), fired("ann", 1_000)])
    assert (found.fired, found.matched) == (2, 1)
    assert found.precision == 0.5


def test_a_doubtful_situation_may_be_noticed_and_need_not_be() -> None:
    situations = [arose("ann", 0, doubtful=True), arose("ben", 0, doubtful=True), arose("cleo", 0)]
    found = figures(situations, [fired("ann", 0), fired("cleo", 0)])
    assert (found.planted, found.excused, found.precision, found.recall) == (1, 1, 1.0, 1.0)


def test_a_doubtful_situation_takes_no_trigger_from_one_without_doubt() -> None:
    found = figures([arose("ann", 0, doubtful=True), arose("ann", 60_000)], [fired("ann", 0)])
    assert (found.matched, found.excused) == (1, 0)


def test_nothing_planted_and_nothing_fired_has_no_figures() -> None:
    found = figures([], [])
    assert all(isnan(each) for each in (found.precision, found.recall, found.late_s_median, found.late_s_p99))


def test_scenes_keep_their_order_and_are_all_there() -> None:
    assert [each.scene for each in score(["b", "a"], [], [])] == ["b", "a"]


def test_a_scene_without_planted_situations_is_still_judged() -> None:
    assert figures([], [fired("ann", 0)]).precision == 0.0


def test_tolerances_are_of_shipped_scenes() -> None:
    assert set(TOLERANCE) <= {file.stem for file in scenes_folder().glob("*.yaml")}
    [wide] = score(["group-calls"], [], [])
    assert wide.tolerance_s == TOLERANCE["group-calls"].total_seconds() > USUAL_TOLERANCE.total_seconds()


@given(
    st.lists(st.integers(0, 30), max_size=5),
    st.lists(st.integers(0, 30), max_size=5),
    st.integers(0, 6),
)
def test_no_choice_of_pairs_has_more(situations: list[int], triggers: list[int], tolerance: int) -> None:
    pairs, left = pair(situations, triggers, tolerance)
    assert all(abs(one - other) <= tolerance for one, other in pairs)
    assert sorted([*left, *(trigger for _, trigger in pairs)]) == sorted(triggers)
    few, many = sorted((situations, triggers), key=len)
    most = next(
        size
        for size in range(len(few), -1, -1)
        if any(
            all(abs(one - other) <= tolerance for one, other in zip(some, others))
            for some in combinations(few, size)
            for others in permutations(many, size)
        )
    )
    assert len(pairs) == most


def test_situations_are_read_by_pseudonym(tmp_path: Path) -> None:
    lines = [
        {"scene": "mall-stay", "person_ref": "p1", "at_ms": 5},
        {"scene": "mall-stay", "person_ref": "p2", "at_ms": 6, "doubtful": True},
    ]
    (tmp_path / "situations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert arisen(tmp_path, PSEUDONYMS) == [
        Arisen("mall-stay", PSEUDONYMS.person("p1"), 5),
        Arisen("mall-stay", PSEUDONYMS.person("p2"), 6, doubtful=True),
    ]


def test_without_situations_it_says_what_it_expected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected truth/situations\.jsonl"):
        arisen(tmp_path, PSEUDONYMS)


def test_an_alarm_is_one_situation_whatever_became_of_it() -> None:
    people = [Subscriber("ann", "home", consents={"marketing": True}), Subscriber("ben", "home")]
    ann, ben = (PSEUDONYMS.person(person.person_ref) for person in people)
    alarms = [
        alarm(ann, day=20, status="provisional"),
        alarm(ann, day=20, status="refined"),
        alarm(ann, day=30, kind="volume"),
        alarm(ben, day=20),
    ]
    found = arisen_by_alarms("interests-changed", alarms, people, PSEUDONYMS)
    assert {(each.user, each.doubtful) for each in found} == {(ann, False), (ben, True)}
    assert len(found) == 2


def test_the_table_has_a_row_a_scene() -> None:
    scores = [
        SceneScore("mall-stay", 1_000, 990, 985, 3, 43_200.0, 0.0, 5_400.0),
        SceneScore("bill-jump", 0, 0, 0, 0, 3_600.0, float("nan"), float("nan")),
    ]
    console = Console(file=StringIO(), width=140)
    console.print(scene_table(scores))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    [mall] = [line.split() for line in shown.splitlines() if "mall-stay" in line]
    assert [word for word in mall if word != "│"] == [
        "mall-stay", "1,000", "990", "985", "3", "0.998", "0.985", "1.5", "h", "12", "h",
    ]  # fmt: skip
    [bill] = [line for line in shown.splitlines() if "bill-jump" in line]
    assert bill.split().count("-") == 3
