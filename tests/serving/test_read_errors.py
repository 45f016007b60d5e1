"""The client's errors as typed ones that say what to do, and neither a key nor a password."""

from __future__ import annotations

import pytest
import redis

from serving.read_errors import (
    ReadError,
    RedisAway,
    RedisRefuses,
    RedisTooSlow,
    RedisUnready,
    as_read_error,
)

URL = "redis://name:password@host:6379/0"
IN_PIPELINE = "Command # 3 (HGETALL lt:p:{secret}) of pipeline caused error: "


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (redis.ConnectionError("Error 111 connecting to host:6379. Connection refused."), RedisAway),
        (ConnectionResetError(104, "secret"), RedisAway),
        (redis.ConnectionError("No connection available."), RedisTooSlow),
        (redis.TimeoutError("Timeout reading from socket"), RedisTooSlow),
        (TimeoutError(), RedisTooSlow),
        (redis.AuthenticationError("invalid username-password pair"), RedisRefuses),
        (redis.exceptions.NoPermissionError(IN_PIPELINE + "No permissions to access a key"), RedisRefuses),
        (redis.exceptions.BusyLoadingError("Redis is loading the dataset in memory"), RedisUnready),
        (redis.ReadOnlyError(IN_PIPELINE + "You can't write against a read only replica."), RedisUnready),
        (redis.exceptions.OutOfMemoryError(IN_PIPELINE + "command not allowed when used memory >"), RedisUnready),
        (redis.ResponseError(IN_PIPELINE + "MISCONF Redis is configured to save RDB snapshots"), RedisUnready),
        (redis.ResponseError(IN_PIPELINE + "CLUSTERDOWN The cluster is down"), RedisUnready),
        (redis.ResponseError(IN_PIPELINE + "WRONGTYPE Operation against a key holding secret"), ReadError),
    ],
)
def test_each_is_of_its_kind_and_tells_no_secret(error: Exception, expected: type[ReadError]) -> None:
    found = as_read_error(error, URL, 0.25)
    assert type(found) is expected
    text = str(found)
    assert "host:6379" in text
    assert not {"secret", "password@"} & {word for word in ("secret", "password@") if word in text}
    assert len(text) > 60, "says what was expected and what to do"
