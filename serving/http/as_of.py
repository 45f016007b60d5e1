"""Route of a profile as of a past time, from ClickHouse."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from msgspec import Meta

from serving.history import profile_as_of
from serving.http.caller import CALLER_PROBLEMS, TheCaller
from serving.http.documents import PastTags, answer, described
from serving.http.problems import (
    ERASED,
    INVALID_REQUEST,
    ProblemError,
    responses,
)
from serving.http.profiles import STORE_PROBLEMS, TheServices, User
from serving.redis_pool import now_ms

router = APIRouter(prefix="/v1/profiles/{user}", tags=["profiles"], default_response_class=JSONResponse)

_Instant = Annotated[datetime, Meta(tz=True)]


@router.get(
    "/as-of",
    response_model=None,
    responses={
        200: described(
            PastTags,
            "the tags of the caller's purpose as they stood then; none of who had none",
            {
                "user": "p.AbCdEfGhIjKlMnOpQrSt",
                "at_ms": 1764547200000,
                "tags": [
                    {
                        "tag": "content:news",
                        "weight": 12.25,
                        "mean": None,
                        "std": None,
                        "last_evidence_ms": 1764547080000,
                        "half_life_ms": 1209600000,
                    }
                ],
            },
        ),
        **responses(ERASED, *CALLER_PROBLEMS, *STORE_PROBLEMS),
    },
)
async def as_of(
    user: User,
    at: Annotated[
        str,
        Query(
            description="the instant, as of RFC 3339 with its offset from UTC; from 1970 up to now",
            json_schema_extra={"format": "date-time"},
            examples=["2025-12-01T00:00:00Z"],
        ),
    ],
    who: TheCaller,
    known: TheServices,
) -> Response:
    """A person's profile as it stood at a past time, recomputed from the history.

    Evidence after that time does not count. What a person has since withdrawn consent to, or had erased, is not there.
    """
    at_ms = _past_ms(at)
    who.charge(1)
    client = known.reading_as(who.reader)
    # the record comes before the read here too
    if await client.erased_ms(user, "as_of") > at_ms:
        raise ProblemError(ERASED, "the person was erased after that time: nothing from before is held")
    readable = (await client.catalogue()).readable(who.reader)
    database, floor = known.settings.clickhouse_database, known.settings.weight_floor
    found = await known.ask_history(lambda history: profile_as_of(history, database, user, at_ms, floor))
    mine = [view for view in found.values() if view.tag.partition(":")[0] in readable]
    return answer(PastTags(user, at_ms, sorted(mine, key=lambda view: (-view.weight, view.tag))))


def _past_ms(text: str) -> int:
    try:
        at_ms = round(msgspec.convert(text, _Instant).timestamp() * 1_000)
    except (msgspec.ValidationError, OverflowError):
        at_ms = -1
    if not 0 <= at_ms <= now_ms():
        errors = [{"at": "query.at", "expected": "a time such as 2025-12-01T00:00:00Z, from 1970 up to now"}]
        raise ProblemError(INVALID_REQUEST, "expected a past time", errors=errors)
    return at_ms
