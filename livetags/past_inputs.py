"""What the runs in the ledger have read, found again."""

from __future__ import annotations

import time
from collections.abc import Sequence

from livetags import ledger
from livetags.inputs import Input, input_named
from livetags.runner import Progress
from sources.records import read_records


class NoPastInputs(ValueError):
    """No run in the ledger and no input given, or inputs that can't be replayed from files."""


def newest_runs(runs: Sequence[ledger.RunRecord]) -> list[ledger.RunRecord]:
    """The newest runs that together cover every input: their totals are the log's.

    A run that reads from a savepoint has its predecessor's records in its totals. Where an older run read more inputs
    than newer ones, it stands for them.
    """
    chosen: list[tuple[set[tuple[str, str]], ledger.RunRecord]] = []
    for run in reversed(runs):
        inputs = {(i["feed"], i["input"]) for i in run.inputs}
        if run.status != "failed" and not inputs <= set().union(*(c for c, _ in chosen)):
            chosen = [(c, r) for c, r in chosen if not c <= inputs]
            chosen.append((inputs, run))
    return [run for _, run in chosen]


def inputs_of(runs: Sequence[ledger.RunRecord]) -> list[Input]:
    """Every input of `newest_runs`, in the order in which it was first read."""
    named = {(i["feed"], i["input"]): None for run in reversed(runs) for i in run.inputs}
    return [input_named(feed, name) for feed, name in named]


def in_files(inputs: Sequence[Input]) -> list[Input]:
    """The inputs, which must be files: topics keep no order among them, so no replay of theirs is the same.

    Raises
    ------
    NoPastInputs
        When there are none, or one is a topic.
    """
    if not inputs:
        msg = "the ledger holds no run: run a job first, or name a folder with --input"
        raise NoPastInputs(msg)
    topics = [source.name for source in inputs if source.bootstrap]
    if topics:
        msg = f"got the topic {topics[0]}: this replays files; name a folder that holds the same records with --input"
        raise NoPastInputs(msg)
    return list(inputs)


def judged_at_ms(runs: Sequence[ledger.RunRecord]) -> int:
    """The time by which "in the future" was judged: runs to an end judged at about their start, others judge still."""
    if runs and all(run.status in ("finished", ledger.EMPTY) for run in runs):
        return max(int(run.started_at.timestamp() * 1000) for run in runs)
    return int(time.time() * 1000)


def records_in(inputs: Sequence[Input], max_record_bytes: int, progress: Progress) -> int:
    """How many records files hold: counting is cheap beside replaying them, and tells how far that has come."""
    progress.step("counting the records")
    return sum(
        1 for source in inputs for file in source.files for _ in read_records(source.feed, file, max_record_bytes)
    )
