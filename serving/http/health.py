"""Route of the health of what stands behind: no key needed, and it tells nothing but that."""

from __future__ import annotations

import logging
import time

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from serving.health import Health
from serving.http.documents import StoreHealth, answer, described
from serving.http.problems import ProblemError, responses
from serving.http.profiles import TheServices
from serving.http.services import Services

_log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1/health", tags=["health"], default_response_class=JSONResponse)

_WELL = {
    "ok": True,
    "redis": {"ok": True, "latency_ms": 0.4, "groups": 75, "problem": ""},
    "history": {"ok": True, "latency_ms": 2.1, "groups": 0, "problem": ""},
}
_ILL = {
    "ok": False,
    "redis": {"ok": False, "latency_ms": 0.2, "groups": 0, "problem": "Redis does not answer"},
    "history": {"ok": True, "latency_ms": 2.1, "groups": 0, "problem": ""},
}


@router.get(
    "",
    response_model=None,
    responses={
        200: described(StoreHealth, "everything can be read", _WELL),
        503: described(StoreHealth, "Redis or ClickHouse can't be read", _ILL),
        **{status: told for status, told in responses().items() if status != 503},
    },
)
async def health(known: TheServices) -> Response:
    """Whether profiles, and the history, can be read now."""
    redis = await known.profiles.health()
    if redis.problem:
        # the text has the store's address, which is nobody's business without a key
        _log.warning("%s", redis.problem)
        redis = Health(False, redis.latency_ms, problem="Redis can't be read; the server's own log says why")
    history = await _history(known)
    found = StoreHealth(redis.ok and history.ok, redis, history)
    return answer(found, 200 if found.ok else 503)


async def _history(known: Services) -> Health:
    began = time.perf_counter()
    try:
        await known.ask_history(lambda history: history.command("SELECT 1"))
    except ProblemError as problem:
        return Health(False, (time.perf_counter() - began) * 1_000, problem=problem.detail)
    return Health(True, (time.perf_counter() - began) * 1_000)
