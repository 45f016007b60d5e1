"""Who calls and what for: the API key, and the purpose stated with the request."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Annotated, Literal, NamedTuple

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from schemas.purposes import PURPOSES
from serving.http.problems import (
    INVALID_REQUEST,
    NO_KEY,
    NOT_LOOPBACK,
    PURPOSE_MISSING,
    PURPOSE_NOT_OF_KEY,
    SENSITIVE_NOT_OF_KEY,
    TOO_MANY_REQUESTS,
    ProblemError,
)
from serving.http.rate_limit import RateLimit
from serving.http.services import Services, services
from serving.reader import Reader

PURPOSE_HEADER = "Livetags-Purpose"
SENSITIVE_HEADER = "Livetags-Sensitive"

CALLER_PROBLEMS = (
    NO_KEY,
    NOT_LOOPBACK,
    PURPOSE_MISSING,
    PURPOSE_NOT_OF_KEY,
    SENSITIVE_NOT_OF_KEY,
    TOO_MANY_REQUESTS,
    INVALID_REQUEST,
)
"""Kinds of problems of every route with a caller."""

LOCAL_READER = "loopback"
"""Name in the audit trail of who reads without a key, on the machine itself."""

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})

_bearer = HTTPBearer(auto_error=False, description="API key, as `livetags api-key add` shows it", scheme_name="api_key")


class Caller:
    """A caller who may read.

    Parameters
    ----------
    reader
        Name, purpose and whether sensitive groups are read.
    limit
        Rate limit of the key; None without one.
    """

    def __init__(self, reader: Reader, limit: RateLimit | None) -> None:
        self.reader = reader
        self._limit = limit

    def charge(self, people: int) -> None:
        """Count so many people as read.

        Raises
        ------
        ProblemError
            When the limit is reached.
        """
        wait_s = self._limit.take(people) if self._limit is not None else 0.0
        if wait_s:
            raise ProblemError(
                TOO_MANY_REQUESTS,
                "more people a second than the key allows: wait, ask for fewer, or have its limit raised",
                headers={"Retry-After": str(ceil(wait_s))},
            )


class Holder(NamedTuple):
    """Who calls, and what they might read: the key's, or anything for the machine's own."""

    name: str
    purposes: tuple[str, ...]
    sensitive: bool
    limit: RateLimit | None


async def key_holder(
    request: Request,
    given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    known: Annotated[Services, Depends(services)],
) -> Holder:
    """Who calls, before it is said what for: for routes without personal data."""
    if known.keys.asked_for():
        key = known.keys.find(given.credentials) if given is not None else None
        if key is None:
            raise ProblemError(
                NO_KEY,
                "expected the header `Authorization: Bearer lt_...` with a key that is in force; "
                "`livetags api-key add` makes one",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return Holder(key.reader, key.purposes, key.sensitive, known.limit(key))
    if not _is_local(request):
        raise ProblemError(
            NOT_LOOPBACK, "make a key with `livetags api-key add`, and send it as `Authorization: Bearer lt_...`"
        )
    return Holder(LOCAL_READER, tuple(PURPOSES), True, None)


async def caller(
    holder: Annotated[Holder, Depends(key_holder)],
    purpose: Annotated[
        str | None,
        Header(
            alias=PURPOSE_HEADER,
            description="what the tags are used for: only groups of this purpose are read. May be left out with a key "
            "that has one purpose",
            json_schema_extra={"enum": list(PURPOSES)},
        ),
    ] = None,
    sensitive: Annotated[
        Literal["true", "false"],
        Header(alias=SENSITIVE_HEADER, description="true: sensitive groups of that purpose are read too"),
    ] = "false",
) -> Caller:
    """The caller of a route that reads profiles."""
    if purpose is None and len(holder.purposes) == 1:
        [purpose] = holder.purposes
    if purpose is None:
        raise ProblemError(
            PURPOSE_MISSING, f"expected the header {PURPOSE_HEADER} with one of {', '.join(holder.purposes)}"
        )
    if purpose not in PURPOSES:
        raise ProblemError(
            INVALID_REQUEST, f"expected in the header {PURPOSE_HEADER} one of {', '.join(holder.purposes)}"
        )
    if purpose not in holder.purposes:
        raise ProblemError(
            PURPOSE_NOT_OF_KEY, f"this key is for {', '.join(holder.purposes)}; another purpose needs another key"
        )
    if sensitive == "true" and not holder.sensitive:
        raise ProblemError(SENSITIVE_NOT_OF_KEY, f"leave {SENSITIVE_HEADER} out, or use a key made with `--sensitive`")
    return Caller(Reader(holder.name, purpose, sensitive == "true"), holder.limit)


TheCaller = Annotated[Caller, Depends(caller)]


def _is_local(request: Request) -> bool:
    """Whether the request came over loopback, and under a name of it: another could be a web page's (DNS rebinding)."""
    host = request.headers.get("host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if request.client is None or name.lower() not in _LOOPBACK_NAMES:
        return False
    try:
        address = ip_address(request.client.host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback
