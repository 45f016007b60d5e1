"""What is sent and answered over HTTP, and its description in OpenAPI: the readers' own types, encoded by msgspec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from msgspec import Meta, Struct

from serving.health import Health
from serving.hot_view import HotView
from serving.http.problems import (
    INVALID_REQUEST,
    MALFORMED_JSON,
    TOO_LARGE,
    Problem,
    ProblemError,
)
from serving.pseudonym import PSEUDONYM_PATTERN, RAW_PATTERN
from serving.reads import MAX_USERS
from serving.tag_view import TagView

T = TypeVar("T")

MAX_BODY_BYTES = 262_144
"""Three times what 1,000 pseudonyms need."""

PSEUDONYM_SCHEMA = {
    "type": "string",
    "pattern": PSEUDONYM_PATTERN,
    "not": {"pattern": RAW_PATTERN},
    "description": "pseudonym of a person; never a phone number, IMSI or account",
    "examples": ["p.AbCdEfGhIjKlMnOpQrSt"],
}


class Asked(Struct, forbid_unknown_fields=True):
    """Whose profiles are asked for at once."""

    users: Annotated[
        list[Annotated[str, Meta(extra_json_schema=PSEUDONYM_SCHEMA)]],
        Meta(min_length=1, max_length=MAX_USERS, description="each person once is enough"),
    ]


class Profiles(Struct):
    """A view of everybody who was asked for, in that order; `presence` says who has no profile."""

    profiles: list[HotView]


class Tags(Struct):
    """Those of the tags asked for that the person has, heaviest first."""

    user: str
    tags: list[TagView]


class Has(Struct):
    """Whether the person has the tag with that weight or more now."""

    user: str
    tag: str
    above: float
    has: bool


class PastTags(Struct):
    """Every tag of the person as it stood then, heaviest first."""

    user: str
    at_ms: int
    tags: list[TagView]


class CatalogueEntry(Struct):
    """A tag group. `readable`: whether its tags are for one of the key's purposes."""

    name: str
    kind: str
    unit: str
    half_life_ms: int
    meaning: str
    family: str
    sources: list[str]
    purpose: str
    sensitivity: str
    version: int
    tags: list[str]
    more_tags: str
    readable: bool


class Catalogue(Struct):
    """The tag groups as published; the version rises with each publication."""

    version: int
    groups: list[CatalogueEntry]


class StoreHealth(Struct):
    """Whether profiles, and the history, can be read now."""

    ok: bool
    redis: Health
    history: Health


DOCUMENTS: tuple[type[Struct], ...] = (HotView, Asked, Profiles, Tags, Has, PastTags, Catalogue, StoreHealth, Problem)


def schemas(documents: Sequence[type[Struct]]) -> dict[str, Any]:
    """JSON schemas of the documents, for the components of an OpenAPI description."""
    _, found = msgspec.json.schema_components(documents, ref_template="#/components/schemas/{name}")
    return found


def answer(document: Struct, status: int = 200) -> Response:
    """The document as a response."""
    return Response(msgspec.json.encode(document), status, media_type=JSONResponse.media_type)


def described(document: type[Struct], description: str, example: Any) -> dict[str, Any]:
    """A response with the document, as FastAPI takes its description."""
    content = {"schema": {"$ref": f"#/components/schemas/{document.__name__}"}, "example": example}
    return {"description": description, "content": {"application/json": content}}


def body_described(document: type[Struct], example: Any) -> dict[str, Any]:
    """A request's body with the document, as FastAPI takes its description."""
    content = {"schema": {"$ref": f"#/components/schemas/{document.__name__}"}, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


async def body_of(request: Request, document: type[T]) -> T:
    """The request's body as the document.

    Raises
    ------
    ProblemError
        When it is none.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ProblemError(TOO_LARGE, f"expected {MAX_BODY_BYTES:,} bytes at most: ask in parts")
    try:
        return msgspec.json.decode(body, type=document)
    except msgspec.ValidationError as error:
        # the text says where and what was expected, and of what was sent only its kind
        errors = [{"at": "body", "expected": str(error)}]
        raise ProblemError(INVALID_REQUEST, "expected what /openapi.json describes", errors=errors) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ProblemError(MALFORMED_JSON, "expected a JSON document in UTF-8") from None
