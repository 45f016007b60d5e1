"""The ledger of runs, kept in ClickHouse: which logs the stores hold, and the totals of each run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client

from livetags.inputs import Input
from sources import FEEDS


@dataclass(frozen=True)
class RunRecord:
    """One run as the ledger has it; `inputs` are ``{"feed": name, "input": name}``."""

    run_id: str
    job: str
    inputs: list[dict[str, str]]
    status: str
    started_at: datetime


@dataclass(frozen=True)
class Totals:
    """Totals of a run over its shards; `people_bytes` of the state are the persons', the rest the door's."""

    events_in: int = 0
    folded: int = 0
    duplicates: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    users: int = 0
    state_bytes: int = 0
    people_bytes: int = 0
    corrected: dict[str, int] = field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        """Whether events in = folded + duplicates + rejected."""
        return self.events_in == self.folded + self.duplicates + sum(self.rejected.values())


EMPTY = "empty"
"""Status of a run that could use no record: it left dead letters, but no profile."""


class MixedLogs(RuntimeError):
    """The stores hold profiles of another log of the feed, and the run would start from empty state."""


def record(client: Client, database: str, run: RunRecord, inputs: list[Input] | None = None) -> None:
    """Write the run's present status."""
    listed = run.inputs if inputs is None else [{"feed": i.feed.name, "input": i.name} for i in inputs]
    client.insert(
        f"{database}.runs",
        [[run.run_id, run.job, json.dumps(listed), run.status, run.started_at]],
        column_names=["run_id", "job", "inputs", "status", "started_at"],
    )


def runs(client: Client, database: str) -> list[RunRecord]:
    """Every run, oldest first."""
    rows = client.query(
        "SELECT run_id, job, inputs, status, started_at FROM {database:Identifier}.runs FINAL "
        "ORDER BY started_at, run_id",
        parameters={"database": database},
    ).result_rows
    return [
        RunRecord(run_id, job, json.loads(inputs), status, started_at.replace(tzinfo=UTC))
        for run_id, job, inputs, status, started_at in rows
    ]


def totals(client: Client, database: str, run_id: str, shards: int = 0) -> Totals:
    """Totals of the run so far; `shards` of the doors, after which those of the people are numbered."""
    rows = client.query(
        "SELECT sum(events_in), sum(folded), sum(duplicates), sumMap(rejected), sum(users), sum(state_bytes), "
        "sumIf(state_bytes, shard >= {shards:UInt32}), sumMap(corrected) "
        "FROM {database:Identifier}.run_counts FINAL WHERE run_id = {run_id:String}",
        parameters={"database": database, "run_id": run_id, "shards": shards},
    ).result_rows
    events_in, folded, duplicates, rejected, users, state_bytes, people_bytes, corrected = rows[0]
    return Totals(events_in, folded, duplicates, dict(rejected), users, state_bytes, people_bytes, dict(corrected))


def inherit_totals(client: Client, database: str, run_id: str, earlier: list[RunRecord], inputs: list[Input]) -> None:
    """Give a run that continues from a savepoint the totals of the run before it over any of its inputs.

    A shard writes its totals when it has records; one that has none since the savepoint would be missing from the new
    run's. Whatever it does write later replaces what is inherited.
    """
    mine = {(source.feed.name, source.name) for source in inputs}
    for run in reversed(earlier):
        if mine & {(i["feed"], i["input"]) for i in run.inputs}:
            client.command(
                "INSERT INTO {database:Identifier}.run_counts SELECT {run_id:String}, * EXCEPT (run_id) "
                "FROM {database:Identifier}.run_counts FINAL WHERE run_id = {before:String}",
                parameters={"database": database, "run_id": run_id, "before": run.run_id},
            )
            return


def refuse_mixed(earlier: list[RunRecord], inputs: list[Input]) -> None:
    """Raise where a run from empty state would meet profiles that another log built.

    A profile's version counts its events. A run over another log starts counting at one, so the stores would refuse
    it as older, or, once it counts more, it would replace what the other log had built. Feeds of one population
    update the same profiles, so the same holds between them. A run that failed has written too.

    Raises
    ------
    MixedLogs
        Naming the inputs and what can be done.
    """
    populations = {source.feed.population for source in inputs}
    mine = {(source.feed.name, source.name) for source in inputs}
    held = {
        (i["feed"], i["input"])
        for run in earlier
        if run.status != EMPTY
        for i in run.inputs
        if FEEDS[i["feed"]].population in populations
    }
    if held - mine:
        msg = (
            "the stores hold profiles of the same people, built from other input:\n  "
            + "\n  ".join(f"{feed}: {name}" for feed, name in sorted(held - mine))
            + "\nA run that starts from empty state would be refused as older. Either continue that run's state with "
            "--restore SAVEPOINT, or put all files into one folder and read that, or begin anew with "
            "`livetags reset`, or use other stores: another redis_key_prefix and clickhouse_database."
        )
        raise MixedLogs(msg)
