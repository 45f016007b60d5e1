"""The scenes over a small city: the table, and that all that fires is right."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from city import build
from livetags.cli import app


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("city")
    build(folder, 60, 8, 31)
    return folder


def test_what_fires_is_what_arose(city: Path) -> None:
    result = CliRunner().invoke(app, ["scenes", str(city), "--json"])
    assert result.exit_code == 0, result.output
    scores = {each["scene"]: each for each in json.loads(result.stdout)}
    assert len(scores) == 26
    assert sum(each["planted"] for each in scores.values()) > 300
    wrong = {
        scene: (each["fired"] - each["excused"] - each["matched"], each["planted"] - each["matched"])
        for scene, each in scores.items()
    }
    # of one or two situations a single late record costs a half: the shares are for `livetags scenes` over more people
    assert sum(more + less for more, less in wrong.values()) <= 0.02 * sum(each["planted"] for each in scores.values())


def test_the_table_names_every_scene(city: Path) -> None:
    result = CliRunner().invoke(app, ["scenes", str(city)])
    assert result.exit_code == 0, result.output
    assert len(re.findall(r"^ [a-z0-9-]+ +\d", result.stdout, re.M)) == 26
    assert "0 of them twice" in result.stdout


def test_a_folder_that_is_no_city_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["scenes", str(tmp_path)])
    assert result.exit_code != 0
