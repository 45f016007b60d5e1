"""Real Flink over files: nothing lost, dirt counted, and the same result whatever the parallelism and mode."""

from __future__ import annotations

from pathlib import Path

import pytest
from failing_profile_update import MARKER_VARIABLE
from harness import assert_same_profiles, fresh_settings, hot_profiles, run, verified, write_folder

from livetags.inputs import resolve
from livetags.runner import Finished
from schemas.settings import Settings
from sources import FEEDS

pytestmark = [pytest.mark.flink, pytest.mark.stores]

_EVENTS = 10_000
# a watermark falls on the last record or millisecond of every window: what is of that must not count as late
_TINY_WINDOWS = {"replay_window_records": 3, "history_window_ms": 1}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, valkey: str, clickhouse: str) -> tuple[Settings, Finished, Path]:
    """Both feeds with every kind of dirt, thread mode, parallelism 1: what the other runs must equal."""
    folder = tmp_path_factory.mktemp("plain")
    inputs, _ = write_folder(folder / "in", _EVENTS)
    settings = fresh_settings(folder / "data", valkey, clickhouse)
    return settings, run(settings, inputs), folder / "in"


def test_every_record_is_accounted_for(plain: tuple[Settings, Finished, Path], tmp_path: Path) -> None:
    _, finished, _ = plain
    _, dirt = write_folder(tmp_path / "again", _EVENTS)
    totals = finished.totals
    no_category = sum(b'"category":null' in value for value in FEEDS["household"].sample(_EVENTS, 0))
    repeated_no_category = sum(
        b'"category":null' in value for n, value in enumerate(FEEDS["household"].sample(_EVENTS, 0)) if n % 50 == 0
    )
    dirt["household/tag_missing"] += no_category + repeated_no_category
    assert totals.rejected == dirt
    assert totals.balanced
    household_repeats = _EVENTS // 50 - repeated_no_category
    values = list(FEEDS["dpi"].sample(_EVENTS, 7))
    assert totals.duplicates == household_repeats + len(values) - len(set(values))


def test_both_stores_equal_the_oracle(plain: tuple[Settings, Finished, Path]) -> None:
    settings, finished, _ = plain
    verdict = verified(settings)
    assert verdict.ok, verdict.differences
    assert verdict.events_in == finished.totals.events_in
    assert verdict.users == finished.totals.users > 0


@pytest.mark.parametrize(
    "other", [{"parallelism": 2}, {"execution_mode": "process"}, {"state_backend": "hashmap"}, _TINY_WINDOWS]
)
def test_same_profiles_and_counts(
    plain: tuple[Settings, Finished, Path], tmp_path: Path, valkey: str, clickhouse: str, other: dict[str, object]
) -> None:
    settings, finished, folder = plain
    keys = settings.keys().to_json()  # the same keys, or the same person would have another pseudonym
    others = fresh_settings(tmp_path, valkey, clickhouse, pseudonym_keys=keys, **other)
    again = run(others, resolve("all", str(folder)))
    assert_same_profiles(hot_profiles(settings), hot_profiles(others))
    assert (again.totals.events_in, again.totals.folded, again.totals.duplicates, again.totals.rejected) == (
        finished.totals.events_in,
        finished.totals.folded,
        finished.totals.duplicates,
        finished.totals.rejected,
    )


def test_a_failure_mid_run_loses_and_doubles_nothing(
    tmp_path: Path, valkey: str, clickhouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "household.jsonl"
    file.write_bytes(b"".join(value + b"\n" for value in FEEDS["household"].sample(450_000, 0)))
    settings = fresh_settings(
        tmp_path / "data", valkey, clickhouse, state_backend="rocksdb", replay_window_records=2_000
    )
    marker = tmp_path / "data" / "failed-once"
    monkeypatch.setenv(MARKER_VARIABLE, str(marker))
    here = Path(__file__).parent
    finished = run(settings, resolve("household", str(file)), program=[str(here / "failing_profile_update.py")])
    assert marker.exists(), "the failure was never injected: the run was too short"
    assert finished.totals.events_in == 450_000
    verdict = verified(settings)
    assert verdict.ok, verdict.differences
