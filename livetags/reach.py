"""Reaching the stores, with an error a person can act on when one does not answer."""

from __future__ import annotations

import redis
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from schemas.settings import Settings, masked_url
from sinks.clickhouse_client import connect


class StoreUnreachable(RuntimeError):
    """A store does not answer, or refuses us; the text names it, its URL without password, and the setting."""


def reach_redis(settings: Settings) -> redis.Redis:
    """Client of a Redis that answers.

    Raises
    ------
    StoreUnreachable
        When it does not.
    """
    url = settings.redis_url.get_secret_value()
    try:
        client = redis.Redis.from_url(
            url, socket_timeout=settings.sink_timeout_s, socket_connect_timeout=settings.sink_timeout_s
        )
        client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise StoreUnreachable(_told("Redis", "redis_url", url, error)) from None
    return client


def reach_clickhouse(settings: Settings) -> Client:
    """Client of a ClickHouse that answers.

    Raises
    ------
    StoreUnreachable
        When it does not.
    """
    url = settings.clickhouse_url.get_secret_value()
    try:
        return connect(url, settings.sink_timeout_s)
    except (ClickHouseError, HTTPError, OSError, ValueError) as error:
        raise StoreUnreachable(_told("ClickHouse", "clickhouse_url", url, error)) from None


def _told(store: str, setting: str, url: str, error: Exception) -> str:
    # Only the kind of error: its text can repeat the URL with the password.
    return (
        f"{store} at {masked_url(url)} does not answer ({type(error).__name__}): is it running, and is the setting "
        f"{setting} (LIVETAGS_{setting.upper()}) right?"
    )
