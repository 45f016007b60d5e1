"""Which of the server's errors pass by themselves, and which a row's own content causes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from urllib3.exceptions import HTTPError

from sinks.retry import Transient, retrying

T = TypeVar("T")

# Errors that a row's own content causes: retrying can't help, isolating the row can. As in the vendor's own connectors.
DATA_ERRORS = {6, 27, 33, 38, 41, 72, 117}
# Errors that pass: timeouts, network, too many simultaneous queries, too many parts, memory, read-only, shutting down;
# of mutations: not finished in time, another one being assigned, too many waiting.
_PASSING_ERRORS = {3, 159, 164, 201, 202, 209, 210, 225, 236, 241, 242, 243, 252, 279, 319, 999} | {341, 473, 517, 692}


def until_it_passes(give_up_s: float, call: Callable[[], T]) -> T:
    """Run `call`, repeating it while the server fails in a way that may pass.

    Raises
    ------
    SinkGaveUp
        When it still does after `give_up_s`.
    """
    return retrying("ClickHouse", give_up_s, lambda: _passing(call))


def _passing(call: Callable[[], T]) -> T:
    """Run `call`, turning failures that may pass into `Transient`; an error's text can hold values: it is dropped."""
    try:
        return call()
    except (OperationalError, HTTPError, OSError) as error:
        raise Transient(type(error).__name__) from None
    except DatabaseError as error:
        if error.code in _PASSING_ERRORS:
            code = f"code {error.code}"
            raise Transient(code) from None
        raise
