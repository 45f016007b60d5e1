"""Hot sink: one guarded, atomic server-side function per changed user, pipelined once per batch.

Guarantee: effectively once. A write is accepted when its version is newer than or equal to the stored one, so replays
and zombie writers never move a profile back; a snapshot is full, so a write that was coalesced or refused loses
nothing. Idempotency key: (user, version). Works on Redis 7.0 or later and Valkey.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources
from typing import NamedTuple

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from schemas.outputs import HotProfile
from schemas.redis_keys import AS_OF_MS, OTHER_PREFIX, VERSION, evidence_key, groups_key, profile_key
from sinks.plain_decimal import plain_decimals
from sinks.retry import Transient, retrying

_FUNCTION = "livetags_put_profile_1"
_TRANSIENT_REPLIES = ("OOM", "READONLY", "LOADING", "BUSY", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "NOREPLICAS")

# Replies that the client turns into errors of their own, without the word
_TRANSIENT_ERRORS = (redis.exceptions.OutOfMemoryError, redis.exceptions.BusyLoadingError, redis.ReadOnlyError)

_json = msgspec.json.Encoder().encode


class Written(NamedTuple):
    """What became of a batch: profiles written, and profiles refused because the stored one is newer."""

    written: int
    refused: int


class RedisHotSink:
    """Writes hot profiles.

    Parameters
    ----------
    url
        redis:// or rediss:// URL, with credentials if needed; never logged.
    prefix
        First part of every key.
    timeout_s, give_up_s
        Limit of one network operation, and of retrying a batch before the job fails.

    Raises
    ------
    SinkGaveUp
        From `write_batch` when the server stays away for `give_up_s`.
    """

    def __init__(self, url: str, prefix: str, timeout_s: float, give_up_s: float) -> None:
        self._prefix = prefix
        self._give_up_s = give_up_s
        # Retries are ours: the client's own would repeat inside a batch without looking at what was applied.
        self._client = redis.Redis.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 0)
        )
        self._library_loaded = False
        self._library = (resources.files("sinks") / "hot_profile.lua").read_text()

    def open(self, half_lives_ms: dict[str, int]) -> None:
        """Load the server-side function and publish the half-lives readers decay with."""

        def load() -> None:
            try:
                self._load_library()
                self._client.hset(groups_key(self._prefix), mapping={k: str(v) for k, v in half_lives_ms.items()})
            except redis.RedisError as error:
                raise self._as_transient(error) from None

        retrying("Redis", self._give_up_s, load)

    def write_batch(self, profiles: Sequence[HotProfile]) -> Written:
        """Write every profile of the batch; each user appears at most once."""
        waiting = list(profiles)
        done = {0: 0, 1: 0}

        def write() -> None:
            nonlocal waiting
            failed: list[HotProfile] = []
            reason = ""
            for profile, reply in zip(waiting, self._put(waiting), strict=True):
                if isinstance(reply, Exception):
                    reason = str(self._as_transient(reply))
                    failed.append(profile)
                else:
                    done[reply] += 1
            waiting = failed
            if failed:
                raise Transient(reason)

        if waiting:
            retrying("Redis", self._give_up_s, write)
        return Written(done[1], done[0])

    def close(self) -> None:
        """Close the connection; nothing is buffered, so nothing is lost without it."""
        self._client.close()

    def _put(self, profiles: Iterable[HotProfile]) -> list[int | Exception]:
        if not self._library_loaded:
            # FUNCTION FLUSH, FLUSHALL or a fail-over to a server without it
            try:
                self._load_library()
            except redis.RedisError as error:
                raise self._as_transient(error) from None
        pipeline = self._client.pipeline(transaction=False)
        for profile in profiles:
            pipeline.execute_command(  # type: ignore[no-untyped-call]
                "FCALL",
                _FUNCTION,
                2,
                profile_key(self._prefix, profile.user),
                evidence_key(self._prefix, profile.user),
                profile.version,
                profile.expires_at_ms,
                _json(profile.last_evidence_ms),
                *_fields(profile),
            )
        try:
            return list(pipeline.execute(raise_on_error=False))
        except redis.RedisError as error:
            raise self._as_transient(error) from None

    def _as_transient(self, error: Exception) -> Transient:
        """The failure as one to retry; anything that retrying can't mend is raised as it is."""
        text = str(error)
        if isinstance(error, redis.ConnectionError | redis.TimeoutError) and not isinstance(
            error, redis.AuthenticationError | redis.exceptions.AuthorizationError
        ):
            return Transient(type(error).__name__)
        if "Function not found" in text:
            self._library_loaded = False
            return Transient("function missing")
        word = text.partition(" ")[0]
        if word in _TRANSIENT_REPLIES or isinstance(error, _TRANSIENT_ERRORS):
            return Transient(word)
        raise error

    def _load_library(self) -> None:
        try:
            self._client.function_load(self._library, replace=True)
            self._library_loaded = True
        except redis.ResponseError as error:
            if "unknown command" in str(error).lower():
                msg = "this Redis has no server-side functions: livetags needs Redis 7.0 or later, or Valkey"
                raise RuntimeError(msg) from None
            raise


def _fields(profile: HotProfile) -> list[str | int | bytes]:
    names = [*profile.weights, *(OTHER_PREFIX + group for group in profile.other)]
    numbers = plain_decimals([*profile.weights.values(), *profile.other.values()])
    fields: list[str | int | bytes] = [VERSION, profile.version, AS_OF_MS, profile.as_of_ms]
    for name, number in zip(names, numbers, strict=True):
        fields += (name, number)
    return fields
