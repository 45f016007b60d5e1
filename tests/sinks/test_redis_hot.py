"""The hot sink against real servers: the newest and the oldest that are supported."""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_servers import ValkeyServer

from schemas.outputs import HotProfile
from schemas.published_group import read_published
from schemas.redis_keys import catalogue_key, evidence_key, groups_key, profile_key
from serving.hot_tags import HotTags
from sinks.redis_hot import RedisHotSink, Written
from sinks.retry import SinkGaveUp
from udfs.profile.snapshot import version_of
from udfs.tags import GROUPS

pytestmark = pytest.mark.stores

HALF_LIVES_MS = {"app": 604_800_000}
EXPIRES_MS = (int(time.time()) + 3_600) * 1_000


@pytest.fixture(params=["valkey", "redis7"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def client(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url, decode_responses=True) as client:
        yield client


@pytest.fixture
def sink(url: str, prefix: str) -> Iterator[RedisHotSink]:
    sink = RedisHotSink(url, prefix, timeout_s=5.0, give_up_s=10.0)
    sink.open(HALF_LIVES_MS)
    yield sink
    sink.close()


@pytest.fixture(params=["valkey", "redis7"])
def own_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ValkeyServer]:
    """A server of this test alone, to be mistreated."""
    kind = ValkeyServer if request.param == "valkey" else request.getfixturevalue("redis7_server")
    server = kind(tmp_path, "own")
    try:
        server.start()
        yield server
    finally:
        server.stop()


def profile(user: str, n: int = 1, generation: int = 0, weights: dict[str, float] | None = None) -> HotProfile:
    weights = {"app:a": float(n)} if weights is None else weights
    return HotProfile(user, version_of(generation, n), 1_000, EXPIRES_MS, weights, {}, dict.fromkeys(weights, 900))


def test_the_newest_change_of_behaviour_is_a_field_that_goes_with_the_profile(
    sink: RedisHotSink, client: redis.Redis, prefix: str
) -> None:
    changed = profile("u", 5)
    changed.reason = "more app:é, less app:a since 3 March"
    sink.write_batch([changed])
    assert client.hget(profile_key(prefix, "u"), "_drift") == changed.reason
    sink.write_batch([profile("u", 6)])
    assert client.hkeys(profile_key(prefix, "u")) == ["_version", "_as_of_ms", "app:a"]


def test_what_readers_decay_with_and_read_for_is_published_and_each_time_known_to_be_newer(
    sink: RedisHotSink, client: redis.Redis, prefix: str
) -> None:
    assert client.exists(catalogue_key(prefix)) == 0, "nothing is readable of groups that were not declared"
    for times, half_life_ms in ((1, 604_800_000), (2, 86_400_000)):
        sink.open({group.name: half_life_ms for group in GROUPS.values()}, GROUPS.values())
        fields = client.hgetall(catalogue_key(prefix))
        assert fields.pop("_version") == str(times)
        assert {name: read_published(text).purpose for name, text in fields.items()} == {
            group.name: group.purpose for group in GROUPS.values()
        }
        assert {read_published(text).half_life_ms for text in fields.values()} == {half_life_ms}
        assert client.hget(groups_key(prefix), "content") == str(half_life_ms)
    assert client.hget(groups_key(prefix), "app") == "86400000"


def test_older_version_is_refused_equal_and_newer_are_written(
    sink: RedisHotSink, client: redis.Redis, prefix: str
) -> None:
    assert sink.write_batch([profile("u", 5)]) == Written(1, 0)
    assert sink.write_batch([profile("u", 4)]) == Written(0, 1)
    assert client.hget(profile_key(prefix, "u"), "app:a") == "5.0"
    assert sink.write_batch([profile("u", 5, weights={"app:b": 1.0})]) == Written(1, 0)
    assert client.hkeys(profile_key(prefix, "u")) == ["_version", "_as_of_ms", "app:b"]
    assert sink.write_batch([profile("u", 100)]) == Written(1, 0)
    assert sink.write_batch([profile("u", 1, generation=1)]) == Written(1, 0), "a rebuild is newer whatever its n"
    assert sink.write_batch([profile("u", 10**15)]) == Written(0, 1)
    assert sink.write_batch([profile("u", 1), profile("v", 1)]) == Written(1, 1)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 10**18)), min_size=1, max_size=12))
