"""Profiles over HTTP from real stores: the same as the client gives, and the same record in the trail."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from clickhouse_connect.driver.client import Client
from fastapi.testclient import TestClient
from fold_into_stores import history_of
from made_catalogue import DAY_MS
from served import NOWHERE_CLICKHOUSE, api_settings, history_at, served

from livetags.api_key_file import write_api_keys
from schemas.outputs import HotProfile, Removal
from schemas.redis_keys import profile_key
from serving.audit import newest_records
from serving.client import ProfileClient
from serving.history import profile_as_of
from serving.http.api_keys import new_key
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.redis_hot import RedisHotSink
from udfs.profile.snapshot import version_of
from udfs.tags import GROUPS

pytestmark = pytest.mark.stores

# the API's clock is the real one, so the profiles are of not long ago
AS_OF_MS = time.time_ns() // 1_000_000 - 40 * DAY_MS
EXPIRES_MS = 4_102_444_800_000
USER = "p.AbCdEfGhIjKlMnOpQrSt"
WEIGHTS = {"content:news": 8.0, "content:sport": 2.0, "home:A3": 4.0, "channel:sms": 5.0, "plan:gold": 1.0}


@pytest.fixture
def hot(valkey: str, prefix: str) -> Iterator[RedisHotSink]:
    sink = RedisHotSink(valkey, prefix, 5.0, 10.0)
    sink.open({group.name: group.half_life_ms for group in GROUPS.values()}, GROUPS.values())
    names = (USER, "p.two")
    sink.write_batch(
        [
            HotProfile(user, version_of(0, 3), AS_OF_MS, EXPIRES_MS, WEIGHTS, {}, dict.fromkeys(WEIGHTS, AS_OF_MS))
            for user in names
        ]
    )
    yield sink
    sink.close()


@pytest.fixture
def api(hot: RedisHotSink, valkey: str, prefix: str, tmp_path: Path) -> Iterator[TestClient]:
    """Reads for profiling, on this machine."""
    settings = api_settings(prefix, valkey)
    with served(settings, tmp_path / "keys.json", Livetags_Purpose="profiling") as client:
        yield client


def trail(url: str, prefix: str) -> list[tuple[str, str, str, bool, tuple[str, ...]]]:
    with redis.Redis.from_url(url) as client:
        return [(r.operation, r.reader, r.purpose, r.sensitive, r.users) for r in newest_records(client, prefix, 100)][
            ::-1
        ]


def told(time_ms: int) -> str:
    """The time as the API takes it, in the local time of a place."""
    return datetime.fromtimestamp(time_ms / 1_000, timezone(timedelta(hours=8))).isoformat(timespec="milliseconds")


def plain(value: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def test_http_answers_what_the_client_does(api: TestClient, valkey: str, prefix: str) -> None:
    found = api.get(f"/v1/profiles/{USER}").json()
    many = api.post("/v1/profiles", json={"users": ["p.two", "p.nobody", USER]}).json()["profiles"]
    tags = api.get(f"/v1/profiles/{USER}/tags", params={"name": ["content:sport", "content:none"]}).json()
    clock_ms = found["as_of_ms"]
    with ProfileClient(valkey, reader="ours", purpose="profiling", prefix=prefix, clock_ms=lambda: clock_ms) as client:
        assert found == plain(client.profile(USER))
    assert [(p["user"], p["presence"], len(p["tags"])) for p in many] == [
        ("p.two", "present", 2),
        ("p.nobody", "absent", 0),
        (USER, "present", 2),
    ]
    assert [t["tag"] for t in found["tags"]] == ["content:news", "content:sport"]
    assert (tags["user"], [t["tag"] for t in tags["tags"]]) == (USER, ["content:sport"])
    weight = found["tags"][0]["weight"]
    for above, expected in ((0, True), (weight / 2, True), (weight * 2, False)):
        asked = {"tag": "content:news", "above": above}
        assert api.get(f"/v1/profiles/{USER}/has", params=asked).json() == {
            "user": USER,
            "tag": "content:news",
            "above": above,
            "has": expected,
        }
    assert api.get("/v1/profiles/p.nobody/tags?name=content:news").json() == {"user": "p.nobody", "tags": []}
    assert [operation for operation, *_ in trail(valkey, prefix)] == [
        *("profile", "profiles", "tags", "profile", "has", "has", "has", "tags")
    ]


def test_who_has_no_profile_is_not_found_and_who_was_erased_is_gone(api: TestClient, hot: RedisHotSink) -> None:
    hot.remove([Removal("erase", "p.two", time_ms=77)])
    assert api.get("/v1/profiles/p.nobody").json()["type"] == "/problems/no-profile"
    assert api.get("/v1/profiles/p.two").json()["type"] == "/problems/erased"


def test_tags_of_another_purpose_are_refused(api: TestClient, valkey: str, prefix: str) -> None:
    refused = api.get(f"/v1/profiles/{USER}/has?tag=channel:sms")
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/purpose-refused")
    assert "for the purpose marketing only" in refused.json()["detail"]
    unknown = api.get(f"/v1/profiles/{USER}/tags?name=fun:x")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/unknown-tag-group")
    other = {"Livetags-Purpose": "location_services"}
    assert api.get(f"/v1/profiles/{USER}", headers=other).json()["tags"] == []
    assert api.get(f"/v1/profiles/{USER}/has?tag=home:A3", headers=other).status_code == 403
    sensitive = other | {"Livetags-Sensitive": "true"}
    assert [t["tag"] for t in api.get(f"/v1/profiles/{USER}", headers=sensitive).json()["tags"]] == ["home:A3"]
    assert trail(valkey, prefix) == [
        ("profile", "loopback", "location_services", False, (USER,)),
        ("profile", "loopback", "location_services", True, (USER,)),
    ]


def test_the_record_has_the_name_of_the_key(hot: RedisHotSink, valkey: str, prefix: str, tmp_path: Path) -> None:
    token, key = new_key("crm", ("marketing",), 1_000.0, "", sensitive=False)
    write_api_keys(tmp_path / "keys.json", [key])
    sent = {"Authorization": f"Bearer {token}"}
    with served(api_settings(prefix, valkey), tmp_path / "keys.json", address="192.0.2.7", **sent) as client:
        assert [t["tag"] for t in client.get(f"/v1/profiles/{USER}").json()["tags"]] == ["channel:sms"]
    assert trail(valkey, prefix) == [("profile", "crm", "marketing", False, (USER,))]


def test_the_catalogue_is_that_of_the_job(api: TestClient, valkey: str, prefix: str, tmp_path: Path) -> None:
    found = api.get("/v1/catalogue").json()
    assert [group["name"] for group in found["groups"]] == sorted(GROUPS)
    for group in found["groups"]:
        declared = GROUPS[group["name"]]
        assert (group["purpose"], group["kind"], group["unit"]) == (declared.purpose, declared.kind, declared.unit)
        assert group["half_life_ms"] == declared.half_life_ms
        assert group["readable"], "on this machine any purpose may be stated"
    token, key = new_key("crm", ("location_services", "marketing"), 1_000.0, "", sensitive=False)
    write_api_keys(tmp_path / "other.json", [key])
    with served(api_settings(prefix, valkey), tmp_path / "other.json", Authorization=f"Bearer {token}") as client:
        readable = {group["name"] for group in client.get("/v1/catalogue").json()["groups"] if group["readable"]}
    assert readable == {group.name for group in GROUPS.values() if group.purpose == "marketing"}


def test_a_damaged_profile_is_a_problem_of_its_own(api: TestClient, valkey: str, prefix: str) -> None:
    with redis.Redis.from_url(valkey) as admin:
        admin.hset(profile_key(prefix, USER), "content:news", "much")
    refused = api.get(f"/v1/profiles/{USER}")
    assert (refused.status_code, refused.json()["type"]) == (500, "/problems/damaged-profile")
    assert USER not in refused.text


def test_without_a_catalogue_nothing_is_read(valkey: str, prefix: str, tmp_path: Path) -> None:
    with served(api_settings(prefix, valkey), tmp_path / "keys.json", Livetags_Purpose="service") as client:
        refused = client.get(f"/v1/profiles/{USER}")
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/no-catalogue")
        assert client.get("/v1/health").json()["redis"]["ok"] is False


@pytest.fixture
def past(clickhouse: str, database: str) -> list[tuple[str, str, str, int, int, float]]:
    """Evidence of the person over ten days: for profiling, for marketing, and sensitive."""
    rows = [
        ("dpi", USER, tag, AS_OF_MS + day * DAY_MS, day * 10 + number, 1.0 + day)
        for day in range(10)
        for number, tag in enumerate(("content:news", "content:sport", "channel:sms", "home:A3"))
    ]
    sink = ClickHouseHistorySink(clickhouse, database, "run", 5.0, 20.0)
    sink.write_batch([history_of(rows)])
    sink.close()
    return rows


def test_as_of_a_past_time_is_the_history_for_the_purpose(
    hot: RedisHotSink,
    valkey: str,
    prefix: str,
    clickhouse: str,
    clickhouse_client: Client,
    database: str,
    past: list[Any],
    tmp_path: Path,
) -> None:
    settings = api_settings(prefix, valkey, clickhouse_database=database)
    with served(settings, tmp_path / "keys.json", history_at(clickhouse), Livetags_Purpose="profiling") as client:
        assert client.get("/v1/health").status_code == 200
        for at_ms in (AS_OF_MS - 1, AS_OF_MS, AS_OF_MS + 4 * DAY_MS + 1, AS_OF_MS + 30 * DAY_MS):
            found = client.get(f"/v1/profiles/{USER}/as-of", params={"at": told(at_ms)}).json()
            whole = profile_as_of(clickhouse_client, database, USER, at_ms)
            expected = [view for tag, view in whole.items() if tag.startswith("content:")]
            assert found["at_ms"] == at_ms
            assert sorted(found["tags"], key=lambda t: str(t["tag"])) == plain(expected)
            assert [t["weight"] for t in found["tags"]] == sorted((t["weight"] for t in found["tags"]), reverse=True)
        sensitive = {"Livetags-Purpose": "location_services", "Livetags-Sensitive": "true"}
        asked = client.get(f"/v1/profiles/{USER}/as-of", params={"at": told(AS_OF_MS + 4 * DAY_MS)}, headers=sensitive)
        assert [t["tag"] for t in asked.json()["tags"]] == ["home:A3"]
        hot.remove([Removal("erase", USER, time_ms=AS_OF_MS + 9 * DAY_MS)])
        gone = client.get(f"/v1/profiles/{USER}/as-of", params={"at": told(AS_OF_MS + 4 * DAY_MS)})
        assert (gone.status_code, gone.json()["type"]) == (410, "/problems/erased")
    assert [operation for operation, *_ in trail(valkey, prefix)] == ["as_of"] * 6


def test_a_history_that_is_away_or_hangs_is_a_problem_and_hot_profiles_are_served(
    hot: RedisHotSink, valkey: str, prefix: str, tmp_path: Path
) -> None:
    settings = api_settings(prefix, valkey, history_read_timeout_s=0.2)
    at = f"/v1/profiles/{USER}/as-of?at=2026-01-05T00:00:00Z"
    with served(
        settings, tmp_path / "keys.json", history_at(NOWHERE_CLICKHOUSE), Livetags_Purpose="profiling"
    ) as client:
        refused = client.get(at)
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/store-unavailable")
        assert client.get(f"/v1/profiles/{USER}").status_code == 200
    release = threading.Event()

    def hangs() -> Client:
        release.wait(10.0)
        msg = "released"
        raise RuntimeError(msg)

    with served(settings, tmp_path / "keys.json", hangs, Livetags_Purpose="profiling") as client:
        refused = client.get(at)
        assert (refused.status_code, refused.json()["type"]) == (504, "/problems/store-slow")
        assert client.get(f"/v1/profiles/{USER}").status_code == 200
        release.set()
