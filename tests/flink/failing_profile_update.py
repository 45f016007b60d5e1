"""The job with a hot sink that fails once, after some batches and a checkpoint: run by path, as the job is."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pyflink.common import Row

import jobs.profile_update
from jobs.operators.hot_writer import HotWriter

MARKER_VARIABLE = "TEST_FAILED_ONCE_MARKER"
_BATCHES_BEFORE = 8


class FailsOnce(HotWriter):
    """Raises after some batches and a complete checkpoint, the first time; the marker remembers that it did."""

    def flat_map(self, value: bytes) -> Iterator[Row]:
        marker = Path(os.environ[MARKER_VARIABLE])
        if not marker.exists():
            time.sleep(0.02)  # so that there is a checkpoint before the input ends, on a fast machine too
            self._batches = getattr(self, "_batches", 0) + 1
            complete = list(marker.parent.glob("checkpoints/*/chk-*/_metadata"))
            if complete and self._batches > _BATCHES_BEFORE:
                marker.write_text("failed")
                msg = "injected failure"
                raise RuntimeError(msg)
        yield from super().flat_map(value)


if __name__ == "__main__":
    # by its importable name, so that workers find the class
    import failing_profile_update

    jobs.profile_update.HotWriter = failing_profile_update.FailsOnce  # type: ignore[misc]
    jobs.profile_update.main(sys.argv[1:])
