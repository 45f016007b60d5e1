"""What Flink archived of a finished job: records read, how busy each task was, the size of the last checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from msgspec import Struct


class Task(Struct):
    """One task (a chain of operators): the shares of its time it was busy and held back by the next one."""

    name: str
    records_in: int
    records_out: int
    bytes_out: int
    seconds: float
    busy: float
    held_back: float


class Record(Struct):
    """A finished job: records its source read, its tasks in order, bytes of state in its last checkpoint."""

    source_records: int
    tasks: list[Task]
    state_bytes: int
    checkpoints: int
    failed_checkpoints: int


def read(folder: Path) -> Record:
    """Read the one job archived in the folder.

    Raises
    ------
    ValueError
        When there is none, or Flink says that its counts are incomplete.
    """
    pages: dict[str, Any] = {}
    # Beside the job's own file lies one of the "application" it belongs to, of the same kind.
    for file in folder.rglob("*"):
        if file.is_file() and not file.name.startswith("."):
            pages |= {page["path"]: json.loads(page["json"]) for page in json.loads(file.read_text())["archive"]}
    jobs = [page for page in pages.values() if isinstance(page, dict) and "vertices" in page and "jid" in page]
    if len(jobs) != 1:
        msg = f"expected one archived job, found {len(jobs)}"
        raise ValueError(msg)
    [job] = jobs
    tasks = [_task(vertex) for vertex in job["vertices"]]
    sources = [vertex["metrics"] for vertex in job["vertices"] if vertex["name"].startswith("Source:")]
    if not sources or not all(metrics["read-records-complete"] for metrics in sources):
        msg = "Flink's count of the records its sources read is incomplete"
        raise ValueError(msg)
    checkpoints = pages[f"/jobs/{job['jid']}/checkpoints"]
    last = checkpoints["latest"]["completed"] or {}
    return Record(
        source_records=sum(metrics["read-records"] for metrics in sources),
        tasks=tasks,
        state_bytes=int(last.get("state_size", 0)),
        checkpoints=checkpoints["counts"]["completed"],
        failed_checkpoints=checkpoints["counts"]["failed"],
    )


def _task(vertex: dict[str, Any]) -> Task:
    metrics = vertex["metrics"]
    seconds = max(vertex["duration"], 1) / 1000
    return Task(
        name=vertex["name"],
        records_in=metrics["read-records"],
        records_out=metrics["write-records"],
        bytes_out=metrics["write-bytes"],
        seconds=seconds,
        busy=_share(metrics["accumulated-busy-time"], seconds),
        held_back=_share(metrics["accumulated-backpressured-time"], seconds),
    )


def _share(milliseconds: Any, seconds: float) -> float:
    # "NaN" where a task can't tell
    return float(milliseconds) / 1000 / seconds if milliseconds not in (None, "NaN") else 0.0
