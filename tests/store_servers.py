"""Stores of the tests: started in a temporary folder on a free port, ended by id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

from livetags.embedded import processes, valkey

ROOT = Path(__file__).resolve().parents[1]
_START_S = 60.0


@dataclass
class StoreServer(ABC):
    """One store process; `start` after `stop` or `kill` brings it back with its data."""

    folder: Path
    name: str
    port: int = field(default_factory=processes.free_port)
    pid: int = 0

    @abstractmethod
    def argv(self) -> list[str]: ...

    @abstractmethod
    def ready(self) -> bool: ...

    @property
    @abstractmethod
    def url(self) -> str: ...

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.pid = processes.start(
            self.name, self.argv(), self.folder / "run", self.ready, _START_S, env=environment
        ).pid

    def stop(self) -> None:
        processes.stop(self.name, self.folder / "run", 10.0)

    def kill(self) -> None:
        """End it as a crash does; the process is the one started here."""
        os.kill(self.pid, signal.SIGKILL)
        self.stop()  # forgets its record, and takes its exit status


class ValkeyServer(StoreServer):
    """Valkey of the embedded stores, or with `program` another server with the same options."""

    program: str = ""

    def argv(self) -> list[str]:
        program, *options = valkey.argv(self.folder / "data", self.port)
        return [self.program or program, *options]

    def ready(self) -> bool:
        return valkey.ready(self.port)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


class ClickHouseServer(StoreServer):
    """The embedded ClickHouse front."""

    def argv(self) -> list[str]:
        front = [sys.executable, "-m", "livetags.embedded.clickhouse_front"]
        return [*front, "--data", str(self.folder / "data"), "--port", str(self.port)]

    def ready(self) -> bool:
        with urllib.request.urlopen(f"{self.url}/ping", timeout=1) as answer:
            return bool(answer.status == 200)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def redis7_program() -> str:
    """Path of a Redis 7.0 server.

    Raises
    ------
    RuntimeError
        When tools/redis7.sh can't get one here; with its own words.
    """
    made = subprocess.run([ROOT / "tools" / "redis7.sh"], capture_output=True, text=True, timeout=240)
    if made.returncode:
        raise RuntimeError(made.stderr)
    return made.stdout.strip()
