"""`livetags verify`: the oracle over the logs in the ledger, and both stores compared with it."""

from __future__ import annotations

import time

import redis
from clickhouse_connect.driver.client import Client

from livetags import ledger, oracle, verify
from livetags.embedded import topics
from livetags.inputs import Input
from livetags.log_records import records_of
from livetags.past_inputs import inputs_of, judged_at_ms, newest_runs
from livetags.runner import Progress
from schemas.settings import Settings
from serving.erasures import erasures
from sources.dictionaries import load
from udfs.privacy.pseudonym import KeyedPseudonyms


class NothingToVerify(ValueError):
    """No run in the ledger and no input given."""


def verify_against_logs(
    settings: Settings, client: Client, hot: redis.Redis, given: list[Input] | None, progress: Progress
) -> verify.Verdict:
    """Recompute everything from the logs and compare.

    Parameters
    ----------
    given
        The logs; None for every input that a run in the ledger has read.

    Raises
    ------
    NothingToVerify
        When there is neither.
    """
    runs = newest_runs(ledger.runs(client, settings.clickhouse_database))
    inputs = given if given is not None else inputs_of(runs)
    if not inputs:
        msg = "the ledger holds no run: run a job first, or name a log with --feed and --input"
        raise NothingToVerify(msg)
    until = [topics.end_offsets(i.bootstrap, i.topic) if i.bootstrap else None for i in inputs]
    progress.step("recomputing every profile from the log")
    records = records_of(
        [i.as_feed_input() for i in inputs], [i.files for i in inputs], settings.max_record_bytes, until
    )
    began_ms = min((int(run.started_at.timestamp() * 1000) for run in runs), default=int(time.time() * 1000))
    erased_before = erasures(client, settings.clickhouse_database, began_ms)
    expected = oracle.recompute(
        records,
        settings,
        judged_at_ms(runs),
        lambda n: progress.events(n, None),
        pseudonyms=KeyedPseudonyms(settings.keys()) if any(i.feed.linked for i in inputs) else None,
        dictionaries=load(settings.dictionaries_folder()),
        erased=erased_before,
        refined=_refined(client, settings.clickhouse_database),
        shifts_ms=_shifts_ms(client, settings),
    )
    expected = _without(expected, erasures(client, settings.clickhouse_database, requested=True), erased_before)
    progress.step("comparing with Redis and ClickHouse")
    users_twice = 2 * len(expected.profiles)
    run_ids = tuple(run.run_id for run in runs)
    return verify.verify(expected, hot, client, settings, lambda n: progress.events(n, users_twice), run_ids)


def _refined(client: Client, database: str) -> set[oracle.AlarmKey]:
    """Alarms whose rebuild the history answered in time; what followed from that is recomputed."""
    rows = client.query(
        "SELECT user, kind, toUnixTimestamp64Milli(alarm_at) FROM {database:Identifier}.drift_alarms FINAL "
        "WHERE status = 'refined'",
        parameters={"database": database},
    ).result_rows
    return {(str(user), str(kind), int(at_ms)) for user, kind, at_ms in rows}


def _shifts_ms(client: Client, settings: Settings) -> dict[int, list[int]]:
    """When the guards noticed shifts of everybody, by shard of the people, whose numbers follow those of the doors."""
    rows = client.query(
        "SELECT shard, arraySort(groupUniqArray(toUnixTimestamp64Milli(alarm_at))) "
        "FROM {database:Identifier}.fleet_alarms GROUP BY shard",
        parameters={"database": settings.clickhouse_database},
    ).result_rows
    return {shard - settings.shards: shifts for shard, shifts in rows}


def _without(
    expected: oracle.OracleResult, erased: dict[str, int], known_to_the_runs: dict[str, int]
) -> oracle.OracleResult:
    """What must be left after erasures that came when the runs were over: they took everything."""
    later = {user for user, erased_ms in erased.items() if erased_ms > known_to_the_runs.get(user, 0)}
    later -= {user for user in later if user in expected.profiles and erased[user] < expected.profiles[user].as_of_ms}
    profiles = {user: profile for user, profile in expected.profiles.items() if user not in later}
    dead_letters = {letter: user for letter, user in expected.dead_letters.items() if user not in later}
    alarms = {key: alarm for key, alarm in expected.alarms.items() if key[0] not in later}
    return expected._replace(profiles=profiles, dead_letters=dead_letters, alarms=alarms)
