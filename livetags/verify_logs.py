"""`livetags verify`: the oracle over the logs in the ledger, and both stores compared with it."""

from __future__ import annotations

import time

import redis
from clickhouse_connect.driver.client import Client

from livetags import ledger, oracle, verify
from livetags.embedded import topics
from livetags.inputs import Input, input_named
from livetags.log_records import records_of
from livetags.runner import Progress
from schemas.settings import Settings


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
    inputs = given if given is not None else _inputs_of_ledger(client, settings.clickhouse_database)
    if not inputs:
        msg = "the ledger holds no run: run a job first, or name a log with --feed and --input"
        raise NothingToVerify(msg)
    until = [topics.end_offsets(i.bootstrap, i.topic) if i.bootstrap else None for i in inputs]
    progress.step("recomputing every profile from the log")
    records = records_of(
        [i.as_feed_input() for i in inputs], [i.files for i in inputs], settings.max_record_bytes, until
    )
    expected = oracle.recompute(records, settings, int(time.time() * 1000), lambda n: progress.events(n, None))
    progress.step("comparing with Redis and ClickHouse")
    return verify.verify(expected, hot, client, settings, lambda n: progress.events(n, len(expected.profiles)))


def _inputs_of_ledger(client: Client, database: str) -> list[Input]:
    named = {
        (i["feed"], i["input"]): None for run in ledger.runs(client, database) if run.status != "failed" for i in run.inputs
    }
    return [input_named(feed, name) for feed, name in named]
