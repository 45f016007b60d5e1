"""`livetags api` as a process, as its users start it."""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from store_servers import ROOT

from livetags.embedded import processes

_START_S = 60.0


@contextmanager
def running_api(folder: Path, *options: str, **settings: str) -> Iterator[str]:
    """URL of an API with these settings; its log is ``api.log`` in the folder."""
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LIVETAGS_DATA_DIR": str(folder / "data"), "COLUMNS": "200"}
    environment |= {f"LIVETAGS_{name}".upper(): value for name, value in settings.items()}
    command = [sys.executable, "-c", "from livetags.cli import main; main()", "api", "--port", str(port), *options]

    def ready() -> bool:
        with urllib.request.urlopen(f"{url}/openapi.json", timeout=1) as answer:
            return bool(answer.status == 200)

    processes.start("api", command, folder, ready, _START_S, env=environment)
    try:
        yield url
    finally:
        processes.stop("api", folder, 10.0)
