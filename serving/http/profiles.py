"""Routes of hot profiles: one person, or many at once."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import JSONResponse

from serving.hot_view import HotView
from serving.http.caller import CALLER_PROBLEMS, TheCaller
from serving.http.documents import PSEUDONYM_SCHEMA, Asked, Profiles, answer, body_described, body_of, described
from serving.http.problems import (
    DAMAGED_PROFILE,
    ERASED,
    MALFORMED_JSON,
    NO_CATALOGUE,
    NO_PROFILE,
    RAW_IDENTIFIER,
    STORE_SLOW,
    STORE_UNAVAILABLE,
    TOO_LARGE,
    ProblemError,
    responses,
)
from serving.http.services import Services, services

User = Annotated[str, Path(json_schema_extra=PSEUDONYM_SCHEMA)]
TheServices = Annotated[Services, Depends(services)]

STORE_PROBLEMS = (RAW_IDENTIFIER, STORE_UNAVAILABLE, STORE_SLOW, NO_CATALOGUE, DAMAGED_PROFILE)

_PERSON: dict[str, Any] = {
    "user": "p.AbCdEfGhIjKlMnOpQrSt",
    "generation": 1,
    "n": 1742,
    "as_of_ms": 1767225600000,
    "tags": [
        {
            "tag": "content:property",
            "weight": 7.4,
            "mean": None,
            "std": None,
            "last_evidence_ms": 1767225540000,
            "half_life_ms": 1209600000,
        }
    ],
    "other": {},
    "reason": "since 2025-12-20: more content:property, less content:news",
    "changed_ms": 1766188800000,
    "presence": "present",
    "newest_event_ms": 1767225540000,
    "erased_ms": 0,
}
_NOBODY = _PERSON | {"user": "p.ZzZzZzZzZzZzZzZzZzZz", "presence": "absent", "tags": [], "generation": 0, "n": 0}

router = APIRouter(prefix="/v1/profiles", tags=["profiles"], default_response_class=JSONResponse)


@router.get(
    "/{user}",
    response_model=None,
    responses={
        200: described(HotView, "the tags of the caller's purpose, decayed to now", _PERSON),
        **responses(NO_PROFILE, ERASED, *CALLER_PROBLEMS, *STORE_PROBLEMS),
    },
)
async def profile(user: User, who: TheCaller, known: TheServices) -> Response:
    """A person's profile now.

    Only tags of the purpose stated, decayed to now, heaviest first. The read leaves a record in the audit trail.
    """
    who.charge(1)
    view = await known.reading_as(who.reader).profile(user)
    if view.presence == "absent":
        raise ProblemError(NO_PROFILE, "never seen, faded, or moved to the person the identifier belongs to")
    if view.presence == "erased":
        raise ProblemError(ERASED, "forget whatever you hold of this person")
    return answer(view)


@router.post(
    "",
    response_model=None,
    responses={
        200: described(Profiles, "a view of everybody who was asked for", {"profiles": [_PERSON, _NOBODY]}),
        **responses(MALFORMED_JSON, TOO_LARGE, *CALLER_PROBLEMS, *STORE_PROBLEMS),
    },
    openapi_extra=body_described(Asked, {"users": ["p.AbCdEfGhIjKlMnOpQrSt", "p.ZzZzZzZzZzZzZzZzZzZz"]}),
)
async def profiles(request: Request, who: TheCaller, known: TheServices) -> Response:
    """Profiles of up to 1,000 people now, in one trip to the store.

    As of one person; who has no profile is in the answer, with `presence` absent or erased.
    """
    asked = await body_of(request, Asked)
    who.charge(len(asked.users))
    found = await known.reading_as(who.reader).profiles(asked.users)
    return answer(Profiles(list(found.values())))
