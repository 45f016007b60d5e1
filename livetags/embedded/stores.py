"""The embedded stores: a Valkey from its wheel and the ClickHouse front over chDB, on loopback, in one folder."""

from __future__ import annotations

import json
import os
import socket
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from pydantic import SecretStr

from livetags.embedded import processes, valkey
from schemas.settings import EMBEDDED, Settings

_STATE_FILE = "embedded.json"
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0


class StoresDown(RuntimeError):
    """The settings say `embedded`, but the embedded stores are not running."""


@dataclass(frozen=True)
class Urls:
    """Where the stores are."""

    redis: str
    clickhouse: str


def up(settings: Settings, say: Callable[[str], None]) -> Urls:
    """Start what is not running and return the URLs. The ports of an earlier start are kept where they are free."""
    folder = settings.data_dir
    (folder / "run").mkdir(parents=True, exist_ok=True)
    known = _ports(folder)
    redis_port = _port("redis", folder, known)
    clickhouse_port = _port("clickhouse", folder, known)
    (folder / _STATE_FILE).write_text(json.dumps({"redis": redis_port, "clickhouse": clickhouse_port}))

    say("starting Valkey")
    processes.start(
        "redis",
        valkey.argv(folder / "redis", redis_port),
        folder / "run",
        lambda: valkey.ready(redis_port),
        _START_TIMEOUT_S,
    )
    say("starting the ClickHouse engine")
    command = [sys.executable, "-m", "livetags.embedded.clickhouse_front"]
    command += ["--data", str(folder / "clickhouse"), "--port", str(clickhouse_port)]
    processes.start(
        "clickhouse", command, folder / "run", lambda: _ping(clickhouse_port), _START_TIMEOUT_S, env=dict(os.environ)
    )
    return _urls(redis_port, clickhouse_port)


def down(settings: Settings) -> list[str]:
    """Stop what is running; returns the names of what was. Data stays."""
    return [
        name for name in ("redis", "clickhouse") if processes.stop(name, settings.data_dir / "run", _STOP_TIMEOUT_S)
    ]


def status(settings: Settings) -> dict[str, processes.Status]:
    """State of each embedded process."""
    return {name: processes.status(name, settings.data_dir / "run") for name in ("redis", "clickhouse")}


def resolved(settings: Settings) -> Settings:
    """The settings with `embedded` replaced by the running stores' URLs.

    Raises
    ------
    StoresDown
        When a URL is `embedded` and that store does not run.
    """
    wanted = {name: getattr(settings, f"{name}_url").get_secret_value() == EMBEDDED for name in ("redis", "clickhouse")}
    if not any(wanted.values()):
        return settings
    states = status(settings)
    stopped = [name for name, embedded in wanted.items() if embedded and states[name].state != "running"]
    if stopped:
        msg = (
            f"the embedded stores of {settings.data_dir.absolute()} are not running ({', '.join(stopped)}): start them "
            "with `livetags up`; stores of another folder: LIVETAGS_DATA_DIR"
        )
        raise StoresDown(msg)
    ports = _ports(settings.data_dir)
    urls = _urls(ports["redis"], ports["clickhouse"])
    return settings.model_copy(
        update={f"{name}_url": SecretStr(getattr(urls, name)) for name, embedded in wanted.items() if embedded}
    )


def _urls(redis_port: int, clickhouse_port: int) -> Urls:
    return Urls(f"redis://127.0.0.1:{redis_port}/0", f"http://127.0.0.1:{clickhouse_port}")


def _ports(folder: Path) -> dict[str, int]:
    try:
        return dict(json.loads((folder / _STATE_FILE).read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def _port(name: str, folder: Path, known: dict[str, int]) -> int:
    """The port of an earlier start while it is ours or free, else a free one."""
    port = known.get(name)
    if port is not None and (processes.status(name, folder / "run").state == "running" or _free(port)):
        return port
    return processes.free_port()


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _ping(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
