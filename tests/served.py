"""The HTTP application in a test client, from an address of choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from fastapi.testclient import TestClient
from pydantic import SecretStr

from schemas.settings import Settings
from serving.http.app import make_app
from sinks.clickhouse_client import connect

NOWHERE_REDIS, NOWHERE_CLICKHOUSE = "redis://127.0.0.1:1/0", "http://127.0.0.1:1"


def api_settings(prefix: str = "lt", redis_url: str = NOWHERE_REDIS, **values: Any) -> Settings:
    return Settings(redis_url=SecretStr(redis_url), redis_key_prefix=prefix, **values)


def no_history() -> Client:
    msg = "ClickHouse at http://user:secret@host does not answer"
    raise RuntimeError(msg)


def history_at(url: str) -> Callable[[], Client]:
    made: list[clickhouse_connect.driver.client.Client] = []

    def history() -> Client:
        if not made:
            made.append(connect(url, 5.0))
        return made[0]

    return history


@contextmanager
def served(
    settings: Settings,
    keys_file: Path,
    history: Callable[[], Client] = no_history,
    *,
    address: str = "127.0.0.1",
    base_url: str = "http://127.0.0.1",
    **headers: str,
) -> Iterator[TestClient]:
    app = make_app(settings, keys_file=keys_file, history=history)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with TestClient(app, base_url, client=(address, 50_000), headers=sent, raise_server_exceptions=False) as client:
        yield client
