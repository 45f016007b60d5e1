"""The commands about readers over HTTP, and what the API does as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from api_process import running_api
from store_servers import ROOT

from sinks.redis_hot import RedisHotSink
from udfs.tags import GROUPS


def livetags(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LIVETAGS_DATA_DIR": str(folder)}
    environment |= {f"LIVETAGS_{name}".upper(): value for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-c", "from livetags.cli import main; main()", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_key_is_shown_once_listed_and_withdrawn(tmp_path: Path) -> None:
    made = livetags(
        tmp_path,
        *("api-key", "add", "crm", "--purpose", "marketing", "--purpose", "service", "--people-per-s", "7"),
    )
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    [listed] = json.loads(livetags(tmp_path, "api-key", "list", "--json").stdout)
    assert token.startswith(f"lt_{listed['id']}_")
    assert (listed["reader"], listed["purposes"], listed["people_per_s"]) == ("crm", ["marketing", "service"], 7.0)
    assert not listed["sensitive"]
    secret = token.rpartition(f"{listed['id']}_")[2]
    assert secret not in (tmp_path / "api-keys.json").read_text()
    assert secret not in livetags(tmp_path, "api-key", "list").stdout + made.stderr
    assert livetags(tmp_path, "api-key", "remove", listed["id"]).returncode == 0
    assert livetags(tmp_path, "api-key", "remove", listed["id"]).returncode == 1
    assert json.loads(livetags(tmp_path, "api-key", "list", "--json").stdout) == []


def test_a_key_for_nothing_there_is_refused(tmp_path: Path) -> None:
    refused = livetags(tmp_path, "api-key", "add", "crm", "--purpose", "fun")
    assert refused.returncode == 2
    assert "expected one or more of service" in " ".join(refused.stderr.split())


def test_other_machines_are_not_served_without_keys(tmp_path: Path) -> None:
    nowhere = {"redis_url": "redis://127.0.0.1:1/0", "clickhouse_url": "http://127.0.0.1:1"}
    for host in ("0.0.0.0", "::", "192.0.2.7", "example.org"):
        refused = livetags(tmp_path, "api", "--host", host, **nowhere)
        assert refused.returncode == 2
        assert "there are no API keys" in " ".join(refused.stderr.split())
    livetags(tmp_path, "api-key", "add", "crm", "--purpose", "service")
    [key] = json.loads(livetags(tmp_path, "api-key", "list", "--json").stdout)
    livetags(tmp_path, "api-key", "remove", key["id"])
    refused = livetags(tmp_path, "api", "--host", "0.0.0.0", **nowhere)
    assert refused.returncode == 2, "a file without keys is none"


@pytest.mark.stores
def test_the_api_serves_logs_no_person_and_its_reads_are_shown(valkey: str, prefix: str, tmp_path: Path) -> None:
    sink = RedisHotSink(valkey, prefix, 5.0, 10.0)
    sink.open({group.name: group.half_life_ms for group in GROUPS.values()}, GROUPS.values())
    sink.close()
    data = tmp_path / "data"
    where = {"redis_url": valkey, "redis_key_prefix": prefix, "clickhouse_url": "http://127.0.0.1:1"}
    with running_api(tmp_path, **where) as url:
        sent = {"Livetags-Purpose": "service"}
        assert httpx.get(f"{url}/v1/profiles/p.secret", headers=sent).status_code == 404
        assert httpx.get(f"{url}/v1/profiles/13800000001", headers=sent).status_code == 422
        # a key that is made while it runs is asked for from then on
        made = livetags(data, "api-key", "add", "crm", "--purpose", "marketing")
        keyed = {"Authorization": f"Bearer {made.stdout.strip()}"}
        time.sleep(1.1)
        assert httpx.get(f"{url}/v1/profiles/p.secret", headers=sent).status_code == 401
        assert httpx.get(f"{url}/v1/profiles/p.secret", headers=keyed).status_code == 404
        [key] = json.loads(livetags(data, "api-key", "list", "--json").stdout)
        livetags(data, "api-key", "remove", key["id"])
        time.sleep(1.1)
        assert httpx.get(f"{url}/v1/profiles/p.secret", headers=keyed).status_code == 401
    log = (tmp_path / "api.log").read_text()
    assert f"{url}/v1/profiles, described in {url}/openapi.json; this machine only" in log.replace("\n", " ")
    assert "p.secret" not in log
    assert "13800000001" not in log
    shown = livetags(data, "audit", **where)
    assert shown.returncode == 0, shown.stderr
    assert "p.secret" not in shown.stdout
    assert "0 older records are no longer kept" in shown.stdout
    records = json.loads(livetags(data, "audit", "--json", "--reader", "crm", **where).stdout)
    assert [(r["reader"], r["purpose"], r["operation"], r["users"]) for r in records] == [
        ("crm", "marketing", "profile", ["p.secret"])
    ]
    assert livetags(data, "audit", "--reader", "nobody", **where).returncode == 1
