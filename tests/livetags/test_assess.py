"""What cleaning and tags find, against the truth of two cities: the bars the project sets itself."""

from __future__ import annotations

import multiprocessing
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from city.building import build
from livetags.assess import Accuracy, Assessment, assess, auc
from livetags.in_process import Replayed, replay
from livetags.inputs import resolve
from schemas import state
from schemas.pseudonym_keys import new_keys
from schemas.run import Run
from schemas.settings import Settings
from sources.dictionaries import load
from udfs.privacy.pseudonym import KeyedPseudonyms
from udfs.tags import GROUPS

# Of 33 people one churns, and nothing is concluded from fewer than five cases.
_SUBSCRIBERS, _DAYS = 168, 25
_SEEDS = (2, 6)
_ENOUGH_CASES = 8
_MAX_BLOB_BYTES = 2_048
_MAX_DRIFT_BYTES = 1_200


@dataclass
class Assessed:
    """The figures of one city, and what they do not say: whether counts balance, and how big a person's blob is."""

    figures: Assessment
    accounted_for: int
    people: int
    blob_bytes: float
    drift_bytes: float


def assessed(folder: Path, subscribers: int, days: int, seed: int) -> Assessed:
    """Build a city, replay it, compare."""
    build(folder, subscribers, days, seed)
    settings = Settings(data_dir=folder / "data", dictionaries_dir=folder / "dictionaries")
    inputs = resolve("all", str(folder))
    pseudonyms = KeyedPseudonyms(new_keys())
    dictionaries = load(settings.dictionaries_folder())
    replayed = replay(inputs, settings, pseudonyms, dictionaries, int(time.time() * 1000))
    run = Run("in-process", tuple(source.as_feed_input() for source in inputs), True)
    figures = assess(folder / "truth", replayed, run, settings.rules(GROUPS, dictionaries), pseudonyms)
    return Assessed(
        figures, _accounted_for(replayed), len(replayed.people), _blob_bytes(replayed), _drift_bytes(replayed)
    )


def _accounted_for(replayed: Replayed) -> int:
    door, people = replayed.door, replayed.profiles
    rejected = sum(door.rejected.values()) + sum(people.rejected.values())
    assert rejected == len(replayed.dead_letters)
    return door.folded + people.folded + door.duplicates + rejected


def _blob_bytes(replayed: Replayed) -> float:
    return sum(map(len, replayed.people.values())) / len(replayed.people)


def _drift_bytes(replayed: Replayed) -> float:
    """What the drift detectors add to a blob."""
    without = 0
    for blob in replayed.people.values():
        profile = state.decode(blob)
        profile.drift = None
        without += len(state.encode(profile))
    return _blob_bytes(replayed) - without / len(replayed.people)


@pytest.fixture(scope="session")
def cities(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Assessed]:
    """Both cities, side by side: the second in a process of its own."""
    folders = {seed: tmp_path_factory.mktemp(f"city-{seed}") for seed in _SEEDS}
    first, second = _SEEDS
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    child = fork.Process(target=lambda: sender.send(assessed(folders[second], _SUBSCRIBERS, _DAYS, second)))
    child.start()
    sender.close()  # so that a child that fails ends the wait below
    found = {first: assessed(folders[first], _SUBSCRIBERS, _DAYS, first), second: receiver.recv()}
    child.join()
    for folder in folders.values():
        shutil.rmtree(folder)
    return found


@pytest.fixture(params=_SEEDS, ids=lambda seed: f"seed {seed}")
def city(cities: dict[int, Assessed], request: pytest.FixtureRequest) -> Assessed:
    return cities[request.param]


def test_every_record_is_accounted_for(city: Assessed) -> None:
    assert city.accounted_for == city.figures.events_in > 100_000
    assert city.people == city.figures.persons == _SUBSCRIBERS


@pytest.mark.parametrize(
    ("kind", "bar"), [("duplicate", 0.99), ("garbage", 0.99), ("ping_pong", 0.95), ("outlier", 0.95), ("drift", 0.9)]
)
def test_dirt_is_found_and_nothing_else(city: Assessed, kind: str, bar: float) -> None:
    found = city.figures.detections[kind]
    print(f"{kind}: {found}")
    assert found.labelled >= 20
    assert found.precision >= bar
    assert found.recall >= bar


def test_a_tag_tells_whom_it_is_true_of(city: Assessed) -> None:
    judged = {
        name: found
        for name, found in city.figures.separations.items()
        # churners are few, and no fewer than five are counted at all
        if name == "churning" or min(found.positives, found.negatives) >= _ENOUGH_CASES
    }
    for name, found in judged.items():
        print(f"{name}: AUC {found.auc:.4f}, {found.positives} of {found.positives + found.negatives}")
    assert sum(name.startswith("interest ") for name in judged) >= 10
    assert {"trait night_active", "trait ecommerce", "trait commuter", "trait mall_visitor", "churning"} <= set(judged)
    assert {name: found for name, found in judged.items() if found.auc < 0.9} == {}


@pytest.mark.parametrize("of", [lambda figures: figures.home, lambda figures: figures.work], ids=["home", "work"])
def test_the_heaviest_district_is_the_right_one(city: Assessed, of: Callable[[Assessment], Accuracy]) -> None:
    accuracy = of(city.figures)
    print(accuracy)
    assert accuracy.persons >= 90
    assert accuracy.share >= 0.95


def test_nobody_whose_interests_stayed_is_suspected_of_a_change(city: Assessed) -> None:
    drift = city.figures.drift
    assert drift.steady_years > 4
    assert drift.steady_alarms == 0


def test_a_persons_state_is_small(city: Assessed) -> None:
    print(
        f"{city.blob_bytes:,.0f} bytes a person's blob, {city.drift_bytes:,.0f} of them for drift, "
        f"{city.figures.bytes_per_person:,.0f} with the identifiers'"
    )
    assert city.blob_bytes - city.drift_bytes <= _MAX_BLOB_BYTES
    assert city.drift_bytes <= _MAX_DRIFT_BYTES


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        ([1.0, 2.0, 3.0, 4.0], [False, False, True, True], 1.0),
        ([4.0, 3.0, 2.0, 1.0], [False, False, True, True], 0.0),
        ([5.0, 5.0, 5.0], [True, False, False], 0.5),
        # pairs of a true and a false case: 2 > 1, 2 = 2, 3 > 1, 3 > 2
        ([1.0, 2.0, 2.0, 3.0], [False, False, True, True], 3.5 / 4),
    ],
)
def test_area_under_the_curve(scores: list[float], labels: list[bool], expected: float) -> None:
    assert auc(scores, labels) == expected


def test_a_folder_without_truth_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no truth in"):
        assess(tmp_path, Replayed(), Run("r", (), True), Settings().rules(GROUPS), KeyedPseudonyms(new_keys()))
