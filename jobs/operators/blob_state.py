"""The engine's map state of encoded profiles, as `udfs.stages.user_states.Blobs`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class MapState(Protocol):
    """What is used of Flink's ``MapState[str, bytes]``."""

    def get(self, key: str) -> bytes | None:
        """The value, None when there is none."""

    def put(self, key: str, value: bytes) -> None:
        """Set the value."""

    def put_all(self, dict_value: dict[str, bytes]) -> None:
        """Set all of them."""

    def remove(self, key: str) -> None:
        """Drop the entry."""

    def items(self) -> Iterable[tuple[str, bytes]]:
        """All entries."""


class BlobState:
    """Blobs of the shard whose turn it is.

    In thread mode many are put in one call: each call into the JVM lets go of the interpreter lock, and has to wait for
    it again when other operators are busy. In process mode PyFlink 2.3 keeps writes back by itself, and its ``put_all``
    does not take a dictionary.
    """

    def __init__(self, state: MapState, *, thread_mode: bool) -> None:
        self._state = state
        self._thread_mode = thread_mode

    def get(self, key: str) -> bytes | None:
        """The blob, None when there is none."""
        return self._state.get(key)

    def put_all(self, blobs: dict[str, bytes]) -> None:
        """Keep the blobs."""
        if self._thread_mode:
            self._state.put_all(blobs)
        else:
            for key, blob in blobs.items():
                self._state.put(key, blob)

    def remove(self, key: str) -> None:
        """Drop the blob."""
        self._state.remove(key)

    def items(self) -> Iterable[tuple[str, bytes]]:
        """All of them."""
        return self._state.items()
