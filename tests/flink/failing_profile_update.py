"""The job with a hot sink that fails once or more, after some batches and a checkpoint: run by path, as the job is."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pyflink.common import Row

import jobs.profile_update
from jobs.operators.hot_writer import HotWriter

MARKER_VARIABLE = "TEST_FAILED_MARKER"
FAILURES_VARIABLE = "TEST_FAILURES"
_BATCHES_BEFORE = 8


class Fails(HotWriter):
    """Raises after some batches and a complete checkpoint, as often as asked; a line in the marker remembers each."""

    def flat_map(self, value: bytes) -> Iterator[Row]:
        marker = Path(os.environ[MARKER_VARIABLE])
        failures = len(marker.read_text().splitlines()) if marker.exists() else 0
        if failures < int(os.environ.get(FAILURES_VARIABLE, "1")):
            time.sleep(0.02)  # so that there is a checkpoint before the input ends, on a fast machine too
            self._batches = getattr(self, "_batches", 0) + 1
            complete = list(marker.parent.glob("checkpoints/*/chk-*/_metadata"))
            if complete and self._batches > _BATCHES_BEFORE:
                with marker.open("a") as lines:
                    lines.write("failed\n")
                msg = "injected failure"
                raise RuntimeError(msg)
        yield from super().flat_map(value)


if __name__ == "__main__":
    # by its importable name, so that workers find the class
    import failing_profile_update

    jobs.profile_update.HotWriter = failing_profile_update.Fails  # type: ignore[misc]
    jobs.profile_update.main(sys.argv[1:])
