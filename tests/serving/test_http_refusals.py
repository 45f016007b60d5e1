"""What HTTP refuses, and how it says so, with no store: keys, purposes, other machines, bad requests."""

from __future__ import annotations

import json
import logging
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from served import api_settings, no_history, served

from livetags.api_key_file import write_api_keys
from serving.http.api_keys import new_key
from serving.http.app import ROUTERS
from serving.http.problems import KINDS

USER = "p.SecretSecretSecret00"


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def token(keys_file: Path) -> str:
    """A key for marketing and service, ten people a second, nothing sensitive."""
    token, key = new_key("crm", ("marketing", "service"), 10.0, "2026-01-01", sensitive=False)
    write_api_keys(keys_file, [key])
    return token


def problem(response: httpx.Response, kind: str) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert found["type"] == f"/problems/{kind}", found
    assert found["status"] == response.status_code == KINDS[kind].status
    assert found["title"] == KINDS[kind].title
    return found


def test_a_key_is_asked_for_as_soon_as_there_is_one(keys_file: Path, token: str) -> None:
    with served(api_settings(), keys_file) as client:
        for authorization in ("", "Bearer", "Bearer x", f"Basic {token}", f"Bearer {token}x", token):
            refused = client.get(f"/v1/profiles/{USER}", headers={"Authorization": authorization})
            assert problem(refused, "no-key")["detail"].startswith("expected the header")
            assert refused.headers["www-authenticate"] == "Bearer"
        assert client.get("/v1/catalogue").status_code == 401
        assert client.post("/v1/profiles", json={"users": [USER]}).status_code == 401
        assert client.get("/v1/health").status_code == 503, "of health nobody needs one"


def test_the_purpose_is_one_of_the_keys(keys_file: Path, token: str) -> None:
    with served(api_settings(), keys_file, Authorization=f"Bearer {token}") as client:

        def ask(**headers: str) -> httpx.Response:
            return client.get(
                f"/v1/profiles/{USER}", headers={name.replace("_", "-"): value for name, value in headers.items()}
            )

        assert "marketing, service" in problem(ask(), "purpose-missing")["detail"]
        problem(ask(Livetags_Purpose="credit_risk"), "purpose-not-of-key")
        problem(ask(Livetags_Purpose="fun"), "invalid-request")
        problem(ask(Livetags_Purpose="marketing", Livetags_Sensitive="true"), "sensitive-not-of-key")
        problem(ask(Livetags_Purpose="marketing", Livetags_Sensitive="perhaps"), "invalid-request")
        # all is well but for the store
        problem(ask(Livetags_Purpose="marketing"), "store-unavailable")


def test_a_key_with_one_purpose_need_not_say_it(keys_file: Path) -> None:
    token, key = new_key("crm", ("marketing",), 10.0, "", sensitive=True)
    write_api_keys(keys_file, [key])
    with served(api_settings(), keys_file, Authorization=f"Bearer {token}") as client:
        problem(client.get(f"/v1/profiles/{USER}"), "store-unavailable")
        problem(client.get(f"/v1/profiles/{USER}", headers={"Livetags-Sensitive": "true"}), "store-unavailable")


@pytest.mark.parametrize(
    ("address", "base_url"),
    [
        ("192.0.2.7", "http://127.0.0.1"),
        ("127.0.0.1", "http://evil.example"),  # a page whose name was made to lead here
        ("127.0.0.1", "http://evil.example:8480"),
        ("::ffff:192.0.2.7", "http://localhost"),
        ("no address", "http://localhost"),
    ],
)
def test_without_keys_only_this_machine_is_served(keys_file: Path, address: str, base_url: str) -> None:
    with served(api_settings(), keys_file, address=address, base_url=base_url, Livetags_Purpose="marketing") as client:
        problem(client.get(f"/v1/profiles/{USER}"), "not-loopback")
        problem(client.get("/v1/catalogue"), "not-loopback")


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8480", "http://localhost", "http://[::1]:8480", "http://[::1]"])
@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_on_this_machine_the_purpose_is_enough(keys_file: Path, address: str, base_url: str) -> None:
    with served(api_settings(), keys_file, address=address, base_url=base_url) as client:
        problem(client.get(f"/v1/profiles/{USER}"), "purpose-missing")
        sent = {"Livetags-Purpose": "marketing", "Livetags-Sensitive": "true"}
        problem(client.get(f"/v1/profiles/{USER}", headers=sent), "store-unavailable")


