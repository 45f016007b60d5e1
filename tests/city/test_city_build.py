"""Building: the same bytes for the same seed, other bytes for another, and a report that is true."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from city.building import build
from tests.city.built_city import MESSAGES, BuiltCity


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_same_seed_same_bytes_in_another_process(town: BuiltCity, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    sizes = ["--subscribers", "60", "--days", "7", "--seed", "1"]
    command = [sys.executable, "-m", "city", "--out", str(tmp_path), *sizes]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    again, first = _files(tmp_path), _files(town.folder)
    assert again.keys() == first.keys()
    assert [name for name in first if again[name] != first[name]] == []


def test_other_seed_other_city(town: BuiltCity, tmp_path: Path) -> None:
    build(tmp_path, 60, 7, seed=2)
    other = _files(tmp_path)
    same = {name for name, content in _files(town.folder).items() if other[name] == content}
    # What is in the catalogue is in every city.
    assert same <= {f"dictionaries/{name}.csv" for name in ("apps", "devices", "regions", "keywords", "cells")}


def test_report_and_progress(tmp_path: Path) -> None:
    seen: list[int] = []
    report = build(tmp_path, 30, 2, seed=3, on_progress=seen.append)
    city = BuiltCity.of(tmp_path)
    assert report.events == {feed: len(city.raw[feed]) for feed in MESSAGES} == city.summary["events"]
    assert report.dirt == city.summary["dirt"]
    assert sum(report.dirt.values()) == len(city.dirt)
    assert seen == sorted(seen)
    assert seen[-1] == sum(report.events.values())
    assert report.events_per_second == pytest.approx(seen[-1] / report.seconds)


def test_summary_says_sizes(town: BuiltCity) -> None:
    start_ms = 1_767_225_600_000
    expected = {"seed": 1, "subscribers": 60, "days": 7, "start_ms": start_ms, "end_ms": start_ms + 7 * 86_400_000}
    assert expected.items() <= town.summary.items()


@pytest.mark.parametrize(("subscribers", "days"), [(1, 5), (10, 0)])
def test_impossible_sizes(tmp_path: Path, subscribers: int, days: int) -> None:
    with pytest.raises(ValueError, match="at least 2 subscribers and 1 day, got"):
        build(tmp_path, subscribers, days, seed=1)


@pytest.mark.parametrize(("subscribers", "days"), [(2, 1), (2, 3), (3, 2), (20, 1), (61, 33)])
def test_small_and_long_cities(tmp_path: Path, subscribers: int, days: int) -> None:
    build(tmp_path, subscribers, days, seed=5)
    city = BuiltCity.of(tmp_path)
    assert len(city.people) == subscribers
    json.dumps(city.people)
    for feed in MESSAGES:
        assert all(message is not None for _, message in city.records(feed))


def test_shares_no_code_with_the_job() -> None:
    ours = ("schemas", "sources", "udfs", "sinks", "jobs", "serving", "livetags")
    code = f"import sys, city; print([name for name in sys.modules if name.split('.')[0] in {ours!r}])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
