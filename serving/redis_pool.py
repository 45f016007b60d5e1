"""How the clients connect to Redis: options of the connection pool, the same for both kinds."""

from __future__ import annotations

import time
from typing import Any

from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT_S = 1.0
"""A reader waits so long for an answer, unless told otherwise: a thousand times what it usually takes."""

MAX_CONNECTIONS = 32
"""Connections of one client, unless told otherwise; further reads wait for one."""

WEIGHT_FLOOR = 1e-6
"""Lighter tags are left out, unless told otherwise: the default of the setting ``weight_floor``."""


def pool_options(url: str, timeout_s: float, max_connections: int) -> dict[str, Any]:
    """Options of a blocking connection pool; options in the URL's query go before them.

    RESP2: in RESP3 a hash arrives as a mapping, and its parser takes nearly twice as long to make one (5.4 against
    3.1 ms for a hundred profiles). No retries by the connection: a read that failed is the caller's to repeat, within
    its own limit of time. Over TLS the server's certificate and name are checked, against the system's authorities or
    those of ``?ssl_ca_certs=FILE``.
    """
    options: dict[str, Any] = {
        "max_connections": max_connections,
        "timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "decode_responses": True,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
    }
    if url.startswith("rediss://"):
        options["ssl_check_hostname"] = True  # the library's own default is not to
    return options


def now_ms() -> int:
    """The time now, milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
