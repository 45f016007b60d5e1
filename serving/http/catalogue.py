"""Route of the catalogue: which tag groups there are, and what for."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from schemas.published_group import PublishedGroup
from serving.http.caller import Holder, key_holder
from serving.http.documents import Catalogue, CatalogueEntry, answer, described
from serving.http.problems import (
    NO_CATALOGUE,
    NO_KEY,
    NOT_LOOPBACK,
    STORE_SLOW,
    STORE_UNAVAILABLE,
    responses,
)
from serving.http.profiles import TheServices
from serving.reader import Reader

router = APIRouter(prefix="/v1/catalogue", tags=["catalogue"], default_response_class=JSONResponse)


@router.get(
    "",
    response_model=None,
    responses={
        200: described(
            Catalogue,
            "every tag group as published by the job",
            {
                "version": 3,
                "groups": [
                    {
                        "name": "content",
                        "kind": "weight",
                        "unit": "visits",
                        "half_life_ms": 1209600000,
                        "meaning": "Interests, by category of app or site.",
                        "family": "content",
                        "sources": ["dpi"],
                        "purpose": "profiling",
                        "sensitivity": "personal",
                        "version": 1,
                        "tags": [],
                        "more_tags": "categories",
                        "readable": True,
                    }
                ],
            },
        ),
        **responses(NO_KEY, NOT_LOOPBACK, STORE_UNAVAILABLE, STORE_SLOW, NO_CATALOGUE),
    },
)
async def catalogue(holder: Annotated[Holder, Depends(key_holder)], known: TheServices) -> Response:
    """The tag groups: meaning, unit, half-life, purpose, sensitivity. No personal data, so no purpose is asked for."""
    found = await known.profiles.catalogue()
    readers = [Reader(holder.name, purpose, holder.sensitive) for purpose in holder.purposes]
    entries = [
        _entry(name, group, any(reader.may_read(group) for reader in readers))
        for name, group in sorted(found.groups.items())
    ]
    return answer(Catalogue(found.version, entries))


def _entry(name: str, group: PublishedGroup, readable: bool) -> CatalogueEntry:
    return CatalogueEntry(
        name=name,
        kind=group.kind,
        unit=group.unit,
        half_life_ms=group.half_life_ms,
        meaning=group.meaning,
        family=group.family,
        sources=list(group.sources),
        purpose=group.purpose,
        sensitivity=group.sensitivity,
        version=group.version,
        tags=list(group.tags),
        more_tags=group.more_tags,
        readable=readable,
    )
