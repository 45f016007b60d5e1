"""The application over HTTP: profiles, and whatever routers are put beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from msgspec import Struct

from schemas.settings import Settings
from serving.async_client import AsyncProfileClient
from serving.http import as_of, catalogue, health, profiles, tags
from serving.http.api_keys import KeyRing
from serving.http.caller import LOCAL_READER
from serving.http.documents import DOCUMENTS, schemas
from serving.http.problems import install
from serving.http.services import HISTORY_THREADS, Services

ROUTERS: tuple[APIRouter, ...] = (
    profiles.router,
    tags.router,
    as_of.router,
    catalogue.router,
    health.router,
)

_DESCRIPTION = """Time-decayed tags of persons, by pseudonym.

Every request about people says what the tags are used for (`Livetags-Purpose`), gets tag groups of that purpose only,
and leaves a record in the audit trail. Errors are problem details as of RFC 9457. Weights are decayed to now;
`half_life_ms` says how fast they go on."""


def make_app(
    settings: Settings,
    *,
    keys_file: Path,
    history: Callable[[], Client],
    routers: Sequence[APIRouter] = ROUTERS,
    documents: Sequence[type[Struct]] = DOCUMENTS,
) -> FastAPI:
    """The application.

    Parameters
    ----------
    settings
        With the stores' real URLs.
    keys_file
        File of the API keys; while there is none, only this machine is served, and no key is asked for.
    history
        Makes or hands out the client of ClickHouse; called in a thread, when it is needed. May raise what that client
        raises, an OSError or a RuntimeError.
    routers
        What is served; `ROUTERS` and more.
    documents
        That the routers' descriptions refer to; `DOCUMENTS` and more.

    Raises
    ------
    KeyFileError
        When the file of the keys is there and can't be read.
    """
    keys = KeyRing(keys_file)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        client = AsyncProfileClient(
            settings.redis_url.get_secret_value(),
            reader=LOCAL_READER,
            purpose="service",
            prefix=settings.redis_key_prefix,
            timeout_s=settings.read_timeout_s,
            weight_floor=settings.weight_floor,
            kept_records=settings.audit_kept_records,
        )
        threads = ThreadPoolExecutor(HISTORY_THREADS, "history")
        async with client:
            app.state.services = Services(settings, client, keys, history, threads)
            yield
        threads.shutdown(wait=False, cancel_futures=True)

    app = FastAPI(
        title="livetags",
        version=version("livetags"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        # the pages would load their scripts from elsewhere
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # a span's URL names a person
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    for router in routers:
        app.include_router(router)
    install(app)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            described = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            described.setdefault("components", {}).setdefault("schemas", {}).update(schemas(documents))
            app.openapi_schema = described
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app
