"""An error as a ClickHouse server would answer it."""

from __future__ import annotations

# The mapping of a server (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp); any other code is a 500.
_STATUS_OF_CODE = {
    **dict.fromkeys((192, 193, 497, 512, 516), 403),
    **dict.fromkeys(
        (6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676),
        400,
    ),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511), 404),
    48: 501,
    76: 503,
    159: 408,
    194: 401,
    209: 503,
    229: 413,
    381: 411,
    439: 503,
    779: 415,
}


def status_of(code: int) -> int:
    """HTTP status that a server answers an error code with."""
    return _STATUS_OF_CODE.get(code, 500)


class FrontError(Exception):
    """A request that is refused, with the ClickHouse error code and name that tell the client why.

    Parameters
    ----------
    code
        ClickHouse error code, sent as X-ClickHouse-Exception-Code.
    name
        Its symbolic name.
    message
        What was got, what was expected, what to do next. It may reach the client, never the log.
    status
        HTTP status; by default the one a server has for `code`.
    close
        Whether the rest of the request cannot be read, so that the connection must be closed.
    """

    def __init__(self, code: int, name: str, message: str, *, status: int | None = None, close: bool = False) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {message} ({name})")
        self.code = code
        self.status = status_of(code) if status is None else status
        self.close = close
