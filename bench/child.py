"""Runs one measured job in a child process: bounded in time, ended with its whole process group."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import msgspec

from bench import archive, tally
from bench.job import ARCHIVE, PER_EVENT, SQL, Outcome, Spec
from livetags.embedded.processes import free_port
from livetags.job_process import job_environment
from schemas.run import FeedInput, Run
from schemas.settings import Settings


class BenchError(RuntimeError):
    """A measurement that can't be had; there is no number then."""


@dataclass(frozen=True)
class Topic:
    """A filled topic."""

    bootstrap: str
    name: str
    events: int
    has_rejects: bool = False


@dataclass(frozen=True)
class JobRun:
    """One finished job: from starting its process to its end, its CPU time, what it and Flink counted."""

    run_id: str
    wall_s: float
    execute_s: float
    cpu_s: float
    seen: tally.Seen
    flink: archive.Record


def run_job(
    variant: str, topic: Topic, settings: Settings, jars: list[Path], scratch: Path, process_mode: bool = False
) -> JobRun:
    """Run a job over a topic to its end.

    Raises
    ------
    BenchError
        When it fails or does not end in time. Nothing of it is left running then.
    """
    run_id = f"{variant}-{uuid4().hex[:8]}"
    folder = scratch / run_id
    (folder / "log").mkdir(parents=True)
    settings = settings.model_copy(update={"checkpoint_dir": (folder / "checkpoints").as_uri()})
    source = FeedInput("household", "kafka", (topic.name,), bootstrap=topic.bootstrap)
    run = Run(run_id, (source,), bounded=True)
    spec = Spec(variant, run, settings.public(), [str(jar) for jar in jars], str(folder), free_port())
    spec_file = folder / "spec.json"
    spec_file.write_bytes(msgspec.json.encode(spec))
    environment = {**job_environment(settings), "FLINK_LOG_DIR": str(folder / "log")}
    if process_mode:
        # Else the workers would be threads of the client, which no deployment has.
        environment["_python_worker_execution_mode"] = "process"
    timeout_s = 120 + topic.events / 1_000
    with (folder / "output.log").open("wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.job", str(spec_file)],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            msg = f"{variant} on {topic.events:,} events did not end within {timeout_s:.0f} s"
            raise BenchError(msg) from None
        finally:
            wall_s = time.monotonic() - began
            _end(process)
    if code != 0:
        msg = f"{variant} ended with exit code {code}:\n{_why(folder)}"
        raise BenchError(msg)
    outcome = msgspec.json.decode((folder / "outcome.json").read_bytes(), type=Outcome)
    finished = JobRun(
        run_id, wall_s, outcome.execute_s, outcome.cpu_s, tally.read(folder), archive.read(folder / ARCHIVE)
    )
    _check(variant, topic, finished)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return finished


def _check(variant: str, topic: Topic, job: JobRun) -> None:
    """No number for a run that did not process every event, and fold it."""
    counts = {"records read by the source": job.flink.source_records}
    if variant != SQL:
        counts["events seen by the operator"] = job.seen.events
        totals = job.seen.totals
        if variant != PER_EVENT:
            counts["events accounted for"] = sum(totals.get(name, 0) for name in ("folded", "duplicates", "rejected"))
        if not topic.has_rejects:
            counts["events folded"] = totals["folded"]
    wrong = {what: count for what, count in counts.items() if count != topic.events}
    if wrong:
        msg = f"{variant}: the topic holds {topic.events:,} events, but there were {wrong}"
        raise BenchError(msg)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the group this process leads: its JVM and its workers too."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait(10)


def _why(folder: Path) -> str:
    lines = (folder / "output.log").read_text(errors="replace").splitlines()
    causes = [line for line in lines if line.startswith("Caused by:")]
    return "\n".join([*lines[-8:], *causes[-2:]])[-3_000:]
