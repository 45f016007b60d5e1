"""Sees a probe user's profile change in Redis at the moment it does, without asking for it.

Redis' own client-side caching in broadcast mode: the server pushes the names of changed keys under a prefix, here that
of the probe users only. Nothing is polled, the load's own keys cost the server one look at a prefix, and the message
leaves in the very turn of the server's loop in which the write took effect; it is written before other clients' reads
of that turn are answered.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from urllib.parse import urlsplit

import hiredis

_WAIT_S = 0.2


class Watcher:
    """Calls nobody: collects ``(seen at, key)`` in `seen`, times on the monotonic clock, until it is closed."""

    def __init__(self, redis_url: str, prefix: str) -> None:
        parts = urlsplit(redis_url)
        self.seen: list[tuple[float, str]] = []
        self.error = ""
        self._reader = hiredis.Reader()
        self._socket = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), 5.0)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._ask("HELLO", "3")
            self._ask("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", prefix)
        except BaseException:
            self._socket.close()
            raise
        self._closing = False
        self._socket.settimeout(_WAIT_S)
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._closing = True
        self._thread.join(5.0)
        self._socket.close()

    def _ask(self, *words: str) -> None:
        self._socket.sendall(hiredis.pack_command(words))  # type: ignore[arg-type]
        reply = False
        while reply is False:
            self._reader.feed(self._socket.recv(65_536))
            reply = self._reader.gets()
        if isinstance(reply, Exception):
            raise reply

    def _watch(self) -> None:
        while not self._closing:
            with contextlib.suppress(TimeoutError):
                received = self._socket.recv(65_536)
                now = time.monotonic()
                if not received:
                    self.error = "Redis closed the connection"
                    return
                self._reader.feed(received)
                while (message := self._reader.gets()) is not False:
                    # [b"invalidate", [key ...]], or None instead of the keys after a flush
                    if isinstance(message, list) and message[0] == b"invalidate" and message[1]:
                        self.seen += [(now, key.decode()) for key in message[1]]
