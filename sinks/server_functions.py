"""A library of functions inside the Redis server: loading it, and calling its functions until each call succeeded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sinks.retry import Transient, retrying

T = TypeVar("T")

Call = Sequence[str | int | bytes]
"""Function, number of keys, keys, arguments: what follows FCALL."""

_TRANSIENT_REPLIES = ("OOM", "READONLY", "LOADING", "BUSY", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "NOREPLICAS")

# Replies that the client turns into errors of their own, without the word
_TRANSIENT_ERRORS = (redis.exceptions.OutOfMemoryError, redis.exceptions.BusyLoadingError, redis.ReadOnlyError)


def connect(url: str, timeout_s: float) -> redis.Redis:
    """A client that does not retry by itself: it would repeat inside a batch without looking at what was applied.

    Parameters
    ----------
    url
        redis:// or rediss:// URL, with credentials if needed; never logged.
    timeout_s
        Limit of one network operation.
    """
    return redis.Redis.from_url(
        url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 0)
    )


class ServerFunctions:
    """Calls of one library's functions on one client, each until it succeeded.

    Parameters
    ----------
    client
        Should not retry by itself, as that of `connect`.
    library
        File of `sinks` that has the functions.
    give_up_s
        Limit of retrying before `SinkGaveUp`.
    """

    def __init__(self, client: redis.Redis, library: str, give_up_s: float) -> None:
        self._client = client
        self._give_up_s = give_up_s
        self._missing = False  # as far as known: a full server takes no library, and may have it
        self._library = (resources.files("sinks") / library).read_text()

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

    def call(self, calls: Sequence[Call]) -> list[Any]:
        """Make the calls and return what each answered. Of a call that had to be repeated it may be the second time."""
        answers: dict[int, Any] = {}

        def attempt() -> None:
            reason = self._ask(calls, answers)
            if self._missing:
                reason = self._ask(calls, answers)  # loads them first
            if reason:
                raise Transient(reason)

        if calls:
            retrying("Redis", self._give_up_s, attempt)
        return [answers[index] for index in range(len(calls))]

    def _ask(self, calls: Sequence[Call], answers: dict[int, Any]) -> str:
        """Make the calls that have no answer yet; returns why some still have none, empty when all have."""
        waiting = [index for index in range(len(calls)) if index not in answers]
        reason = ""
        for index, reply in zip(waiting, self._send([calls[index] for index in waiting]), strict=True):
            if isinstance(reply, Exception):
                reason = str(self._as_transient(reply))
            else:
                answers[index] = reply
        return reason

    def _send(self, calls: Sequence[Call]) -> Iterator[Any]:
        try:
            if self._missing:
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
            self._missing = True
            return Transient("function missing")
        word = text.partition(" ")[0]
        if word in _TRANSIENT_REPLIES or isinstance(error, _TRANSIENT_ERRORS):
            return Transient(word)
        raise error

    def _load(self) -> None:
        try:
            self._client.function_load(self._library, replace=True)
            self._missing = False
        except redis.ResponseError as error:
            if "unknown command" in str(error).lower():
                msg = "this Redis has no server-side functions: livetags needs Redis 7.0 or later, or Valkey"
                raise RuntimeError(msg) from None
            raise