def test_any_order_of_versions_ends_at_the_newest(
    sink: RedisHotSink, client: redis.Redis, prefix: str, versions: list[tuple[int, int]]
) -> None:
    user = uuid.uuid4().hex
    for generation, n in versions:
        weights = {"app:g": float(generation), f"app:{n}": 1.0}
        sink.write_batch([profile(user, n, generation, weights)])
    generation, n = max(versions)
    view = HotTags(client, prefix).read(user)
    assert view is not None
    assert view.version == (generation, n)
    assert {t.tag for t in view.tags} == {"app:g", f"app:{n}"}


def test_a_full_snapshot_replaces_tags_that_are_gone(sink: RedisHotSink, client: redis.Redis, prefix: str) -> None:
    sink.write_batch([profile("u", 1, weights={"app:a": 1.0, "app:b": 2.0})])
    sink.write_batch([profile("u", 2, weights={"app:b": 3.0})])
    assert client.hgetall(profile_key(prefix, "u")) == {
        "_version": version_of(0, 2),
        "_as_of_ms": "1000",
        "app:b": "3.0",
    }
    assert client.get(evidence_key(prefix, "u")) == '{"app:b":900}'


def test_both_keys_expire_at_the_same_absolute_time(sink: RedisHotSink, client: redis.Redis, prefix: str) -> None:
    for n in (1, 2):
        sink.write_batch([profile("u", n)])
        assert client.pexpiretime(profile_key(prefix, "u")) == EXPIRES_MS
        assert client.pexpiretime(evidence_key(prefix, "u")) == EXPIRES_MS


def test_weights_are_plain_decimals_and_read_back_as_the_same_doubles(
    sink: RedisHotSink, client: redis.Redis, prefix: str
) -> None:
    numbers = [1e-7, 1e22, 5e-324, 1.7976931348623157e308, 0.1, 1 / 3, 123456789.125, -2.5e-9, 1e16, 0.0]
    sink.write_batch([profile("u", weights={f"app:{i}": number for i, number in enumerate(numbers)})])
    fields = client.hgetall(profile_key(prefix, "u"))
    for i, number in enumerate(numbers):
        text = fields[f"app:{i}"]
        assert set(text) <= set("-0123456789."), text
        assert float(text) == number
        assert math.copysign(1.0, float(text)) == math.copysign(1.0, number)


def test_a_lost_function_is_loaded_again(sink: RedisHotSink, client: redis.Redis, prefix: str) -> None:
    client.function_flush()
    assert sink.write_batch([profile(f"u{i}") for i in range(50)]) == Written(50, 0)
    client.flushdb()
    client.function_flush()
    assert sink.write_batch([profile("u")]) == Written(1, 0)


def test_a_thousand_users_in_one_pipeline(sink: RedisHotSink, client: redis.Redis, prefix: str) -> None:
    weights = {f"app:{i}": i + 0.5 for i in range(30)}
    started = time.monotonic()
    assert sink.write_batch([profile(f"u{i}", weights=weights) for i in range(1_000)]) == Written(1_000, 0)
    assert time.monotonic() - started < 5.0
    views = HotTags(client, prefix).read_many([f"u{i}" for i in range(1_001)])
    assert len(views) == 1_000
    assert all({t.tag: t.weight for t in view.tags} == weights for view in views.values())


@pytest.mark.parametrize("user", ["用户 1", "a b", "{x}", "a}b", "}", "{", "a\nb", "naïve\u0000", "%s", "🙂", "a:b"])
def test_any_text_is_a_user(sink: RedisHotSink, client: redis.Redis, prefix: str, user: str) -> None:
    weights = {"app:日本 {語}": 1.5, "app: ": 2.5}
    assert sink.write_batch([profile(user, weights=weights)]) == Written(1, 0)
    view = HotTags(client, prefix).read(user)
    assert view is not None
    assert {t.tag: t.weight for t in view.tags} == weights


