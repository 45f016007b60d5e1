"""Starts, stops and looks at the long-running processes of the embedded stores.

A process is known by its id *and* its creation time, recorded beside its log: ids are reused, and
nothing but the very process started here is ever signalled.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

_POLL_S = 0.05
_KILL_WAIT_S = 5.0
_LOG_LINES = 15
_LOG_TAIL_BYTES = 16 << 10
# psutil derives the creation time from clock ticks; a hundredth of a second is one tick.
_SAME_TIME_S = 0.02


class StoreStartError(Exception):
    """A process died before it was ready, or was not ready in time (it has been ended).

    Parameters
    ----------
    name
        Which process.
    reason
        What happened.
    exit_code
        Its exit code; negative for a signal, None when it was still running at the deadline.
    log
        Its log file.
    log_tail
        The log's last lines.
    """

    def __init__(self, name: str, reason: str, exit_code: int | None, log: Path, log_tail: str) -> None:
        self.exit_code = exit_code
        self.log_tail = log_tail
        super().__init__(
            f"{name} did not start: {reason} (exit code {'none' if exit_code is None else exit_code}). "
            f"Last lines of {log.name}:\n{log_tail or '(nothing)'}\n"
            f"Put right what they say (a port in use? a folder open elsewhere?) and start again; "
            f"the whole log is {log.name} in the stores' folder."
        )


class StoreStopError(Exception):
    """A process still runs after SIGKILL; the message says which one."""


@dataclass(frozen=True)
class Started:
    """A running process: its name, its id, and whether this call started it or found it running."""

    name: str
    pid: int
    create_time: float
    fresh: bool


@dataclass(frozen=True)
class Status:
    """What became of a process: ``running``, ``dead`` (started once, gone now) or ``absent`` (no record)."""

    state: Literal["running", "dead", "absent"]
    pid: int | None = None
    uptime_s: float | None = None
    rss_bytes: int | None = None


def start(
    name: str,
    argv: list[str],
    folder: Path,
    ready: Callable[[], bool],
    timeout_s: float,
    env: Mapping[str, str] | None = None,
) -> Started:
    """Start `argv` detached from this session and wait until `ready`; at most one process per name.

    Parameters
    ----------
    name
        Name of the process in `folder`: its output goes to ``<name>.log``, its record to ``<name>.json``.
    argv
        Program and arguments. They are recorded and visible to other users, so no secrets in them.
    folder
        Folder of log and record; created when absent.
    ready
        Whether the process can be used. An exception it raises counts as not yet.
    timeout_s
        How long to wait for `ready`.
    env
        Environment of the process; this one's when None.

    Returns
    -------
    Started
        The process; the one already running where that is the case, which is then waited for as well.

    Raises
    ------
    StoreStartError
        It died before it was ready, or was not ready in time. What this call started has been ended;
        a process found running is left alone.
    OSError
        The program does not exist or cannot be run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    # Two starts at the same moment would otherwise both find nothing running.
    with _exclusively(folder / f"{name}.lock"):
        deadline = time.monotonic() + timeout_s
        found = _recorded(name, folder)
        if found is not None:
            outcome = _wait_ready(ready, deadline, lambda: None if _alive(found) else 0)
            if outcome is None:
                return Started(name, found.pid, found.create_time(), fresh=False)
            if outcome != "died":
                raise StoreStartError(
                    name, f"process {found.pid} runs but is not ready after {timeout_s:g} s", None, log, _tail(log, 0)
                )
        with log.open("ab") as output:
            offset = output.tell()
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                start_new_session=True,
            )
        try:
            process = psutil.Process(child.pid)
            _record(name, folder, process, argv)
            outcome = _wait_ready(ready, deadline, child.poll)
        except BaseException:
            # Also on Ctrl-C: a process nobody knows of would keep its port and its folder.
            _end(child)
            _record_path(name, folder).unlink(missing_ok=True)
            raise
        if outcome is None:
            return Started(name, child.pid, process.create_time(), fresh=True)
        exit_code = child.poll()
        _end(child)
        _record_path(name, folder).unlink(missing_ok=True)
        reason = "it ended before it was ready" if outcome == "died" else f"it was not ready after {timeout_s:g} s"
        raise StoreStartError(name, reason, exit_code, log, _tail(log, offset))


