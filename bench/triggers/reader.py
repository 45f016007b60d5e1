"""Reads the stream as a consumer does, and notes when each probe's trigger could be read."""

from __future__ import annotations

import threading
import time
from typing import Any

import redis

from bench.triggers.load import PROBE_RULE
from sinks.trigger_message import from_json

_WAIT_MS = 200
_AT_ONCE = 1_000


class Reader:
    """Collects ``(due, seen)`` of the probes in `seen`, milliseconds on the wall clock, and counts in `others`."""

    def __init__(self, redis_url: str, stream: str) -> None:
        self.seen: list[tuple[int, float]] = []
        self.others = 0
        self.error = ""
        self._client = redis.Redis.from_url(redis_url)
        self._stream = stream
        self._last: bytes | str = "0"
        self._closing = False
        self._thread = threading.Thread(target=self._read, name="reader", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._closing = True
        self._thread.join(5.0)
        self._client.close()

    def _read(self) -> None:
        try:
            while not self._closing:
                answer: Any = self._client.xread({self._stream: self._last}, _AT_ONCE, _WAIT_MS)
                now_ms = time.time() * 1_000
                for _, entries in answer:
                    for entry, fields in entries:
                        self._last = entry
                        if fields[b"rule"] == PROBE_RULE.encode():
                            self.seen.append((from_json(fields[b"json"]).at_ms, now_ms))
                        else:
                            self.others += 1
        except redis.RedisError as error:
            self.error = type(error).__name__
