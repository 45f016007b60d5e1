"""Errors over HTTP: problem details as of RFC 9457. None repeats what was sent, or names a person."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.read_errors import (
    CatalogueMissing,
    DamagedProfileError,
    PurposeRefused,
    RawIdentifier,
    ReadError,
    RedisTooSlow,
    UnknownGroup,
)

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)


class Kind(Struct, frozen=True):
    """A kind of problem: its name, its HTTP status, and what it means whatever the occasion."""

    name: str
    status: int
    title: str


NO_PROFILE = Kind("no-profile", 404, "Nobody with a profile has this pseudonym")
ERASED = Kind("erased", 410, "The person was erased")
UNKNOWN_TAG_GROUP = Kind("unknown-tag-group", 404, "There is no such tag group")
PURPOSE_REFUSED = Kind("purpose-refused", 403, "The tags may not be read for the purpose stated")
PURPOSE_MISSING = Kind("purpose-missing", 400, "The request does not say what it reads for")
PURPOSE_NOT_OF_KEY = Kind("purpose-not-of-key", 403, "The API key is not for this purpose")
SENSITIVE_NOT_OF_KEY = Kind("sensitive-not-of-key", 403, "The API key is not for sensitive tags")
NO_KEY = Kind("no-key", 401, "No valid API key")
NOT_LOOPBACK = Kind("not-loopback", 403, "Without API keys only this machine is served")
TOO_MANY_REQUESTS = Kind("too-many-requests", 429, "The API key's limit of people a second is reached")
RAW_IDENTIFIER = Kind("raw-identifier", 422, "A pseudonym was expected")
INVALID_REQUEST = Kind("invalid-request", 422, "The request has a part of another form than described")
MALFORMED_JSON = Kind("malformed-json", 400, "The body is not JSON")
TOO_LARGE = Kind("too-large", 413, "The body is too large")
STORE_UNAVAILABLE = Kind("store-unavailable", 503, "A store can't be asked now")
STORE_SLOW = Kind("store-slow", 504, "A store did not answer in time")
NO_CATALOGUE = Kind("no-catalogue", 503, "No tag groups are published")
DAMAGED_PROFILE = Kind("damaged-profile", 500, "What is stored is no profile")
INTERNAL = Kind("internal", 500, "A defect of the server")

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        NO_PROFILE,
        ERASED,
        UNKNOWN_TAG_GROUP,
        PURPOSE_REFUSED,
        PURPOSE_MISSING,
        PURPOSE_NOT_OF_KEY,
        SENSITIVE_NOT_OF_KEY,
        NO_KEY,
        NOT_LOOPBACK,
        TOO_MANY_REQUESTS,
        RAW_IDENTIFIER,
        INVALID_REQUEST,
        MALFORMED_JSON,
        TOO_LARGE,
        STORE_UNAVAILABLE,
        STORE_SLOW,
        NO_CATALOGUE,
        DAMAGED_PROFILE,
        INTERNAL,
    )
}
"""All of them, by name."""


class Problem(Struct, omit_defaults=True):
    """A problem as RFC 9457 has it.

    Attributes
    ----------
    type
        Identifies the kind, and leads to what it means.
    title, status
        Of the kind.
    detail
        What was found this time, what was expected, what to do.
    errors
        Of an invalid request: where, and what was expected there.
    """

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list[dict[str, str]] = []


class ProblemError(Exception):
    """Ends a request with a problem of a kind."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[dict[str, str]] = (),
    ) -> None:
        super().__init__(kind.name)
        self.kind, self.detail, self.headers, self.errors = kind, detail, headers, list(errors)

    def response(self) -> Response:
        """The problem as a response."""
        kind = self.kind
        problem = Problem(f"/problems/{kind.name}", kind.title, kind.status, self.detail, self.errors)
        return _response(problem, self.headers)


def responses(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """The description of responses of these kinds, as FastAPI takes it."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for kind in (INTERNAL, *kinds):
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        described = by_status.setdefault(kind.status, {"description": "", "content": content})
        described["description"] += ("; " if described["description"] else "") + f"{kind.name}: {kind.title}"
        if kind is TOO_MANY_REQUESTS:
            described["headers"] = {
                "Retry-After": {"description": "seconds to wait", "schema": {"type": "integer", "minimum": 1}}
            }
    return by_status


def as_problem(error: Exception) -> ProblemError | None:
    """A reader's error as a problem; None for any other."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, ReadError):
        kind = next((kind for cls, kind in _KIND_OF.items() if isinstance(error, cls)), STORE_UNAVAILABLE)
        return ProblemError(kind, str(error))
    return None


_KIND_OF: dict[type[ReadError], Kind] = {
    UnknownGroup: UNKNOWN_TAG_GROUP,
    PurposeRefused: PURPOSE_REFUSED,
    RawIdentifier: RAW_IDENTIFIER,
    RedisTooSlow: STORE_SLOW,
    CatalogueMissing: NO_CATALOGUE,
    DamagedProfileError: DAMAGED_PROFILE,
}


def install(app: FastAPI) -> None:
    """Have the application answer every error with a problem."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plain)
    app.add_middleware(_Problems)
    app.include_router(_router)


_router = APIRouter(include_in_schema=False)


@_router.get("/problems/{kind}")
async def problem_kind(kind: str) -> Response:
    """What a kind of problem means."""
    known = KINDS.get(kind)
    if known is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return Response(msgspec.json.encode(known), media_type="application/json")


class _Problems:
    """Answers errors of routes, and logs unforeseen ones by their kind and place: their text could name a person."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if started:
                # all that can be done is to break the connection off; the server logs what is raised
                raise RuntimeError(_place(error)) from None
            problem = as_problem(error)
            if problem is None:
                _log.error("a request ended with a defect: %s", _place(error))
                problem = ProblemError(INTERNAL, "please report it; the server's log says where it was")
            await problem.response()(scope, receive, send)


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno}" if trace is not None else "?"
    return f"{type(error).__name__} in {where}"


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # neither the input nor the message's own context, which may repeat it
    errors = [{"at": ".".join(map(str, each["loc"])), "expected": str(each["msg"])} for each in error.errors()]
    return ProblemError(INVALID_REQUEST, "expected what /openapi.json describes", errors=errors).response()


async def _plain(request: Request, error: Exception) -> Response:
    """A path or method that is not there, a body too large: a status says it all."""
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    return _response(Problem("about:blank", title, error.status_code), error.headers)


def _response(problem: Problem, headers: Mapping[str, str] | None) -> Response:
    return Response(msgspec.json.encode(problem), problem.status, dict(headers or {}), media_type=MEDIA_TYPE)
