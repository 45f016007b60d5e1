"""A ClickHouse client from a URL, the same for a server and for the embedded front."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client


def connect(url: str, timeout_s: float) -> Client:
    """Client for ``http[s]://user:password@host:port``.

    Raises
    ------
    ValueError
        When the URL is not of that form; the text does not repeat it, since it may hold a password.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        msg = "clickhouse_url has no valid port: special characters of a password must be percent-encoded"
        raise ValueError(msg) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        msg = f"clickhouse_url must look like http[s]://user:password@host:port, got one of scheme {parts.scheme!r}"
        raise ValueError(msg)
    secure = parts.scheme == "https"
    return clickhouse_connect.get_client(
        host=parts.hostname,
        port=port or (8443 if secure else 8123),
        username=unquote(parts.username) if parts.username else "default",
        password=unquote(parts.password) if parts.password else "",
        secure=secure,
        connect_timeout=timeout_s,
        send_receive_timeout=max(timeout_s, 300.0),
        autogenerate_session_id=False,
        query_limit=0,
    )
