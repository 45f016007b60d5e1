"""The sinks that write nothing: the batch has crossed into Python, as it does for the real ones, and is let go."""

from __future__ import annotations

from typing import Any

from pyflink.datastream import MapFunction


class Discard(MapFunction):  # type: ignore[misc]
    """Takes a batch, returns 0."""

    def map(self, value: Any) -> int:
        """Let it go."""
        return 0
