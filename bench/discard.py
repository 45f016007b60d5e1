"""The sinks that write nothing: the batch has crossed into Python, as it does for the real ones, and is let go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyflink.datastream import FlatMapFunction, MapFunction


class Discard(MapFunction):  # type: ignore[misc]
    """In the place of the history's: takes a batch, returns 0."""

    def map(self, value: Any) -> int:
        """Let it go."""
        return 0


class DiscardHot(FlatMapFunction):  # type: ignore[misc]
    """In the place of the hot one: takes a batch, sends no receipts."""

    def flat_map(self, value: Any) -> Iterator[Any]:
        """Let it go."""
        yield from ()
