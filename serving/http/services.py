"""What routes work with, made once per application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TypeVar

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from fastapi import Request
from urllib3.exceptions import HTTPError

from schemas.settings import Settings
from serving.async_client import AsyncProfileClient
from serving.http.api_keys import ApiKey, KeyRing
from serving.http.problems import (
    STORE_SLOW,
    STORE_UNAVAILABLE,
    ProblemError,
)
from serving.http.rate_limit import RateLimit
from serving.reader import Reader

T = TypeVar("T")

HISTORY_THREADS = 8
"""Questions to ClickHouse at once; its client blocks, and further ones wait."""


@dataclass
class Services:
    """Held in ``app.state.services``.

    Attributes
    ----------
    settings
        In force.
    profiles
        Client of the hot profiles; a route reads through `reading_as` its caller.
    keys
        API keys in force.
    history
        Makes or hands out the client of ClickHouse; called in a thread.
    threads
        In which ClickHouse is asked.
    limits
        Key's id -> its rate limit.
    """

    settings: Settings
    profiles: AsyncProfileClient
    keys: KeyRing
    history: Callable[[], Client]
    threads: Executor
    limits: dict[str, RateLimit] = field(default_factory=dict)

    def limit(self, key: ApiKey) -> RateLimit:
        """The rate limit of a key; begins anew when the key's rate was changed."""
        found = self.limits.get(key.id)
        if found is None or found.people_per_s != key.people_per_s:
            found = self.limits[key.id] = RateLimit(key.people_per_s)
        return found

    def reading_as(self, reader: Reader) -> AsyncProfileClient:
        """The client of the hot profiles, for a reader."""
        return self.profiles.stating(reader=reader.name, purpose=reader.purpose, sensitive=reader.sensitive)

    async def ask_history(self, question: Callable[[Client], T]) -> T:
        """The answer of ClickHouse to a question.

        Raises
        ------
        ProblemError
            When it is away, refuses, or does not answer within ``history_read_timeout_s``.
        """
        timeout_s = self.settings.history_read_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self.threads, lambda: question(self.history()))
        except TimeoutError:
            # the thread goes on until the store answers; there are not many, so the store is not asked more and more
            raise ProblemError(STORE_SLOW, f"ClickHouse did not answer within {timeout_s:g} s") from None
        except (ClickHouseError, HTTPError, OSError, RuntimeError) as error:
            # only the kind of error: its text can repeat the query's parameters
            said = f"ClickHouse can't be asked now ({type(error).__name__})"
            raise ProblemError(STORE_UNAVAILABLE, said) from None


async def services(request: Request) -> Services:
    """The application's services, as a dependency of a route; async, or it would be called in a thread."""
    found: Services = request.app.state.services
    return found
