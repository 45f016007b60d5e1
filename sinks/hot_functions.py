"""The server-side functions of the hot profiles: loading them, and calling them until each call succeeded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from typing import Any, TypeVar

import redis

from schemas.outputs import Removal
from schemas.redis_keys import evidence_key, identifier_key, profile_key, tombstone_key
from schemas.tag_group import MS_PER_DAY
from sinks.retry import Transient, retrying

T = TypeVar("T")

PUT_PROFILE = "livetags_put_profile_2"
REMOVE_PROFILE = "livetags_remove_profile_2"

TOMBSTONE_MS = 30 * MS_PER_DAY
"""How long a tombstone stays after its last write, unless told otherwise."""

Call = Sequence[str | int | bytes]
"""Function, number of keys, keys, arguments: what follows FCALL."""

_TRANSIENT_REPLIES = ("OOM", "READONLY", "LOADING", "BUSY", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "NOREPLICAS")

# Replies that the client turns into errors of their own, without the word
_TRANSIENT_ERRORS = (redis.exceptions.OutOfMemoryError, redis.exceptions.BusyLoadingError, redis.ReadOnlyError)


class HotFunctions:
    """Calls of the functions on one client, each until it succeeded.

    Parameters
    ----------
    client
        Should not retry by itself: it would repeat inside a batch without looking at what was applied.
    prefix
        First part of every key.
    give_up_s
        Limit of retrying before `SinkGaveUp`.
    """

    def __init__(self, client: redis.Redis, prefix: str, give_up_s: float) -> None:
        self._client = client
        self._prefix = prefix
        self._give_up_s = give_up_s
        self._loaded = False
        self._library = (resources.files("sinks") / "hot_profile.lua").read_text()

    def load(self) -> None:
        """Load the functions into the server."""
        self.until_it_passes(self._load)

    def until_it_passes(self, command: Callable[[], T]) -> T:
        """Run a command of the same client, repeating it while the server fails in a way that may pass."""

        def attempt() -> T:
            try:
                return command()
            except redis.RedisError as error:
                raise self._as_transient(error) from None

        return retrying("Redis", self._give_up_s, attempt)

    def keys(self, user: str) -> tuple[int, str, str, str, str]:
        """The keys every function takes, preceded by their number."""
        prefix = self._prefix
        return (
            4,
            profile_key(prefix, user),
            evidence_key(prefix, user),
            tombstone_key(prefix, user),
            identifier_key(prefix, user),
        )

    def remove(self, removals: Sequence[Removal], tombstone_ms: int) -> int:
        """Remove the users that were moved or erased; returns how many had a profile."""
        expiry_ms = int(time.time() * 1_000) + tombstone_ms
        calls: list[Call] = [
            (REMOVE_PROFILE, *self.keys(r.user), r.kind, r.time_ms, expiry_ms)
            for r in removals
            if r.kind == "erase" or (r.kind == "move" and r.user != r.to)
        ]
        return sum(self.call(calls))

    def call(self, calls: Sequence[Call]) -> list[int]:
        """Make the calls and return their answers, in no particular order when some had to be repeated."""
        waiting = calls
        answers: list[int] = []

        def attempt() -> None:
            nonlocal waiting
            failed: list[Call] = []
            reason = ""
            for call, reply in zip(waiting, self._send(waiting), strict=True):
                if isinstance(reply, Exception):
                    reason = str(self._as_transient(reply))
                    failed.append(call)
                else:
                    answers.append(reply)
            waiting = failed
            if failed:
                raise Transient(reason)

        if calls:
            retrying("Redis", self._give_up_s, attempt)
        return answers

    def _send(self, calls: Sequence[Call]) -> Iterator[int | Exception]:
        try:
            if not self._loaded:
                # FUNCTION FLUSH, FLUSHALL or a fail-over to a server without it
                self._load()
            pipeline = self._client.pipeline(transaction=False)
            for call in calls:
                pipeline.execute_command("FCALL", *call)  # type: ignore[no-untyped-call]
            replies: list[Any] = pipeline.execute(raise_on_error=False)
        except redis.RedisError as error:
            raise self._as_transient(error) from None
        return iter(replies)

    def _as_transient(self, error: Exception) -> Transient:
        """The failure as one to retry; anything that retrying can't mend is raised as it is."""
        text = str(error)
        if isinstance(error, redis.ConnectionError | redis.TimeoutError) and not isinstance(
            error, redis.AuthenticationError | redis.exceptions.AuthorizationError
        ):
            return Transient(type(error).__name__)
        if "Function not found" in text:
            self._loaded = False
            return Transient("function missing")
        word = text.partition(" ")[0]
        if word in _TRANSIENT_REPLIES or isinstance(error, _TRANSIENT_ERRORS):
            return Transient(word)
        raise error

    def _load(self) -> None:
        try:
            self._client.function_load(self._library, replace=True)
            self._loaded = True
        except redis.ResponseError as error:
            if "unknown command" in str(error).lower():
                msg = "this Redis has no server-side functions: livetags needs Redis 7.0 or later, or Valkey"
                raise RuntimeError(msg) from None
            raise
