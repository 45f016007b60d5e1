"""Real Flink over a whole city in files: every feed, every kind of dirt, consents, links and erasures in one log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from city_runs import Search, SmallCity, city_settings, clickhouse_content, names_of, redis_content, small_city
from failing_profile_update import MARKER_VARIABLE
from harness import assert_same_profiles, fresh_settings, hot_client, hot_profiles, run, verified, with_keys_of

from livetags.rights import erase_person
from livetags.runner import Finished, migrated_clickhouse
from schemas.redis_keys import identifier_key, tombstone_key, trigger_tombstone_key
from schemas.settings import Settings
from udfs.privacy.pseudonym import KeyedPseudonyms

pytestmark = [pytest.mark.flink, pytest.mark.stores]

_STAYING = (tombstone_key, trigger_tombstone_key, identifier_key)

# Several windows, so that links, moves and erasures lie in different ones.
_WINDOW = {"replay_window_records": 3_000}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> SmallCity:
    return small_city(tmp_path_factory.mktemp("city"), 40, 5, 7, erased=2)


@pytest.fixture(scope="module")
def plain(
    tmp_path_factory: pytest.TempPathFactory, valkey: str, clickhouse: str, city: SmallCity
) -> tuple[Settings, Finished]:
    """Thread mode, parallelism 1: what the other runs must equal."""
    settings = settings_for(city, tmp_path_factory.mktemp("plain"), valkey, clickhouse)
    return settings, run(settings, city.inputs)


def settings_for(city: SmallCity, folder: Path, valkey: str, clickhouse: str, **more: Any) -> Settings:
    return city_settings(fresh_settings(folder, valkey, clickhouse, **_WINDOW, **more), city)


def counts_per_shard(settings: Settings, finished: Finished) -> list[tuple[Any, ...]]:
    """Every total of every shard; not the bytes, which compress by a few more or less with the time of the write."""
    return [
        (*row[:4], sorted(row[4].items()), row[5], sorted(row[6].items()))
        for row in migrated_clickhouse(settings)
        .query(
            "SELECT shard, events_in, folded, duplicates, rejected, users, corrected "
            f"FROM {settings.clickhouse_database}.run_counts FINAL WHERE run_id = '{finished.run_id}' ORDER BY shard"
        )
        .result_rows
    ]


def places_of(settings: Settings, names: set[str]) -> set[str]:
    """Where any of the names is, but for the records of an erasure and whose the identifiers are."""
    search = Search(names)
    staying = tuple(key(settings.redis_key_prefix, "").rstrip("}").encode() for key in _STAYING)
    found = {
        "redis"
        for piece in redis_content(hot_client(settings), f"{settings.redis_key_prefix}:*")
        if search.found_in(piece) and not piece.startswith(staying)
    }
    tables = clickhouse_content(migrated_clickhouse(settings), settings.clickhouse_database)
    return found | {
        table for table, rows in tables if table not in ("erasures", "identity_links") and search.found_in(rows)
    }


def test_every_record_is_accounted_for(plain: tuple[Settings, Finished], city: SmallCity) -> None:
    settings, finished = plain
    totals = finished.totals
    assert totals.balanced
    assert finished.missing == 0
    assert totals.events_in > 15_000
    assert totals.duplicates > 100
    reasons = {code.partition("/")[2] for code in totals.rejected}
    assert {"malformed", "ping_pong", "signal_drift", "no_consent", "erased"} <= reasons
    assert len(counts_per_shard(settings, finished)) > settings.shards


def test_both_stores_equal_the_oracle(plain: tuple[Settings, Finished]) -> None:
    settings, finished = plain
    verdict = verified(settings)
    assert verdict.ok, verdict.differences
    assert verdict.events_in == finished.totals.events_in
    assert verdict.users == finished.totals.users > 30


def test_who_asked_in_the_log_to_be_erased_is_erased(plain: tuple[Settings, Finished], city: SmallCity) -> None:
    settings, _ = plain
    pseudonyms = KeyedPseudonyms(settings.keys())
    assert len(city.erased_in_log) == 2
    for person in city.erased_in_log:
        client = migrated_clickhouse(settings)
        table = f"{settings.clickhouse_database}.tag_evidence"
        asked_ms = client.query(
            f"SELECT toUnixTimestamp64Milli(erased_at) FROM {settings.clickhouse_database}.erasures FINAL "
            f"WHERE user = '{pseudonyms.person(person['person_ref'])}'"
        ).result_rows[0][0]
        rows = client.query(
            f"SELECT count() FROM {table} WHERE user = '{pseudonyms.person(person['person_ref'])}' "
            f"AND toUnixTimestamp64Milli(event_time) <= {asked_ms}"
        ).result_rows
        assert rows[0][0] == 0


@pytest.mark.parametrize("other", [{"parallelism": 2}, {"execution_mode": "process"}])
def test_a_replay_has_the_same_profiles_and_the_same_counts_in_every_shard(
    plain: tuple[Settings, Finished],
    city: SmallCity,
    tmp_path: Path,
    valkey: str,
    clickhouse: str,
    other: dict[str, object],
) -> None:
    settings, finished = plain
    others = with_keys_of(settings_for(city, tmp_path, valkey, clickhouse, **other), settings)
    again = run(others, city.inputs)
    assert_same_profiles(hot_profiles(settings), hot_profiles(others))
    assert counts_per_shard(others, again) == counts_per_shard(settings, finished)


def test_a_failure_mid_run_loses_and_doubles_nothing(
    plain: tuple[Settings, Finished],
    city: SmallCity,
    tmp_path: Path,
    valkey: str,
    clickhouse: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings, whole = plain
    mine = with_keys_of(settings_for(city, tmp_path / "data", valkey, clickhouse), settings)
    mine = mine.model_copy(update={"checkpoint_interval_s": 0.2, "replay_window_records": 1_000})
    marker = tmp_path / "data" / "failed-once"
    monkeypatch.setenv(MARKER_VARIABLE, str(marker))
    finished = run(mine, city.inputs, program=[str(Path(__file__).parent / "failing_profile_update.py")])
    assert marker.exists(), "the failure was never injected: the run was too short"
    assert finished.totals.events_in == whole.totals.events_in
    assert finished.totals.balanced
    verdict = verified(mine)
    assert verdict.ok, verdict.differences


def test_a_run_over_filled_stores_changes_nothing_and_brings_nobody_back(
    plain: tuple[Settings, Finished], city: SmallCity
) -> None:
    settings, first = plain
    before = hot_profiles(settings)
    person = city.settled()[0]
    pseudonyms = KeyedPseudonyms(settings.keys())
    names = names_of(person, pseudonyms)
    assert {"redis", "tag_evidence"} <= places_of(settings, names)
    receipt = erase_person(settings, person["msisdn"], "case")
    assert places_of(settings, names) == set()
    verdict = verified(settings)
    assert verdict.ok, verdict.differences

    again = run(settings, city.inputs)
    assert again.totals.balanced
    assert again.totals.events_in == first.totals.events_in
    assert _erased(again) > _erased(first)
    assert places_of(settings, names) == set()
    assert receipt.check(settings) == []
    gone = f"{{{pseudonyms.person(person['person_ref'])}}}"  # as keys have it
    remaining = {user: fields for user, fields in before.items() if user != gone}
    assert len(remaining) == len(before) - 1
    assert_same_profiles(remaining, hot_profiles(settings))
    verdict = verified(settings)
    assert verdict.ok, verdict.differences


def _erased(finished: Finished) -> int:
    return sum(records for code, records in finished.totals.rejected.items() if code.endswith("/erased"))
