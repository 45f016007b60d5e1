"""The job in a process of its own: started, watched, stopped with a savepoint."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit

import msgspec

from livetags.embedded import jars, java, processes
from schemas.run import Run
from schemas.settings import Settings

PROGRAM = ("-m", "jobs.profile_update")

_UNAVAILABLE = re.compile(r"(Redis|ClickHouse) unavailable \(.*?\), retrying")
_REST_TIMEOUT_S = 5.0


class JobFailed(RuntimeError):
    """The job ended with an error; the text says where its log is and shows the cause."""


class JobProcess:
    """A local Flink running one job in a child process.

    Parameters
    ----------
    settings
        With the stores' real URLs: they travel in the child's environment, not in its arguments.
    run
        What to read.
    restore, startup
        Savepoint to start from; where a topic is read from without one.
    program
        What the interpreter runs: the job, or one of the same arguments that wraps it.
    """

    def __init__(
        self,
        settings: Settings,
        run: Run,
        restore: str = "",
        startup: str = "earliest-offset",
        program: Sequence[str] = PROGRAM,
    ) -> None:
        logs = settings.data_dir.absolute() / "logs" / run.run_id
        logs.mkdir(parents=True, exist_ok=True)
        self.log = logs / "job.log"
        self._rest = f"http://127.0.0.1:{(rest_port := processes.free_port())}"
        command = [sys.executable, *program, "--local", "--rest-port", str(rest_port)]
        command += ["--run", msgspec.json.encode(run).decode(), "--settings", settings.public()]
        command += ["--restore", restore, "--startup", startup]
        for jar in connector_jars(settings, run):
            command += ["--jar", str(jar)]
        self._log_stream = self.log.open("wb")
        self._process = subprocess.Popen(
            command,
            stdout=self._log_stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**job_environment(settings), "FLINK_LOG_DIR": str(logs)},
            start_new_session=True,
        )

    def running(self) -> bool:
        """Whether the job has not ended yet.

        Raises
        ------
        JobFailed
            When it ended with an error.
        """
        code = self._process.poll()
        if code is None:
            return True
        self._log_stream.close()
        if code != 0:
            msg = f"the job ended with exit code {code}: {self._cause()}\nwhole log: {self.log}"
            raise JobFailed(msg)
        return False

    def savepoint(self, folder: str, timeout_s: float = 120.0) -> str:
        """Stop the job with a savepoint, without draining; returns the savepoint's path.

        Raises
        ------
        JobFailed
            When no savepoint was made in time; the job goes on.
        """
        job = self._get("/jobs")["jobs"][0]["id"]
        body = json.dumps({"drain": False, "targetDirectory": folder}).encode()
        headers = {"Content-Type": "application/json"}
        trigger = self._open(urllib.request.Request(f"{self._rest}/jobs/{job}/stop", body, headers))["request-id"]
        began_s, deadline = time.time(), time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                answer = self._get(f"/jobs/{job}/savepoints/{trigger}")
            except (JobFailed, OSError, HTTPException):
                # the job ends once its savepoint is made, and may be gone before it has said where
                self._wait(30.0)
                made = _newest_savepoint(folder, began_s) if self._process.returncode == 0 else None
                if made is None:
                    raise
                return made
            if answer["status"]["id"] == "COMPLETED":
                operation = answer["operation"]
                if "location" not in operation:
                    break
                self._wait(30.0)
                return str(operation["location"])
            time.sleep(0.2)
        msg = f"no savepoint within {timeout_s:.0f} s; the job goes on. Log: {self.log}"
        raise JobFailed(msg)

    def kill(self) -> None:
        """End the child and its JVM at once, as a crash would: only the process group started here."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def last_warning(self) -> str:
        """The newest line in which a sink said that its store is unavailable; empty when there is none."""
        lines = self.log.read_text(errors="replace").splitlines()
        for line in reversed(lines[-200:]):
            if (found := _UNAVAILABLE.search(line)) is not None:
                return found.group()
        return ""

    def _wait(self, timeout_s: float) -> None:
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def _get(self, path: str) -> Any:
        return self._open(urllib.request.Request(self._rest + path))

    def _open(self, request: urllib.request.Request) -> Any:
        try:
            with urllib.request.urlopen(request, timeout=_REST_TIMEOUT_S) as answer:
                return json.load(answer)
        except URLError as error:
            msg = f"the local Flink does not answer ({error.reason}); its log: {self.log}"
            raise JobFailed(msg) from None

    def _cause(self) -> str:
        """The innermost cause in the log, in a line."""
        lines = self.log.read_text(errors="replace").splitlines()
        causes = [line for line in lines if line.startswith("Caused by:")]
        return (causes or lines or ["no output"])[-1][:500]


def _newest_savepoint(folder: str, began_s: float) -> str | None:
    """The savepoint made in a local folder (a URI) since a time; None: there is none, or nobody can look."""
    if not folder.startswith("file:"):
        return None
    made = [file.parent for file in Path(urlsplit(folder).path).glob("*/_metadata") if file.stat().st_mtime >= began_s]
    return max(made, key=lambda each: each.stat().st_mtime).as_uri() if made else None


def job_environment(settings: Settings) -> Mapping[str, str]:
    """Environment of a job's process: Java, and the secrets a worker reads."""
    keys = settings.pseudonym_keys.get_secret_value()
    return {
        **os.environ,
        **({"LIVETAGS_PSEUDONYM_KEYS": keys} if keys else {}),
        **({"LIVETAGS_PSEUDONYM_KEYS_FILE": str(file.absolute())} if (file := settings.pseudonym_keys_file) else {}),
        "JAVA_HOME": str(java.java_home()),
        "JVM_ARGS": f"-Xmx{settings.flink_memory_mb}m",
        "LIVETAGS_REDIS_URL": settings.redis_url.get_secret_value(),
        "LIVETAGS_CLICKHOUSE_URL": settings.clickhouse_url.get_secret_value(),
        "LIVETAGS_KAFKA_PROPERTIES": json.dumps(
            {n: v.get_secret_value() for n, v in settings.kafka_properties.items()}
        ),
        "LIVETAGS_DATA_DIR": str(settings.data_dir.absolute()),
    }


def connector_jars(settings: Settings, run: Run) -> list[Path]:
    """Jars the run needs beside Flink's own."""
    topics = settings.trigger_topic or (settings.rule_topic and not run.bounded)
    if not topics and not any(source.transport == "kafka" for source in run.inputs):
        return []
    return jars.fetch("flink-kafka", settings.jars_dir)
