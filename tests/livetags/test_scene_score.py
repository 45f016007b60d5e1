"""Triggers laid beside situations: by hand, a law of the pairing, and that what is wrong fails, scene by scene."""

from __future__ import annotations

import json
from io import StringIO
from itertools import combinations, permutations
from math import ceil, isnan
from pathlib import Path
from random import Random

import msgspec
import pytest
from alarm_rows import T0_MS
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from city.building import build
from city.situations.book import SCENES
from livetags.arisen import Arisen, Doubt, arisen
from livetags.scene_score import TOLERANCE, USUAL_TOLERANCE, SceneScore, pair, score
from livetags.scene_table import scene_tables
from livetags.scenes import scenes_folder
from livetags.wilson import wilson
from schemas.outputs import Trigger
from schemas.pseudonym_keys import new_keys
from udfs.privacy.pseudonym import KeyedPseudonyms

PSEUDONYMS = KeyedPseudonyms(new_keys())
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def fired(user: str, at_ms: int, rule: str = "order-returned", name: str = "") -> Trigger:
    identity = name or f"{user} {rule} {at_ms}"
    return Trigger(identity, user, rule, 1, "scene", "service", 50, "pulse", str(at_ms), T0_MS + at_ms, T0_MS + at_ms)


def arose(user: str, at_ms: int, doubt: Doubt = "", scene: str = "order-returned") -> Arisen:
    return Arisen(scene, user, T0_MS + at_ms, doubt)


def figures(situations: list[Arisen], triggers: list[Trigger]) -> SceneScore:
    [only] = score(["order-returned"], situations, triggers)
    return only


def test_a_trigger_matches_a_situation_of_the_same_person_and_scene_at_about_the_same_time() -> None:
    situations = [arose("ann", 0), arose("ben", 0), arose("ann", 5 * HOUR_MS), arose("cleo", 0)]
    triggers = [
        fired("ann", 10_000),
        fired("ann", 5 * HOUR_MS - 50_000),
        fired("ben", 70_000),  # too late
        fired("dora", 0),  # did not consent, or nothing happened
        fired("cleo", 0, rule="group-calls"),
    ]
    found = figures(situations, triggers)
    assert (found.planted, found.fired, found.matched) == (4, 4, 2)
    assert (found.precision, found.recall) == (0.5, 0.5)
    assert found.late_s_median == pytest.approx((10 - 50) / 2)
    assert found.late_s_p90 == pytest.approx(10 - 0.1 * 60)
    assert not found.passes


def test_a_situation_explains_one_trigger_and_a_repeated_trigger_is_one() -> None:
    found = figures([arose("ann", 0)], [fired("ann", 0), fired("ann", 0), fired("ann", 1_000)])
    assert (found.fired, found.matched) == (2, 1)
    assert found.precision == 0.5


def test_a_doubtful_situation_may_be_noticed_and_need_not_be() -> None:
    situations = [arose("ann", 0, "doubtful"), arose("ben", 0, "doubtful"), arose("cleo", 0)]
    found = figures(situations, [fired("ann", 0), fired("cleo", 0)])
    assert (found.planted, found.doubtful, found.precision, found.recall) == (1, 1, 1.0, 1.0)
    assert (found.precision_of_all, found.recall_of_all) == (1.0, 1.0)


def test_what_late_records_hide_is_counted_apart_and_once_more_without_excuse() -> None:
    situations = [
        arose("ann", 0),
        arose("ben", 0, "unseen"),
        arose("ben", HOUR_MS, "apparent"),
        arose("cleo", 0, "unseen"),
        arose("dora", 0, "apparent"),
    ]
    triggers = [fired("ann", 0), fired("ben", HOUR_MS), fired("cleo", 0), fired("ella", 0)]
    found = figures(situations, triggers)
    assert (found.planted, found.fired, found.matched) == (1, 4, 1)
    assert (found.unseen, found.unseen_matched, found.apparent, found.apparent_matched) == (2, 1, 2, 1)
    assert (found.precision, found.recall) == (1 / 2, 1.0)  # Ella's is wrong
    assert (found.precision_of_all, found.recall_of_all) == (2 / 4, 2 / 3)


def test_a_doubtful_situation_takes_no_trigger_from_one_without_doubt() -> None:
    found = figures([arose("ann", 0, "doubtful"), arose("ann", 60_000)], [fired("ann", 0)])
    assert (found.matched, found.doubtful) == (1, 0)


def test_nothing_planted_and_nothing_fired_has_no_figures() -> None:
    found = figures([], [])
    assert all(isnan(each) for each in (found.precision, found.recall, found.late_s_median, found.late_s_p90))
    assert found.passes


def test_scenes_keep_their_order_and_are_all_there() -> None:
    assert [each.scene for each in score(["b", "a"], [], [])] == ["b", "a"]


def test_a_scene_without_planted_situations_is_still_judged() -> None:
    assert figures([], [fired("ann", 0)]).precision == 0.0


