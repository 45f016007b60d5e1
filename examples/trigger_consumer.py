"""Reads livetags' triggers from Redis as one of a consumer group, and prints them.

    pip install redis
    python examples/trigger_consumer.py --group campaign --consumer one

Start it on several machines or in several terminals with the same group and different consumers: each trigger goes to
one of them. Stop it and start it again: it goes on where it was, first with what it had not acknowledged. What a
consumer that is gone has left is taken over by another. A trigger can come twice, so whatever is done about one must be
harmless to repeat, or remember the trigger's id. More: docs/triggers.md.

Without --url it reads the server of LIVETAGS_REDIS_URL, else the one that `livetags up` has started from this folder.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis

BATCH = 100
BLOCK_MS = 1_000
AWAY_S = 1.0


class Consumer:
    """One consumer of a group; `read` gives what it has to act on next."""

    def __init__(self, client: redis.Redis, stream: str, group: str, name: str, claim_after_ms: int) -> None:
        self._client = client
        self._stream = stream
        self._group = group
        self._name = name
        self._claim_after_ms = claim_after_ms
        self._cursor: bytes | str = "0-0"  # how far the search for what others have left has come
        self._left_over = True  # from before a restart, under the same name
        self._joined = False

    def read(self) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """Entries: own ones not acknowledged, else those others have left, else new ones; waits a second for these."""
        try:
            if self._left_over:
                found = self._read_group("0")
                self._left_over = bool(found)
            else:
                found = self._claimed() or self._read_group(">")
            self._joined = True
            return found
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            if self._joined:
                told = "the group is gone: Redis has lost its data, or the stream was deleted; triggers may come again"
                print(told, file=sys.stderr, flush=True)
            self._create_group()
            return []

    def acknowledge(self, entry: bytes) -> None:
        """Say that the entry is dealt with: nobody of the group gets it again."""
        self._client.xack(self._stream, self._group, entry)

    def _create_group(self) -> None:
        try:
            # from the beginning of the stream; "$" would begin with what comes from now on
            self._client.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):  # another consumer was faster
                raise

    def _read_group(self, after: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        found: Any = self._client.xreadgroup(
            self._group, self._name, {self._stream: after}, count=BATCH, block=BLOCK_MS
        )
        return list(found[0][1]) if found else []

    def _claimed(self) -> list[tuple[bytes, dict[bytes, bytes]]]:
        answer: Any = self._client.xautoclaim(
            self._stream, self._group, self._name, self._claim_after_ms, self._cursor, count=BATCH
        )
        self._cursor, found = answer[:2]
        return list(found)


def usual_url() -> str:
    """Where Redis is unless it is said; the embedded one has a port of its own, which is in its data folder."""
    given = os.environ.get("LIVETAGS_REDIS_URL", "embedded")
    if given != "embedded":
        return given
    folder = Path(os.environ.get("LIVETAGS_DATA_DIR", ".livetags"))
    with suppress(OSError, ValueError, KeyError):
        return f"redis://127.0.0.1:{json.loads((folder / 'embedded.json').read_text())['redis']}/0"
    return "redis://127.0.0.1:6379/0"


def place(client: redis.Redis) -> str:
    """The address that a client speaks to, without user and password."""
    to = client.connection_pool.connection_kwargs
    return str(to["path"]) if "path" in to else f"{to.get('host', 'localhost')}:{to.get('port', 6379)}"


def sentence(trigger: dict[str, Any]) -> str:
    """The trigger in a line."""
    at = datetime.fromtimestamp(trigger["at_ms"] / 1000, UTC)
    values = ", ".join(f"{name}={value}" for name, value in trigger["values"].items())
    return f"{at:%Y-%m-%d %H:%M:%S} UTC  {trigger['user']}  {trigger['rule']}: {trigger['scene']} ({values})"


def consume(consumer: Consumer, server: str) -> None:
    """Act on triggers until interrupted; `server` is what messages call it."""
    while True:
        try:
            for entry, fields in consumer.read():
                if fields:  # else it was erased, or trimmed, before it was acknowledged
                    print(sentence(json.loads(fields[b"json"])), flush=True)
                consumer.acknowledge(entry)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            print(
                f"Redis is away at {server} ({type(error).__name__}), trying again; Ctrl-C ends. If it is elsewhere, "
                "say so with --url: `livetags status` has the address",
                flush=True,
            )
            time.sleep(AWAY_S)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="prints livetags' triggers, as one of a consumer group")
    parser.add_argument("--url", default=usual_url(), help="of Redis; `livetags status` says it")
    parser.add_argument("--prefix", default="lt", help="livetags' setting redis_key_prefix")
    parser.add_argument("--group", default="example", help="consumers of one group share the triggers")
    parser.add_argument("--consumer", default=socket.gethostname(), help="a name that stays through restarts")
    parser.add_argument("--claim-after-s", type=float, default=60.0, help="who is silent for so long counts as gone")
    chosen = parser.parse_args()
    # no decode_responses: the field pb is no text
    client = redis.Redis.from_url(chosen.url, socket_timeout=10.0)
    stream = f"{chosen.prefix}:{{triggers}}"
    consumer = Consumer(client, stream, chosen.group, chosen.consumer, round(chosen.claim_after_s * 1000))
    print(f"{chosen.consumer} of the group {chosen.group} reads {stream} at {place(client)}", file=sys.stderr)
    with suppress(KeyboardInterrupt):
        consume(consumer, place(client))


if __name__ == "__main__":
    main()