def stop(name: str, folder: Path, timeout_s: float) -> bool:
    """End the process `name`: SIGTERM, then SIGKILL after `timeout_s`. Returns whether one was running.

    Idempotent. Signals only the very process that `start` recorded (id and creation time match).

    Raises
    ------
    StoreStopError
        It still runs after SIGKILL (stuck in the kernel: a dead disk or network file system).
    """
    if not folder.is_dir():
        return False
    with _exclusively(folder / f"{name}.lock"):
        process = _recorded(name, folder)
        if process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
            if not _gone(process, timeout_s):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
                if not _gone(process, _KILL_WAIT_S):
                    message = f"{name} (process {process.pid}) still runs after SIGKILL. Look at its state with ps."
                    raise StoreStopError(message)
        _record_path(name, folder).unlink(missing_ok=True)
        return process is not None


def status(name: str, folder: Path) -> Status:
    """Tell whether the process `name` of `folder` runs. Never raises for a missing or damaged record."""
    if not _record_path(name, folder).exists():
        return Status("absent")
    process = _recorded(name, folder)
    if process is None:
        return Status("dead")
    try:
        with process.oneshot():
            return Status("running", process.pid, time.time() - process.create_time(), process.memory_info().rss)
    except psutil.NoSuchProcess:
        return Status("dead")


def free_port() -> int:
    """Find a loopback port that nothing listens on; another process may take it before it is used.

    Raises
    ------
    OSError
        None of many tried is free.
    """
    # Below the range that the kernel gives to outgoing connections: while a server is down for a restart, a client's
    # own connection could otherwise take its port.
    for port in random.sample(range(20_000, 32_000), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    message = "200 ports from 20000 to 31999 were tried and none is free: give one"
    raise OSError(message)


def _record_path(name: str, folder: Path) -> Path:
    return folder / f"{name}.json"


def _record(name: str, folder: Path, process: psutil.Process, argv: Sequence[str]) -> None:
    content = {"pid": process.pid, "create_time": process.create_time(), "argv": list(argv)}
    handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, _record_path(name, folder))
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _recorded(name: str, folder: Path) -> psutil.Process | None:
    """The recorded process, if it still runs and is the same one."""
    try:
        content = json.loads(_record_path(name, folder).read_text(encoding="utf-8"))
        process = psutil.Process(int(content["pid"]))
        same = abs(process.create_time() - float(content["create_time"])) < _SAME_TIME_S
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    return process if same and _alive(process) else None


def _alive(process: psutil.Process) -> bool:
    # A zombie has ended; only its parent has not asked yet.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _gone(process: psutil.Process, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while _alive(process):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    # Where it is our own child, this takes its exit status, so that no zombie stays behind.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    return True


def _wait_ready(
    ready: Callable[[], bool], deadline: float, exit_code: Callable[[], int | None]
) -> Literal["died", "timeout"] | None:
    while True:
        # Looked at before asking: another program on the same port may well answer for a dead one.
        if exit_code() is not None:
            return "died"
        with contextlib.suppress(Exception):
            if ready():
                return None if exit_code() is None else "died"
        if time.monotonic() >= deadline:
            return "timeout"
        time.sleep(_POLL_S)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_KILL_WAIT_S)


def _tail(log: Path, offset: int) -> str:
    """The last lines written to `log` after `offset` (an earlier run's lines would mislead)."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(offset, size - _LOG_TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-_LOG_LINES:])


@contextlib.contextmanager
def _exclusively(path: Path) -> Iterator[None]:
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
