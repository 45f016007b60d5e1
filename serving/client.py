"""Client of the hot profiles, for services in Python.

::

    from serving.client import ProfileClient

    with ProfileClient("redis://reader:password@host:6379/0", reader="crm", purpose="marketing") as client:
        profile = client.profile("p.AbCdEfGhIjKlMnOpQrSt")
        if client.has(profile.user, "channel:sms", above=0.5): ...

`serving.async_client.AsyncProfileClient` is the same for asyncio.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

import redis

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


class ProfileClient:
    """Reads hot profiles for one purpose, decayed to now. May be shared by threads.

    Each read is one network trip, whatever the number of people, and leaves one record in the audit trail in the same
    transaction. A reader gets only the tag groups of its purpose, and only those not sensitive unless it says that it
    reads such. Of a person who has not consented to the purpose there is nothing to get.

    Guarantee: a view is one version of a profile, never parts of two; it may be older than the log by the job's
    latency. Weights are decayed by the half-lives in force at the instant of the read. The server is a primary: a
    replica can't take the record. Not for a cluster of several primaries, where no transaction spans persons.

    Parameters
    ----------
    url
        ``redis://`` or ``rediss://`` URL, with user and password if needed; never in an error.
    reader
        Name of the service that reads; the audit trail has it.
    purpose
        What it reads for: one of `schemas.purposes.PURPOSES`.
    sensitive
        Whether it gets sensitive groups of that purpose too; the audit trail has that.
    prefix
        First part of every key (setting ``redis_key_prefix``).
    timeout_s
        Limit of connecting, of waiting for a free connection, and of waiting for more of an answer.
    max_connections
        Connections at most; they are kept and used again.
    weight_floor
        Lighter tags are left out (setting ``weight_floor``).
    kept_records
        How many records of the audit trail stay.
    clock_ms
        The time now, milliseconds since the epoch.

    Raises
    ------
    ValueError
        For an unknown purpose, or a name that is none.
    ReadError
        From every read: see `serving.read_errors`.
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
        self._pool = redis.BlockingConnectionPool.from_url(url, **options, socket_timeout=timeout_s)
        self._client = redis.Redis(connection_pool=self._pool)

    def stating(self, *, reader: str, purpose: str, sensitive: bool = False) -> Self:
        """A client for another reader or purpose over the same connections; closing one closes both."""
        other = copy.copy(self)
        other._reader = Reader(reader, purpose, sensitive)
        return other

    def profile(self, user: str) -> HotView:
        """The person's tags now. Its `presence` says whether there is a profile, or the person was erased."""
        return self._run(self._reads.profiles(self._reader, [user], "profile"))[user]

    def profiles(self, users: Iterable[str]) -> dict[str, HotView]:
        """The tags of up to 1,000 people now, in one trip; a view of each, also of those without a profile."""
        return self._run(self._reads.profiles(self._reader, users))

    def tags(self, user: str, names: Iterable[str]) -> dict[str, TagView]:
        """Those of the named tags, ``<group>:<name>``, that the person has.

        Raises
        ------
        UnknownGroup, PurposeRefused
            When one of them does not exist, or may not be read for the purpose.
        """
        return self._run(self._reads.tags(self._reader, user, names))

    def has(self, user: str, tag: str, above: float = 0.0) -> bool:
        """Whether the person has the tag with a weight of `above` or more now; errors as of `tags`."""
        return self._run(self._reads.has(self._reader, user, tag, above))

    def whose(self, identifier: str) -> str | None:
        """The person an identifier belongs to now, both by their pseudonyms; None: nobody is linked to it."""
        return self._run(self._reads.whose(self._reader, identifier))

    def catalogue(self) -> Catalogue:
        """The tag groups as published now; no personal data, so it leaves no record."""
        return self._run(self._reads.newest_catalogue())

    def health(self) -> Health:
        """Whether profiles can be read now."""
        began = time.perf_counter()
        try:
            groups = len(self.catalogue().groups)
        except ReadError as error:
            return Health(False, (time.perf_counter() - began) * 1_000, problem=str(error))
        return Health(True, (time.perf_counter() - began) * 1_000, groups)

    def close(self) -> None:
        """Close the connections."""
        self._pool.disconnect()  # type: ignore[no-untyped-call]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, steps: Steps[T]) -> T:
        try:
            transaction = next(steps)
            while True:
                transaction = steps.send(self._replies(transaction))
        except StopIteration as done:
            result: T = done.value
            return result

    def _replies(self, transaction: Transaction) -> list[Any]:
        try:
            pipeline = self._client.pipeline(transaction=True)
            for command in transaction:
                pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            replies: list[Any] = pipeline.execute()
            return replies
        except (redis.RedisError, OSError) as error:
            raise as_read_error(error, self._url, self._timeout_s) from None
