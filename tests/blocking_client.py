"""The asyncio client as a blocking one, so that one test holds both to the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from serving.async_client import AsyncProfileClient
from serving.client import ProfileClient


class BlockingAsyncClient:
    """Runs each method in an event loop of its own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncProfileClient(*args, **options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda *args, **options: self._runner.run(method(*args, **options))

    def stating(self, **stated: Any) -> BlockingAsyncClient:
        other = object.__new__(BlockingAsyncClient)
        other._runner, other._client = self._runner, self._client.stating(**stated)
        return other

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


CLIENTS: dict[str, Any] = {"sync": ProfileClient, "asyncio": BlockingAsyncClient}