@pytest.mark.parametrize("tags", [498, 499, 500, 1_001, 6_000])
def test_large_profiles_are_whole(sink: RedisHotSink, client: redis.Redis, prefix: str, tags: int) -> None:
    """The server-side function writes in chunks; none is lost at their borders."""
    weights = {f"app:{i}": i + 0.25 for i in range(tags)}
    sink.write_batch([profile("u", weights=weights)])
    fields = client.hgetall(profile_key(prefix, "u"))
    assert len(fields) == tags + 2
    assert all(float(fields[name]) == weight for name, weight in weights.items())


def test_a_full_server_is_waited_for(own_server: ValkeyServer, prefix: str) -> None:
    sink = RedisHotSink(own_server.url, prefix, timeout_s=2.0, give_up_s=15.0)
    sink.open(HALF_LIVES_MS)
    with redis.Redis.from_url(own_server.url) as client:
        client.config_set("maxmemory", "1")
        relief = threading.Timer(0.7, lambda: client.config_set("maxmemory", "0"))
        relief.start()
        assert sink.write_batch([profile(f"u{i}") for i in range(20)]) == Written(20, 0)
        relief.join()
        assert len(HotTags(client, prefix).read_many([f"u{i}" for i in range(20)])) == 20


def test_a_crashed_server_is_waited_for_and_nothing_is_lost(own_server: ValkeyServer, prefix: str) -> None:
    sink = RedisHotSink(own_server.url, prefix, timeout_s=2.0, give_up_s=30.0)
    sink.open(HALF_LIVES_MS)
    stopped = threading.Event()
    crashed = threading.Event()

    def crash_and_come_back() -> None:
        time.sleep(0.2)
        own_server.kill()
        crashed.set()
        time.sleep(0.4)
        own_server.start()
        time.sleep(0.2)
        stopped.set()

    other = threading.Thread(target=crash_and_come_back)
    other.start()
    n = 0
    while not stopped.is_set():
        n += 1
        written = sink.write_batch([profile(f"u{i}", n) for i in range(200)])
        assert sum(written) == 200
    other.join()
    assert crashed.is_set()
    with redis.Redis.from_url(own_server.url) as client:
        views = HotTags(client, prefix).read_many([f"u{i}" for i in range(200)])
    assert {view.n for view in views.values()} == {n}
    assert len(views) == 200


def test_gives_up_in_bounded_time(own_server: ValkeyServer, prefix: str) -> None:
    sink = RedisHotSink(own_server.url, prefix, timeout_s=0.5, give_up_s=0.5)
    sink.open(HALF_LIVES_MS)
    own_server.kill()
    started = time.monotonic()
    with pytest.raises(SinkGaveUp, match=r"Redis unavailable .* sink_give_up_s=0\.5.*livetags status") as refusal:
        sink.write_batch([profile("secret-user")])
    assert time.monotonic() - started < 4.0
    assert "secret-user" not in str(refusal.value)


def test_a_wrong_password_is_an_error_at_once(own_server: ValkeyServer, prefix: str) -> None:
    with redis.Redis.from_url(own_server.url) as client:
        client.config_set("requirepass", "right")
    for login in ("", ":wrong@"):
        sink = RedisHotSink(own_server.url.replace("://", f"://{login}"), prefix, timeout_s=2.0, give_up_s=20.0)
        started = time.monotonic()
        with pytest.raises(redis.AuthenticationError) as refusal:
            sink.open(HALF_LIVES_MS)
        assert time.monotonic() - started < 2.0
        assert "wrong" not in str(refusal.value).replace("WRONGPASS", "")
    sink = RedisHotSink(own_server.url.replace("://", "://:right@"), prefix, timeout_s=2.0, give_up_s=20.0)
    sink.open(HALF_LIVES_MS)
    assert sink.write_batch([profile("u")]) == Written(1, 0)
