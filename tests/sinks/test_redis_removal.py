"""Users that move or are erased, in the hot store: the newest and the oldest server that are supported."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis

from schemas.outputs import HotProfile, LinkedIdentifier, Removal
from schemas.redis_keys import evidence_key, identifier_key, profile_key, tombstone_key, trigger_tombstone_key
from serving.hot_tags import HotTags
from sinks.redis_hot import RedisHotSink, Written
from udfs.profile.snapshot import version_of

pytestmark = pytest.mark.stores

NOW_MS = int(time.time()) * 1_000
ERASED_MS = NOW_MS - 5_000
EXPIRES_MS = NOW_MS + 24 * 3_600_000  # outlives a run of the whole suite
TOMBSTONE_MS = 3_600_000


@pytest.fixture(params=["valkey", "redis7"])
def client(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(request.getfixturevalue(request.param), decode_responses=True) as client:
        yield client


@pytest.fixture
def sink(client: redis.Redis, prefix: str) -> Iterator[RedisHotSink]:
    at = client.connection_pool.connection_kwargs
    sink = RedisHotSink(f"redis://{at['host']}:{at['port']}/0", prefix, 5.0, 10.0, TOMBSTONE_MS)
    sink.open({"app": 604_800_000})
    yield sink
    sink.close()


def profile(user: str, n: int, erased_ms: int = 0) -> HotProfile:
    return HotProfile(
        user, version_of(0, n), 1, NOW_MS + 24 * 3_600_000, {"app:a": float(n)}, {}, {"app:a": 1}, erased_ms
    )


def erase(user: str, time_ms: int = ERASED_MS) -> Removal:
    return Removal("erase", user, time_ms=time_ms)


def test_a_move_leaves_nothing(sink: RedisHotSink, client: redis.Redis, prefix: str) -> None:
    sink.write_batch([profile("a", 1), profile("b", 1)])
    move = [Removal("move", "a", "b")]
    assert sink.remove(move) == 1
    assert sink.remove(move) == 0
    assert set(client.keys(f"{prefix}:*")) == {f"{prefix}:groups", profile_key(prefix, "b"), evidence_key(prefix, "b")}
    assert sink.remove([Removal("move", "b", "b"), Removal("forget", "b", groups=("app",))]) == 0
    assert sink.write_batch([profile("a", 1)]) == Written(1, 0), "a replay writes it again, and moves it again"


def test_links_are_kept_by_a_move_and_by_an_erasure(sink: RedisHotSink, client: redis.Redis, prefix: str) -> None:
    sink.link([LinkedIdentifier("i", "a", 1), LinkedIdentifier("j", "a", 1), LinkedIdentifier("i", "b", 2)])
    sink.link([])
    sink.remove([Removal("move", "i", "b"), erase("j")])
    assert client.get(identifier_key(prefix, "i")) == "b"
    assert client.get(identifier_key(prefix, "j")) == "a"


def test_an_erased_user_leaves_only_a_tombstone(sink: RedisHotSink, client: redis.Redis, prefix: str) -> None:
    sink.write_batch([profile("a", 1)])
    before_ms = int(time.time() * 1_000)
    assert sink.remove([erase("a"), erase("never seen")]) == 1
    assert not client.exists(profile_key(prefix, "a"), evidence_key(prefix, "a"))
    for user in ("a", "never seen"):
        assert client.get(tombstone_key(prefix, user)) == str(ERASED_MS)
        assert 0 <= client.pexpiretime(tombstone_key(prefix, user)) - before_ms - TOMBSTONE_MS < 10_000


def test_a_writer_who_does_not_know_of_the_erasure_is_refused(
    sink: RedisHotSink, client: redis.Redis, prefix: str
) -> None:
    sink.write_batch([profile("a", 700)])
    sink.remove([erase("a")])
    stale, older, informed = profile("a", 701), profile("a", 702, ERASED_MS - 1), profile("a", 1, ERASED_MS)
    assert sink.write_batch([stale]) == Written(0, 1)
    assert sink.write_batch([older]) == Written(0, 1)
    assert not client.exists(profile_key(prefix, "a"))
    assert sink.write_batch([informed, profile("b", 1)]) == Written(2, 0)
    view = HotTags(client, prefix).read("a")
    assert view is not None
    assert [(t.tag, t.weight) for t in view.tags] == [("app:a", 1.0)]
    assert client.hget(profile_key(prefix, "a"), "_erased_ms") == str(ERASED_MS)
    assert sink.write_batch([profile("a", 2, ERASED_MS + 1)]) == Written(1, 0)


def test_the_profile_remembers_when_the_tombstone_is_gone(sink: RedisHotSink, client: redis.Redis, prefix: str) -> None:
    sink.remove([erase("a")])
    sink.write_batch([profile("a", 1, ERASED_MS)])
    client.delete(tombstone_key(prefix, "a"))
    assert sink.write_batch([profile("a", 700)]) == Written(0, 1)
    assert sink.write_batch([profile("a", 700, ERASED_MS - 1)]) == Written(0, 1)
    assert sink.write_batch([profile("a", 2, ERASED_MS)]) == Written(1, 0)
    assert sink.write_batch([profile("a", 1, ERASED_MS + 9)]) == Written(1, 0), "later erasure, fewer events"


def test_a_tombstone_only_gets_newer_and_stays_longer(sink: RedisHotSink, client: redis.Redis, prefix: str) -> None:
    key = tombstone_key(prefix, "a")
    sink.remove([erase("a", ERASED_MS)])
    client.pexpireat(key, NOW_MS + 10 * TOMBSTONE_MS)
    sink.remove([erase("a", ERASED_MS - 3)])
    assert client.get(key) == str(ERASED_MS)
    assert client.pexpiretime(key) == NOW_MS + 10 * TOMBSTONE_MS
    sink.remove([erase("a", ERASED_MS + 3)])
    assert client.get(key) == str(ERASED_MS + 3)


def test_a_replay_of_an_old_log_leaves_a_tombstone_that_lasts(
    sink: RedisHotSink, client: redis.Redis, prefix: str
) -> None:
    """Its time is of the event, how long it stays is counted from now."""
    sink.remove([erase("a", 1_500_000_000_000), erase("b", 0)])
    assert client.get(tombstone_key(prefix, "a")) == "1500000000000"
    assert client.get(tombstone_key(prefix, "b")) == "0"
    assert sink.write_batch([profile("a", 1)]) == Written(0, 1)


def test_removing_survives_a_lost_function_and_a_full_server(
    sink: RedisHotSink, client: redis.Redis, prefix: str
) -> None:
    sink.write_batch([profile(f"u{n}", 1) for n in range(300)])
    client.function_flush()
    assert sink.remove([erase(f"u{n}") for n in range(150)]) == 150
    client.config_set("maxmemory", "1")
    try:
        assert sink.remove([erase(f"u{n}") for n in range(300)]) == 150
    finally:
        client.config_set("maxmemory", "0")
    assert len(client.keys(f"{prefix}:x:*")) == 300


@pytest.mark.parametrize("user", ["用户 1", "{x}", "a}b", "a\nb", "naïve\u0000", "🙂"])
def test_any_text_is_a_user(sink: RedisHotSink, client: redis.Redis, prefix: str, user: str) -> None:
    sink.write_batch([profile(user, 1)])
    assert sink.remove([erase(user)]) == 1
    tombstones = {tombstone_key(prefix, user), trigger_tombstone_key(prefix, user)}
    assert set(client.keys(f"{prefix}:*")) == {f"{prefix}:groups", *tombstones}
