"""One measured job, in a process of its own with a JVM of its own: ``python -m bench.job SPEC.json``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec
import psutil
from msgspec import Struct
from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment

from bench import flink_sql, per_event, update_only
from bench.discard import Discard, DiscardHot
from bench.tallied import TalliedDoorOperator
from jobs import profile_update
from jobs.environment import make_environment
from jobs.operators.history_writer import HistoryWriter
from jobs.operators.hot_writer import HotWriter
from schemas.run import Run
from schemas.settings import Settings

OURS, OURS_REAL_SINKS, UPDATE_ONLY, PER_EVENT, SQL = "ours", "ours-real-sinks", "update-only", "per-event", "sql"
ARCHIVE = "archive"


class Spec(Struct):
    """What to run; `folder` takes the outcome."""

    variant: str
    run: Run
    settings: str
    jars: list[str]
    folder: str
    rest_port: int


class Outcome(Struct):
    """CPU of this process and all below it until the job's end, and how long the job itself took."""

    cpu_s: float
    execute_s: float


def main(path: str) -> None:
    """Run the job of a spec to its end."""
    spec = msgspec.json.decode(Path(path).read_bytes(), type=Spec)
    settings = Settings.on_worker(spec.settings)
    environment = make_environment(settings, [Path(jar) for jar in spec.jars], local=True, rest_port=spec.rest_port)
    # The job's own final record: exact counts and busy times, which nobody can ask for once a local Flink has ended.
    archive = Configuration()
    archive.set_string("jobmanager.archive.fs.dir", (Path(spec.folder) / ARCHIVE).as_uri())
    environment.configure(archive)
    clock = time.monotonic()
    if spec.variant == SQL:
        flink_sql.run_sql(environment, settings, spec.run)
    else:
        if spec.variant == PER_EVENT:
            per_event.build(environment, settings, spec.run, spec.folder)
        elif spec.variant == UPDATE_ONLY:
            update_only.build(environment, settings, spec.run, spec.folder)
        else:
            _build_ours(environment, settings, spec)
        environment.execute(f"bench {spec.variant}")
    outcome = Outcome(cpu_s=_cpu_s(psutil.Process()), execute_s=time.monotonic() - clock)
    (Path(spec.folder) / "outcome.json").write_bytes(msgspec.json.encode(outcome))


def _build_ours(environment: StreamExecutionEnvironment, settings: Settings, spec: Spec) -> None:
    TalliedDoorOperator.folder = spec.folder
    profile_update.DoorOperator = TalliedDoorOperator  # type: ignore[attr-defined]
    real = spec.variant == OURS_REAL_SINKS
    profile_update.build(
        environment,
        settings,
        spec.run,
        hot=HotWriter(settings.public()) if real else DiscardHot(),
        history=HistoryWriter(settings.public(), spec.run.run_id) if real else Discard(),
    )


def _cpu_s(process: psutil.Process) -> float:
    """User and system seconds of a process tree, children that have ended included where their parent waited."""
    total = 0.0
    for one in [process, *process.children(recursive=True)]:
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


if __name__ == "__main__":
    main(sys.argv[1])