def test_more_people_than_the_key_allows_have_to_wait(keys_file: Path, token: str) -> None:
    sent = {"Authorization": f"Bearer {token}", "Livetags_Purpose": "marketing"}
    with served(api_settings(), keys_file, **sent) as client:
        many = {"users": [f"p.{n}" for n in range(500)]}
        problem(client.post("/v1/profiles", json=many), "store-unavailable")
        refused = client.get(f"/v1/profiles/{USER}")
        problem(refused, "too-many-requests")
        assert 45 <= int(refused.headers["retry-after"]) <= 49


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/profiles/13800000001", "raw-identifier"),
        ("/v1/profiles/13800000001/tags?name=content:a", "raw-identifier"),
        ("/v1/profiles/13800000001/has?tag=content:a", "raw-identifier"),
        ("/v1/profiles/13800000001/as-of?at=2025-12-01T00:00:00Z", "raw-identifier"),
        ("/v1/profiles/a%20b", "raw-identifier"),
        (f"/v1/profiles/{USER}/tags", "invalid-request"),
        (f"/v1/profiles/{USER}/tags?" + "&".join(["name=content:a"] * 101), "invalid-request"),
        (f"/v1/profiles/{USER}/has", "invalid-request"),
        (f"/v1/profiles/{USER}/has?tag=content:a&above=nan", "invalid-request"),
        (f"/v1/profiles/{USER}/has?tag=content:a&above=much", "invalid-request"),
        (f"/v1/profiles/{USER}/as-of", "invalid-request"),
        (f"/v1/profiles/{USER}/as-of?at=yesterday", "invalid-request"),
        (f"/v1/profiles/{USER}/as-of?at=2025-12-01T00:00:00", "invalid-request"),
        (f"/v1/profiles/{USER}/as-of?at=1969-12-01T00:00:00Z", "invalid-request"),
        (f"/v1/profiles/{USER}/as-of?at=9999-12-31T23:59:59-23:59", "invalid-request"),
        (f"/v1/profiles/{USER}/as-of?at=2925-12-01T00:00:00Z", "invalid-request"),
    ],
)
def test_a_bad_request_is_a_problem_that_repeats_nothing(keys_file: Path, path: str, kind: str) -> None:
    with served(api_settings(), keys_file, Livetags_Purpose="marketing") as client:
        refused = client.get(path)
    problem(refused, kind)
    for sent in ("13800000001", "much", "yesterday", USER):
        assert sent not in refused.text


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "malformed-json"),
        (b"{", "malformed-json"),
        (b"\xff", "malformed-json"),
        (b"[]", "invalid-request"),
        (b"{}", "invalid-request"),
        (b'{"users": []}', "invalid-request"),
        (b'{"users": [5]}', "invalid-request"),
        (b'{"users": ["secret"], "more": 1}', "invalid-request"),
        (json.dumps({"users": ["a"] * 1_001}).encode(), "invalid-request"),
        (b'{"users": ["secret", "13800000001"]}', "raw-identifier"),
    ],
)
def test_a_bad_body_is_a_problem_that_repeats_nothing(keys_file: Path, body: bytes, kind: str) -> None:
    with served(api_settings(), keys_file, Livetags_Purpose="marketing") as client:
        refused = client.post("/v1/profiles", content=body)
    problem(refused, kind)
    assert "secret" not in refused.text
    assert "13800000001" not in refused.text


def test_a_body_that_is_too_large_is_not_read(keys_file: Path) -> None:
    with served(api_settings(), keys_file, Livetags_Purpose="marketing") as client:
        problem(client.post("/v1/profiles", content=b"[" * 300_000), "too-large")
        problem(client.post("/v1/profiles", content=(b"[" * 1_000 for _ in range(300))), "too-large")


def test_paths_and_methods_that_are_not_there_are_problems_too(keys_file: Path) -> None:
    with served(api_settings(), keys_file) as client:
        for method, path, status in (
            ("GET", "/", 404),
            ("GET", "/v1/profiles/a/b/c", 404),
            ("DELETE", f"/v1/profiles/{USER}", 405),
            ("GET", "/docs", 404),
        ):
            refused = client.request(method, path)
            assert refused.status_code == refused.json()["status"] == status
            assert refused.headers["content-type"] == "application/problem+json"
        assert client.request("DELETE", f"/v1/profiles/{USER}").headers["allow"] == "GET"


def test_every_kind_of_problem_tells_what_it_means(keys_file: Path) -> None:
    with served(api_settings(), keys_file) as client:
        for kind, known in KINDS.items():
            told = {"name": kind, "status": known.status, "title": known.title}
            assert client.get(f"/problems/{kind}").json() == told
        assert client.get("/problems/none").status_code == 404


def test_health_tells_what_is_away_and_no_address(keys_file: Path) -> None:
    with served(api_settings(), keys_file, no_history) as client:
        found = client.get("/v1/health")
    assert found.status_code == 503
    assert (found.json()["ok"], found.json()["redis"]["ok"], found.json()["history"]["ok"]) == (False, False, False)
    assert "127.0.0.1" not in found.text
    assert "secret" not in found.text


def test_a_defect_is_a_problem_and_its_text_reaches_neither_caller_nor_log(
    keys_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        msg = "about the secret person"
        raise ZeroDivisionError(msg)

    monkeypatch.setattr("serving.async_client.AsyncProfileClient.profile", broken)
    with (
        caplog.at_level(logging.DEBUG),
        served(api_settings(), keys_file, Livetags_Purpose="marketing") as client,
    ):
        refused = client.get(f"/v1/profiles/{USER}")
    problem(refused, "internal")
    assert "secret" not in refused.text + caplog.text
    assert USER not in caplog.text.replace(f'http://127.0.0.1/v1/profiles/{USER} "HTTP', "")  # the test's own client
    assert "ZeroDivisionError in " in caplog.text
    assert "broken" in caplog.text


def test_the_description_is_whole(keys_file: Path) -> None:
    with served(api_settings(), keys_file) as client:
        described = client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    text = json.dumps(described)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in described["components"]["schemas"], name
    for path, item in described["paths"].items():
        for method, operation in item.items():
            assert operation["description"], (method, path)
            answer = operation["responses"]["200"]["content"]["application/json"]
            assert answer["example"], (method, path)
            assert "HTTPValidationError" not in json.dumps(operation)


def test_nothing_of_a_route_runs_in_a_thread() -> None:
    """A plain function would be handed to a thread at every request; ClickHouse is asked in threads of our own."""

    def called(dependant: Dependant) -> list[Any]:
        return [dependant.call, *(call for inner in dependant.dependencies for call in called(inner))]

    def in_thread(call: Any) -> bool:
        return not iscoroutinefunction(call) and not iscoroutinefunction(type(call).__call__)

    routes = [route for router in ROUTERS for route in router.routes]
    for route in routes:
        assert isinstance(route, APIRoute)
        assert [call for call in called(route.dependant) if in_thread(call)] == []
