"""The commands about readers over HTTP, and what the API does as a process of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from api_process import running_api

from livetags.cli_api import api_key_app
from sinks.redis_hot import RedisHotSink
from udfs.tags import GROUPS

Command = Callable[..., tuple[int, str, str]]

ADD = ("api-key", "add", "crm", "--purpose", "marketing", "--purpose", "service", "--people-per-s", "7")


@pytest.mark.parametrize(
    "words",
    [
        ("api",),
        ("audit",),
        *(("api-key", c.name or c.callback.__name__) for c in api_key_app.registered_commands if c.callback),
    ],
    ids=" ".join,
)
def test_every_command_has_help_with_an_example(livetags: Command, words: tuple[str, ...]) -> None:
    code, out, _ = livetags(*words, "--help")
    assert code == 0
    assert "Examples:" in out
    assert f"  livetags {' '.join(words)}" in out


def test_a_key_is_shown_once_listed_and_withdrawn(livetags: Command, tmp_path: Path) -> None:
    code, token, told = livetags(*ADD)
    assert code == 0
    token = token.strip()
    [listed] = json.loads(livetags("api-key", "list", "--json")[1])
    assert token.startswith(f"lt_{listed['id']}_")
    assert (listed["reader"], listed["purposes"], listed["people_per_s"]) == ("crm", ["marketing", "service"], 7.0)
    assert not listed["sensitive"]
    secret = token.rpartition(f"{listed['id']}_")[2]
    assert secret not in (tmp_path / "data" / "api-keys.json").read_text() + told + livetags("api-key", "list")[1]
    assert livetags("api-key", "remove", listed["id"])[0] == 0
    assert livetags("api-key", "remove", listed["id"])[0] == 1
    assert json.loads(livetags("api-key", "list", "--json")[1]) == []


def test_a_key_for_nothing_there_is_refused(livetags: Command) -> None:
    code, out, told = livetags("api-key", "add", "crm", "--purpose", "fun")
    assert (code, out) == (2, "")
    assert "expected one or more of service" in told


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_other_machines_are_not_served_without_keys(
    livetags: Command, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("LIVETAGS_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("LIVETAGS_CLICKHOUSE_URL", "http://127.0.0.1:1")
    for _ in range(2):
        code, _, told = livetags("api", "--host", host)
        assert code == 2
        assert f"--host {host} is not loopback, and there are no API keys" in told
        # the second time with a file that has none
        livetags(*ADD)
        [key] = json.loads(livetags("api-key", "list", "--json")[1])
        livetags("api-key", "remove", key["id"])


def test_a_certificate_needs_its_key(livetags: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIVETAGS_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("LIVETAGS_CLICKHOUSE_URL", "http://127.0.0.1:1")
    file = tmp_path / "cert.pem"
    file.write_text("")
    code, _, told = livetags("api", "--certificate", str(file))
    assert code == 2
    assert "go together" in told


@pytest.mark.parametrize("certified", [False, True])
def test_other_machines_without_a_certificate_are_worth_a_warning(
    livetags: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certified: bool
) -> None:
    monkeypatch.setenv("LIVETAGS_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("LIVETAGS_CLICKHOUSE_URL", "http://127.0.0.1:1")
    livetags(*ADD)
    files = [tmp_path / name for name in ("cert.pem", "key.pem")]
    for file in files:
        file.write_text("")
    certificate = ("--certificate", str(files[0]), "--private-key", str(files[1])) if certified else ()
    # an address of documents, which no machine has: it warns, and then can't listen
    code, _, told = livetags("api", "--host", "192.0.2.7", "--port", "0", *certificate)
    assert code != 0
    assert ("travel in the clear" in told) is not certified


@pytest.mark.stores
def test_the_api_serves_logs_no_person_and_its_reads_are_shown(
    livetags: Command, monkeypatch: pytest.MonkeyPatch, valkey: str, prefix: str, tmp_path: Path
) -> None:
    sink = RedisHotSink(valkey, prefix, 5.0, 10.0)
    sink.open({group.name: group.half_life_ms for group in GROUPS.values()}, GROUPS.values())
    sink.close()
    monkeypatch.setenv("LIVETAGS_REDIS_URL", valkey)
    monkeypatch.setenv("LIVETAGS_REDIS_KEY_PREFIX", prefix)
    monkeypatch.setenv("LIVETAGS_CLICKHOUSE_URL", "http://127.0.0.1:1")
    with running_api(tmp_path) as url, httpx.Client(base_url=f"{url}/v1/profiles") as client:
        sent = {"Livetags-Purpose": "service"}
        assert client.get("/p.secret", headers=sent).status_code == 404
        assert client.get("/13800000001", headers=sent).status_code == 422
        # a key that is made while it runs is asked for from then on
        keyed = {"Authorization": f"Bearer {livetags(*ADD)[1].strip()}", "Livetags-Purpose": "marketing"}
        time.sleep(1.1)
        assert client.get("/p.secret", headers=sent).status_code == 401
        assert client.get("/p.secret", headers=keyed).status_code == 404
        [key] = json.loads(livetags("api-key", "list", "--json")[1])
        livetags("api-key", "remove", key["id"])
        time.sleep(1.1)
        assert client.get("/p.secret", headers=keyed).status_code == 401
    log = (tmp_path / "api.log").read_text()
    assert f"{url}/v1/profiles, described in {url}/openapi.json; this machine only" in log
    assert "p.secret" not in log
    assert "13800000001" not in log
    code, shown, _ = livetags("audit")
    assert code == 0
    assert "p.secret" not in shown
    assert "0 older records are no longer kept" in shown
    [read] = json.loads(livetags("audit", "--json", "--reader", "crm")[1])
    assert (read["reader"], read["purpose"], read["operation"], read["users"]) == (
        *("crm", "marketing", "profile"),
        ["p.secret"],
    )
    assert livetags("audit", "--reader", "nobody")[0] == 1