def test_tolerances_are_of_shipped_scenes() -> None:
    assert set(TOLERANCE) <= {file.stem for file in scenes_folder().glob("*.yaml")}
    [wide] = score(["mall-stay"], [], [])
    assert wide.tolerance_s == TOLERANCE["mall-stay"].total_seconds() > USUAL_TOLERANCE.total_seconds()


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
        {"scene": "mall-stay", "person_ref": "p3", "at_ms": 7, "unseen": True},
        {"scene": "mall-stay", "person_ref": "p3", "at_ms": 8, "apparent": True},
    ]
    (tmp_path / "situations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert arisen(tmp_path, PSEUDONYMS) == [
        Arisen("mall-stay", PSEUDONYMS.person("p1"), 5),
        Arisen("mall-stay", PSEUDONYMS.person("p2"), 6, "doubtful"),
        Arisen("mall-stay", PSEUDONYMS.person("p3"), 7, "unseen"),
        Arisen("mall-stay", PSEUDONYMS.person("p3"), 8, "apparent"),
    ]


def test_without_situations_it_says_what_it_expected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected truth/situations\.jsonl"):
        arisen(tmp_path, PSEUDONYMS)


def test_the_tables_have_a_row_a_scene_and_mark_what_is_below_the_bar() -> None:
    scores = [
        SceneScore("mall-stay", 1_000, 1_000, 975, 3, 8, 5, 9, 7, 300.0, 0.0, 5_400.0),
        SceneScore("bill-jump", tolerance_s=60.0),
    ]
    console = Console(file=StringIO(), width=80)
    for table in scene_tables(scores):
        console.print(table)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    right, late = (line.split() for line in shown.splitlines() if "mall-stay" in line)
    assert right == ["mall-stay", "1,000", "1,000", "975", "0.990", "(.981-.994)", "✗", "0.975", "(.963-.983)"]
    assert late == ["mall-stay", "0", "s", "1.5", "h", "5", "min", "5/8", "7/9", "0.983", "0.972"]
    bill = [line for line in shown.splitlines() if "bill-jump" in line]
    assert [line.split().count("-") for line in bill] == [2, 4]
    assert "✗" not in "".join(bill)


@pytest.mark.parametrize(
    ("right", "of", "low", "high"),
    # Newcombe 1998, Statist. Med. 17:857-872, table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_that_of_the_literature(right: int, of: int, low: float, high: float) -> None:
    assert wilson(right, of) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_nothing_counted_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


# Negative controls: a perfect answer passes in every scene, and each way to spoil it fails in every scene.


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> list[Arisen]:
    folder = tmp_path_factory.mktemp("city")
    build(folder, 150, 45, 9)
    return arisen(folder / "truth", PSEUDONYMS)


def perfect(truth: list[Arisen], scene: str) -> list[Trigger]:
    return [
        fired(each.user, each.at_ms - T0_MS, scene, f"{number}")
        for number, each in enumerate(truth)
        if each.scene == scene and not each.doubt
    ]


def moved(triggers: list[Trigger], by_ms: int) -> list[Trigger]:
    return [msgspec.structs.replace(each, at_ms=each.at_ms + by_ms) for each in triggers]


def judged(truth: list[Arisen], scene: str, triggers: list[Trigger]) -> SceneScore:
    [only] = score([scene], truth, triggers)
    return only


@pytest.mark.parametrize("scene", SCENES)
def test_a_perfect_answer_passes(truth: list[Arisen], scene: str) -> None:
    found = judged(truth, scene, perfect(truth, scene))
    assert found.planted == found.fired == found.matched > 0
    assert found.passes


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("by_ms", [-HOUR_MS, HOUR_MS, 12 * HOUR_MS, 24 * HOUR_MS])
def test_triggers_at_another_time_fail(truth: list[Arisen], scene: str, by_ms: int) -> None:
    found = judged(truth, scene, moved(perfect(truth, scene), by_ms))
    assert not found.passes
    assert found.recall < 0.5


@pytest.mark.parametrize("scene", SCENES)
def test_triggers_shifted_by_a_little_more_than_the_tolerance_fail(truth: list[Arisen], scene: str) -> None:
    by_ms = round(TOLERANCE.get(scene, USUAL_TOLERANCE).total_seconds() * 1000) + 1_000
    assert not judged(truth, scene, moved(perfect(truth, scene), by_ms)).passes


@pytest.mark.parametrize("scene", SCENES)
def test_triggers_of_other_people_fail(truth: list[Arisen], scene: str) -> None:
    triggers = perfect(truth, scene)
    strangers = [msgspec.structs.replace(each, user=f"not {each.user}") for each in triggers]
    assert not judged(truth, scene, strangers).passes


@pytest.mark.parametrize("scene", SCENES)
def test_one_of_twenty_missing_fails(truth: list[Arisen], scene: str) -> None:
    triggers = perfect(truth, scene)
    kept = triggers[ceil(len(triggers) / 20) :]
    found = judged(truth, scene, kept)
    assert not found.passes
    assert not kept or found.precision == 1.0


@pytest.mark.parametrize("scene", SCENES)
def test_one_in_twenty_too_many_fails(truth: list[Arisen], scene: str) -> None:
    triggers = perfect(truth, scene)
    rng = Random(3)
    more = [
        fired(rng.choice(triggers).user, rng.randrange(45 * 24 * HOUR_MS), scene, f"more {number}")
        for number in range(ceil(len(triggers) / 19))
    ]
    found = judged(truth, scene, triggers + more)
    assert not found.passes
    assert found.recall == 1.0


@pytest.mark.parametrize("scene", SCENES)
def test_every_trigger_twice_fails(truth: list[Arisen], scene: str) -> None:
    triggers = perfect(truth, scene)
    again = [msgspec.structs.replace(each, id=f"again {each.id}") for each in triggers]
    assert not judged(truth, scene, triggers + again).passes
