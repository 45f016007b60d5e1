"""Routes of single tags: those of given names, and whether a person has one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from serving.http.caller import CALLER_PROBLEMS, TheCaller
from serving.http.documents import Has, Tags, answer, described
from serving.http.problems import (
    PURPOSE_REFUSED,
    UNKNOWN_TAG_GROUP,
    responses,
)
from serving.http.profiles import STORE_PROBLEMS, TheServices, User

_MAX_NAMES = 100

Tag = Annotated[str, Query(max_length=256, description="<group>:<name>", examples=["content:property"])]

router = APIRouter(prefix="/v1/profiles/{user}", tags=["profiles"], default_response_class=JSONResponse)

_PROBLEMS = responses(UNKNOWN_TAG_GROUP, PURPOSE_REFUSED, *CALLER_PROBLEMS, *STORE_PROBLEMS)


@router.get(
    "/tags",
    response_model=None,
    responses={
        200: described(
            Tags,
            "those of the tags that the person has; none of a person without a profile",
            {
                "user": "p.AbCdEfGhIjKlMnOpQrSt",
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
            },
        ),
        **_PROBLEMS,
    },
)
async def tags(
    user: User,
    name: Annotated[
        list[Tag], Query(min_length=1, max_length=_MAX_NAMES, description="tags, <group>:<name>; may repeat")
    ],
    who: TheCaller,
    known: TheServices,
) -> Response:
    """Tags of a person by name, decayed to now."""
    who.charge(1)
    found = await known.reading_as(who.reader).tags(user, name)
    return answer(Tags(user, list(found.values())))


@router.get(
    "/has",
    response_model=None,
    responses={
        200: described(
            Has,
            "whether the person has it; false of a person without a profile",
            {"user": "p.AbCdEfGhIjKlMnOpQrSt", "tag": "content:property", "above": 0.6, "has": True},
        ),
        **_PROBLEMS,
    },
)
async def has(
    user: User,
    tag: Tag,
    who: TheCaller,
    known: TheServices,
    above: Annotated[float, Query(allow_inf_nan=False, description="the least weight that counts")] = 0.0,
) -> Response:
    """Whether a person has a tag with a weight of `above` or more now."""
    who.charge(1)
    found = await known.reading_as(who.reader).has(user, tag, above)
    return answer(Has(user, tag, above, found))
