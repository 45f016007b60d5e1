"""Running the job `profile_update` from the command: prepare, start, show progress, sum up."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from livetags import ledger
from livetags.dictionary_updates import updates_folder
from livetags.embedded import topics
from livetags.feed_topics import refuse_missing_topics
from livetags.inputs import Input
from livetags.job_process import PROGRAM, JobProcess
from livetags.key_file import ensure_keys
from livetags.reach import reach_clickhouse, reach_redis
from livetags.rule_updates import rules_folder
from livetags.spool_folder import make_private, new_spool
from schemas.run import Run
from schemas.settings import Settings
from serving.erasures import erasures
from sinks.clickhouse_schema import migrate, publish_groups
from sinks.retry import Transient, retrying
from sources import FEEDS
from sources.spool import spool
from udfs.tags import GROUPS

JOB = "profile_update"
_POLL_S = 0.5
_QUIET_S = 10.0
_OUTAGE = (ClickHouseError, HTTPError, OSError)

T = TypeVar("T")


@dataclass(frozen=True)
class Finished:
    """What a run did: totals of its lineage, seconds from the first to the last event, how it ended.

    `missing`: records of the files that never reached the operator, which must be none.
    """

    run_id: str
    status: str
    totals: ledger.Totals
    start_up_s: float
    streaming_s: float
    savepoint: str = ""
    missing: int = 0

    @property
    def events_per_s(self) -> float:
        """Rate while streaming, start-up not counted."""
        return self.totals.events_in / self.streaming_s if self.streaming_s > 0 else 0.0


class Progress:
    """What the caller shows: a line for each step, and the events so far of a total that may be unknown."""

    def step(self, text: str) -> None:
        """Begin a step."""

    def events(self, done: int, total: int | None) -> None:
        """Events done of total, None when the total is not known."""

    def warn(self, text: str) -> None:
        """Something a person should know while waiting."""


def migrated_clickhouse(settings: Settings) -> Client:
    """Client of a ClickHouse with the newest tables."""
    client = reach_clickhouse(settings)
    migrate(client, settings.clickhouse_database)
    return client


def prepare_stores(settings: Settings) -> Client:
    """Client of a ClickHouse with the newest tables, and with the catalogue of tag groups as these settings have it.

    For whoever is about to write. Readers use `migrated_clickhouse`: the half-lives published are those the profiles
    were built with, and looking must not change them.
    """
    client = migrated_clickhouse(settings)
    half_lives_ms = {name: rule.half_life_ms for name, rule in settings.rules(GROUPS).groups.items()}
    publish_groups(client, settings.clickhouse_database, GROUPS, half_lives_ms)
    return client


def run_profile_update(
    settings: Settings,
    inputs: list[Input],
    progress: Progress,
    *,
    bounded: bool = True,
    restore: str = "",
    startup: str = "earliest-offset",
    interrupted: Callable[[int], bool] = lambda events_in: False,
    program: Sequence[str] = PROGRAM,
) -> Finished:
    """Run the job to the end of its input, or until `interrupted(events_in)`, then stop it with a savepoint.

    Raises
    ------
    topics.TopicError
        When a topic is not there, before anything was started.
    ledger.MixedLogs
        When the stores hold another log of a feed and no savepoint is given.
    job_process.JobFailed
        When the job ends with an error.
    """
    database = settings.clickhouse_database
    if not settings.kafka_properties:  # those are Flink's names for a log-in, which this client does not have
        refuse_missing_topics(inputs)
    reach_redis(settings)
    client = prepare_stores(settings)
    local = restore.startswith("file:") or (restore and "://" not in restore)
    if local and not Path(restore.removeprefix("file://").removeprefix("file:")).exists():
        msg = f"no savepoint at {restore}: --restore expects the path that a stop printed, or a retained checkpoint"
        raise FileNotFoundError(msg)
    earlier = ledger.runs(client, database)
    if any(source.feed.linked for source in inputs):
        ensure_keys(settings, in_use=any(FEEDS[i["feed"]].linked for entry in earlier for i in entry.inputs))
    if not restore:
        ledger.refuse_mixed(earlier, inputs)
    started_at = datetime.now(UTC)
    run_id = f"{started_at:%Y%m%dT%H%M%S}-{uuid4().hex[:6]}"
    make_private(settings)
    spool_folder = new_spool(settings, run_id)
    listed = [{"feed": i.feed.name, "input": i.name} for i in inputs]
    status = "failed"
    savepoint = ""
    job: JobProcess | None = None
    first_s = last_s = quiet_from_s = 0.0
    last_in = 0
    try:
        progress.step("reading the input")
        spool_file = spool_folder / "replay.json.gz" if not any(source.bootstrap for source in inputs) else None
        in_files = 0
        if spool_file is not None:
            logs = [(source.feed, source.files) for source in inputs]
            in_files = spool(logs, spool_file, settings.max_record_bytes, lambda n: progress.events(n, None))
        total = in_files + (_records_in_topics(inputs) if bounded else 0)
        ledger.record(client, database, ledger.RunRecord(run_id, JOB, listed, "running", started_at))
        if restore:
            ledger.inherit_totals(client, database, run_id, earlier, inputs)
        progress.step("starting Flink")
        clock = time.monotonic()
        run = Run(
            run_id,
            tuple(source.as_feed_input() for source in inputs),
            bounded,
            str(spool_file) if spool_file is not None else "",
            erasures(client, database),
            "" if bounded else updates_folder(settings),
            rules_folder(settings),
        )
        job = JobProcess(settings, run, restore, startup, program)
        while job.running():
            now_s = time.monotonic() - clock
            # The job rides out an outage of a store, so watching it must too.
            with suppress(*_OUTAGE):
                events_in = ledger.totals(client, database, run_id).events_in
                if events_in != last_in:
                    if not last_in:
                        progress.step("streaming")
                        # the first totals appear one history window after the first event
                        first_s = max(now_s - settings.history_window_ms / 1000, 0.0)
                    last_in = events_in
                    last_s = quiet_from_s = now_s
            progress.events(last_in, total if bounded and last_in else None)
            if now_s - quiet_from_s > _QUIET_S and (warning := job.last_warning()):
                progress.warn(f"{warning}; log: {job.log}")
                quiet_from_s = now_s
            if interrupted(last_in):
                progress.step("stopping with a savepoint")
                savepoint = job.savepoint(_savepoint_folder(settings))
                break
            time.sleep(_POLL_S)
        result = _patiently(settings, lambda: ledger.totals(client, database, run_id, settings.shards))
        status = "stopped" if savepoint else "finished" if result.folded or not result.events_in else ledger.EMPTY
    finally:
        if job is not None:
            job.kill()
        shutil.rmtree(spool_folder, ignore_errors=True)
        entry = ledger.RunRecord(run_id, JOB, listed, status, started_at)
        if status != "failed":
            _patiently(settings, lambda: ledger.record(client, database, entry))
        else:
            with suppress(*_OUTAGE):  # whatever made the run fail is what the caller should see
                ledger.record(client, database, entry)
    if result.events_in != last_in:
        last_s = time.monotonic() - clock
    progress.events(result.events_in, total if bounded else None)
    # A topic's offsets also number markers of transactions, so only files say exactly how many records there are.
    only_files = bounded and not restore and not any(source.bootstrap for source in inputs)
    missing = total - result.events_in if only_files else 0
    return Finished(run_id, status, result, first_s, max(last_s - first_s, 0.0), savepoint, missing)


def _records_in_topics(inputs: list[Input]) -> int:
    records = 0
    for source in inputs:
        if source.bootstrap:
            begin = topics.begin_offsets(source.bootstrap, source.topic)
            end = topics.end_offsets(source.bootstrap, source.topic)
            records += sum(end[partition] - begin[partition] for partition in end)
    return records


def _patiently(settings: Settings, call: Callable[[], T]) -> T:
    """Run `call`, riding out an outage of ClickHouse as the sinks do."""

    def once() -> T:
        try:
            return call()
        except _OUTAGE as error:
            kind = type(error).__name__
            raise Transient(kind) from None

    return retrying("ClickHouse", settings.sink_give_up_s, once)


def _savepoint_folder(settings: Settings) -> str:
    return settings.checkpoint_dir or (settings.data_dir.absolute() / "savepoints").as_uri()
