"""Cities to look at: a small one with every record read, a larger one for what is rare."""

from __future__ import annotations

from pathlib import Path

import pytest

from city.building import build
from tests.city.built_city import BuiltCity


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> BuiltCity:
    return BuiltCity.of(_built(tmp_path_factory.mktemp("town"), 60, 7))


@pytest.fixture(scope="session")
def fortnight(tmp_path_factory: pytest.TempPathFactory) -> BuiltCity:
    """Long enough for people to move house."""
    return BuiltCity.of(_built(tmp_path_factory.mktemp("fortnight"), 150, 14))


@pytest.fixture(scope="session")
def borough(tmp_path_factory: pytest.TempPathFactory) -> BuiltCity:
    """Large enough for every kind of dirt."""
    return BuiltCity.of(_built(tmp_path_factory.mktemp("borough"), 1_500, 3))


def _built(out: Path, subscribers: int, days: int) -> Path:
    build(out, subscribers, days, seed=1)
    return out
