"""A standalone Flink cluster on this machine, started the way a platform team starts one: by Flink's own scripts.

A JobManager and some TaskManagers of one slot each, all on loopback, run by the scripts in the ``apache-flink`` wheel
(``jobmanager.sh``, ``taskmanager.sh``, ``flink run``). It is for tests and for trying a submission before a real
cluster sees it. Only processes started here are ever ended.

As a command, for looking around in a browser (Ctrl-C ends it)::

    python tools/standalone_cluster.py FOLDER [--taskmanagers 2]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError

import yaml

from livetags.embedded import jars, java
from livetags.embedded.processes import free_port

HOST = "127.0.0.1"
# How a job can end; see Flink's JobStatus.
ENDED = frozenset({"FINISHED", "FAILED", "CANCELED"})

_POLL_S = 0.2
_REST_TIMEOUT_S = 5.0
_START_TIMEOUT_S = 90.0
_SUBMIT_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 15.0
_LOG_LINES = 15


class ClusterError(RuntimeError):
    """The cluster could not be started, or a job not submitted, or not stopped; the text has the last log lines."""


class StandaloneCluster:
    """JobManager and TaskManagers that live as long as the ``with`` block around them.

    Parameters
    ----------
    folder
        The cluster's own folder, for its configuration, logs and links to jars; made when absent.
    taskmanagers
        How many, of one slot each: in thread mode all slots of a TaskManager share one interpreter lock.
    environment
        Variables of the workers beside this process's own: where a platform puts the secrets. They are not given to
        the client that submits.
    options
        Flink options, over the ones here.
    kafka_jar_folder
        Where the Kafka connector's jar is, or is fetched to.
    """

    def __init__(
        self,
        folder: Path,
        taskmanagers: int = 2,
        *,
        environment: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        kafka_jar_folder: Path = jars.DEFAULT_FOLDER,
    ) -> None:
        self.folder = folder.absolute()
        self._taskmanagers = taskmanagers
        self._worker_environment = dict(environment or {})
        self._options = dict(options or {})
        self._kafka_jar_folder = kafka_jar_folder
        self._rest_port = 0
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def rest_url(self) -> str:
        """REST address of the JobManager; its console is there too."""
        return f"http://{HOST}:{self._rest_port}"

    @property
    def logs(self) -> Path:
        """Folder of everything the processes say."""
        return self.folder / "log"

    def start(self, timeout_s: float = _START_TIMEOUT_S) -> None:
        """Start all processes and return once every slot is offered.

        Raises
        ------
        ClusterError
            It already runs, a process ended, or the slots did not come in time; nothing is left running then.
        """
        if self._processes:
            message = f"the cluster in {self.folder} already runs; stop it first"
            raise ClusterError(message)
        self._prepare()
        deadline = time.monotonic() + timeout_s
        try:
            self._spawn("jobmanager", "jobmanager.sh", {})
            for number in range(1, self._taskmanagers + 1):
                self._spawn(f"taskmanager-{number}", "taskmanager.sh", self._worker_environment)
            while self._slots() < self._taskmanagers:
                self._check_alive()
                if time.monotonic() > deadline:
                    message = f"{self._slots()} of {self._taskmanagers} slots after {timeout_s:.0f} s{self._said()}"
                    raise ClusterError(message)
                time.sleep(_POLL_S)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the processes started here: SIGTERM, and SIGKILL where that is not heard. Stopped already: nothing.

        Raises
        ------
        ClusterError
            Not even SIGKILL ended one.
        """
        processes, self._processes = self._processes, {}
        # TaskManagers first: without a JobManager they would only log that it has gone.
        for process in reversed(processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        for name, process in processes.items():
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                try:
                    process.wait(_STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    message = f"{name} (process {process.pid}) did not end on SIGKILL; end it by hand"
                    raise ClusterError(message) from None

    def kill(self, name: str) -> None:
        """End one process as a crash would: ``jobmanager``, or ``taskmanager-1`` and so on."""
        process = self._processes[name]
        process.kill()
        process.wait(_STOP_TIMEOUT_S)

    def run(
        self,
        arguments: Sequence[str],
        *,
        job: Path = Path("jobs") / "profile_update.py",
        flink_arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Submit a job with ``flink run``, detached, and return its id once the cluster has accepted it.

        Parameters
        ----------
        arguments
            The job's own arguments.
        job
            The file that wires it.
        flink_arguments
            Options of ``flink run`` before ``-py``, for example ``-s SAVEPOINT``.
        environment
            Variables of the submitting client beside this process's own.

        Raises
        ------
        ClusterError
            The client ended with an error, or named no job.
        """
        # Of an option given twice, Flink takes the first.
        command = ["flink", "run", "--detached", *flink_arguments, "-pyclientexec", sys.executable]
        command += ["-pyexec", sys.executable, "-py", str(job), *arguments]
        said = self._client(command, environment or {})
        return job_id(said)

    def jobs(self) -> dict[str, str]:
        """Status of every job by its id."""
        return {job["id"]: job["status"] for job in self.get("/jobs")["jobs"]}

    def status(self, job: str) -> str:
        """Status of one job, in Flink's words."""
        return str(self.get(f"/jobs/{job}")["state"])

    def wait(self, job: str, wanted: str = "FINISHED", timeout_s: float = 120.0) -> None:
        """Wait until the job has this status.

        Raises
        ------
        ClusterError
            It ended in another way, with its cause; or not in time.
        """
        deadline = time.monotonic() + timeout_s
        while (state := self.status(job)) != wanted:
            self._check_alive()
            if state in ENDED or time.monotonic() > deadline:
                problem = f"is {state}, expected {wanted}"
                message = f"job {job} {problem}: {self._cause(job)}\nlogs: {self.logs}"
                raise ClusterError(message)
            time.sleep(_POLL_S)

    def stop_with_savepoint(self, job: str, target: str) -> str:
        """Stop a job with a savepoint below `target` (a URI), by ``flink stop``; returns the savepoint's path.

        Raises
        ------
        ClusterError
            The client ended with an error, or named no savepoint.
        """
        said = self._client(["flink", "stop", "--savepointPath", target, job], {})
        found = re.search(r"Path: (\S+)", said)
        if found is None:
            message = f"flink stop named no savepoint; it said:\n{_last_lines(said)}"
            raise ClusterError(message)
        return found.group(1)

    def get(self, path: str) -> Any:
        """Answer of the REST API.

        Raises
        ------
        ClusterError
            The JobManager does not answer.
        """
        try:
            with urllib.request.urlopen(self.rest_url + path, timeout=_REST_TIMEOUT_S) as answer:
                return json.load(answer)
        except URLError as error:
            message = f"the JobManager at {self.rest_url} does not answer {path} ({error.reason})"
            raise ClusterError(message) from None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _prepare(self) -> None:
        """Configuration, and a lib folder: Flink's own jars, the one for Python, and the Kafka connector."""
        for name in ("conf", "lib", "log", "pid", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        home = _home()
        wanted = [*(home / "lib").glob("*.jar"), *(home / "opt").glob("flink-python-*.jar")]
        wanted += jars.fetch("flink-kafka", self._kafka_jar_folder)
        for link in (self.folder / "lib").iterdir():
            link.unlink()
        for jar in wanted:
            (self.folder / "lib" / jar.name).symlink_to(jar)
        for file in (home / "conf").glob("log4j*.properties"):
            (self.folder / "conf" / file.name).write_bytes(file.read_bytes())
        # Flink's own file has the --add-opens that Java 17 needs; everything else in it is said again below.
        shipped = yaml.safe_load((home / "conf" / "config.yaml").read_text(encoding="utf-8"))
        self._rest_port = free_port()
        options = {
            "env.java.opts.all": shipped["env"]["java"]["opts"]["all"],
            "jobmanager.rpc.address": HOST,
            "jobmanager.rpc.port": str(free_port()),
            "jobmanager.bind-host": HOST,
            "jobmanager.memory.process.size": "1024m",
            "jobmanager.execution.failover-strategy": "region",
            "rest.address": HOST,
            "rest.bind-address": HOST,
            "rest.port": str(self._rest_port),
            "taskmanager.host": HOST,
            "taskmanager.bind-host": HOST,
            "taskmanager.numberOfTaskSlots": "1",
            "taskmanager.memory.process.size": "1536m",
            "parallelism.default": "1",
            "io.tmp.dirs": str(self.folder / "tmp"),
            **self._options,
        }
        (self.folder / "conf" / "config.yaml").write_text(yaml.safe_dump(options, width=100_000), encoding="utf-8")

    def client_environment(self) -> dict[str, str]:
        """Environment for Flink's own commands (``flink run``, ``flink list`` ...), with ``flink`` first on PATH."""
        path = f"{_home() / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
        # A client lives for seconds: the first compiler only, and it starts in less time.
        return {**self._environment({}), "PATH": path, "JVM_ARGS": "-XX:TieredStopAtLevel=1"}

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return {
            **os.environ,
            "JAVA_HOME": str(java.java_home()),
            "FLINK_CONF_DIR": str(self.folder / "conf"),
            "FLINK_LIB_DIR": str(self.folder / "lib"),
            "FLINK_LOG_DIR": str(self.logs),
            "FLINK_PID_DIR": str(self.folder / "pid"),
            "FLINK_IDENT_STRING": "livetags",
            **more,
        }

    def _spawn(self, name: str, script: str, more: Mapping[str, str]) -> None:
        # In the foreground: the script becomes the JVM, so its process is the one started here, with no pid file to
        # trust. A session of its own, so that Ctrl-C in a terminal does not reach it before this one can end it.
        with (self.logs / f"{name}.out").open("wb") as output:
            self._processes[name] = subprocess.Popen(
                [str(_home() / "bin" / script), "start-foreground"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment(more),
                cwd=self.folder,
                start_new_session=True,
            )

    def _client(self, command: list[str], more: Mapping[str, str]) -> str:
        try:
            answer = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=_SUBMIT_TIMEOUT_S,
                env={**self.client_environment(), **more},
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            message = f"flink {command[1]} did not end within {_SUBMIT_TIMEOUT_S:.0f} s"
            raise ClusterError(message) from error
        if answer.returncode != 0:
            said = _last_lines(answer.stdout)
            message = f"flink {command[1]} ended with status {answer.returncode}, expected 0; it said:\n{said}"
            raise ClusterError(message)
        return answer.stdout

    def _slots(self) -> int:
        try:
            return int(self.get("/overview")["slots-total"])
        except ClusterError:
            return 0

    def _check_alive(self) -> None:
        for name, process in self._processes.items():
            if process.poll() is not None:
                message = f"{name} ended with status {process.returncode}{self._said(name)}"
                raise ClusterError(message)

    def _cause(self, job: str) -> str:
        history = self.get(f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"]
        lines = history[0]["stacktrace"].splitlines() if history else []
        causes = [line for line in lines if line.startswith("Caused by:")]
        return str((causes or lines or ["no exception recorded"])[-1])

    def _said(self, name: str = "") -> str:
        names = [name] if name else list(self._processes)
        texts = {each: (self.logs / f"{each}.out").read_text(errors="replace") for each in names}
        return "".join(f"\n{each} said last:\n{_last_lines(text)}" for each, text in texts.items())


def job_id(said: str) -> str:
    """Id of the job in what ``flink run`` said.

    Raises
    ------
    ClusterError
        There is none.
    """
    found = re.search(r"JobID ([0-9a-f]{32})", said)
    if found is None:
        message = f"flink run named no job; it said:\n{_last_lines(said)}"
        raise ClusterError(message)
    return found.group(1)


def _home() -> Path:
    """Folder of Flink in the wheel; not imported, since only jobs/ knows Flink."""
    spec = importlib.util.find_spec("pyflink")
    if spec is None or spec.origin is None:
        message = "apache-flink is not installed in this Python; run this with the project's .venv/bin/python"
        raise ClusterError(message)
    return Path(spec.origin).parent


def _last_lines(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("at ", "... "))]
    return "\n".join(f"  {line[:500]}" for line in lines[-_LOG_LINES:]) or "  (nothing)"


def main() -> None:
    """Run a cluster until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--taskmanagers", type=int, default=2)
    chosen = parser.parse_args()
    with StandaloneCluster(chosen.folder, chosen.taskmanagers) as cluster:
        print(f"{cluster.rest_url}\nfor `flink run`: export FLINK_CONF_DIR={cluster.folder / 'conf'}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("stopping")


if __name__ == "__main__":
    main()
