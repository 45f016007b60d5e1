"""Client of the hot profiles for asyncio: `serving.client.ProfileClient` with ``await``."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

import redis
import redis.asyncio

from serving.audit import KEPT_RECORDS
from serving.catalogue import Catalogue
from serving.health import Health
from serving.hot_view import HotView
from serving.read_errors import ReadError, as_read_error
from serving.reader import Reader
from serving.reads import Reads, Steps, Transaction
from serving.redis_pool import MAX_CONNECTIONS, TIMEOUT_S, WEIGHT_FLOOR, now_ms, pool_options
from serving.tag_view import TagView

T = TypeVar("T")


class AsyncProfileClient:
    """Reads hot profiles for one purpose, decayed to now. May be shared by the tasks of one event loop.

    Parameters, guarantees and errors are those of `serving.client.ProfileClient`, but for one: `timeout_s` limits the
    whole of a network trip, connecting included.
    """

    def __init__(
        self,
        url: str,
        *,
        reader: str,
        purpose: str,
        sensitive: bool = False,
        prefix: str = "lt",
        timeout_s: float = TIMEOUT_S,
        max_connections: int = MAX_CONNECTIONS,
        weight_floor: float = WEIGHT_FLOOR,
        kept_records: int = KEPT_RECORDS,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._reader = Reader(reader, purpose, sensitive)
        self._reads = Reads(prefix, weight_floor, kept_records, clock_ms)
        self._url, self._timeout_s = url, timeout_s
        options = pool_options(url, timeout_s, max_connections)
        # no limit per reply: one for the trip is stricter, and a batch has a hundred replies
        self._pool = redis.asyncio.BlockingConnectionPool.from_url(url, **options, socket_timeout=None)
        self._client = redis.asyncio.Redis(connection_pool=self._pool)

    def stating(self, *, reader: str, purpose: str, sensitive: bool = False) -> Self:
        """A client for another reader or purpose over the same connections; closing one closes both."""
        other = copy.copy(self)
        other._reader = Reader(reader, purpose, sensitive)
        return other

    async def profile(self, user: str) -> HotView:
        """See `serving.client.ProfileClient.profile`."""
        return (await self._run(self._reads.profiles(self._reader, [user], "profile")))[user]

    async def profiles(self, users: Iterable[str]) -> dict[str, HotView]:
        """See `serving.client.ProfileClient.profiles`."""
        return await self._run(self._reads.profiles(self._reader, users))

    async def tags(self, user: str, names: Iterable[str]) -> dict[str, TagView]:
        """See `serving.client.ProfileClient.tags`."""
        return await self._run(self._reads.tags(self._reader, user, names))

    async def has(self, user: str, tag: str, above: float = 0.0) -> bool:
        """See `serving.client.ProfileClient.has`."""
        return await self._run(self._reads.has(self._reader, user, tag, above))

    async def whose(self, identifier: str) -> str | None:
        """See `serving.client.ProfileClient.whose`."""
        return await self._run(self._reads.whose(self._reader, identifier))

    async def erased_ms(self, user: str, operation: str) -> int:
        """Event time of the person's newest erasure that is remembered, 0: none.

        For whoever is about to read the same person from another store: it leaves the record of `operation`.
        """
        return await self._run(self._reads.erasures(self._reader, user, operation))

    async def catalogue(self) -> Catalogue:
        """See `serving.client.ProfileClient.catalogue`."""
        return await self._run(self._reads.newest_catalogue())

    async def health(self) -> Health:
        """See `serving.client.ProfileClient.health`."""
        began = time.perf_counter()
        try:
            groups = len((await self.catalogue()).groups)
        except ReadError as error:
            return Health(False, (time.perf_counter() - began) * 1_000, problem=str(error))
        return Health(True, (time.perf_counter() - began) * 1_000, groups)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.disconnect()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, steps: Steps[T]) -> T:
        try:
            transaction = next(steps)
            while True:
                transaction = steps.send(await self._replies(transaction))
        except StopIteration as done:
            result: T = done.value
            return result

    async def _replies(self, transaction: Transaction) -> list[Any]:
        try:
            async with asyncio.timeout(self._timeout_s):
                pipeline = self._client.pipeline(transaction=True)
                for command in transaction:
                    pipeline.execute_command(*command)
                replies: list[Any] = await pipeline.execute()
                return replies
        except (redis.RedisError, OSError) as error:
            raise as_read_error(error, self._url, self._timeout_s) from None
