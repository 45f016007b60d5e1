"""Reading whole hot profiles from a server: what is damaged, what is missing, never parts of two versions."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import redis

from schemas.outputs import HotProfile
from schemas.redis_keys import evidence_key, profile_key
from serving.hot_tags import HotTags
from serving.hot_view import HotView
from serving.read_errors import DamagedProfileError
from serving.tag_view import TagView
from sinks.redis_hot import RedisHotSink
from udfs.profile.snapshot import version_of

HALF_LIVES_MS = {"app": 604_800_000, "flow_mb": 3_600_000}
AS_OF_MS = 1_767_225_600_000
EXPIRES_MS = 4_102_444_800_000


@pytest.fixture
def hot(valkey: str, prefix: str) -> Iterator[RedisHotSink]:
    sink = RedisHotSink(valkey, prefix, 5.0, 10.0)
    sink.open(HALF_LIVES_MS)
    yield sink
    sink.close()


def profile(user: str, weights: dict[str, float], last: dict[str, int], other: dict[str, float]) -> HotProfile:
    return HotProfile(user, version_of(2, 17), AS_OF_MS, EXPIRES_MS, weights, other, last)


@pytest.mark.stores
@pytest.mark.parametrize("decode_responses", [False, True])
def test_reads_what_the_sink_wrote(hot: RedisHotSink, valkey: str, prefix: str, decode_responses: bool) -> None:
    weights = {"app:a": 0.25, "app:b.mean": 4.0, "app:b": 1.0, "flow_mb:all": 2.0}
    numeric = {"flow_mb:all.mean": 1.5, "flow_mb:all.std": 0.0}
    hot.write_batch([profile("u", weights | numeric, dict.fromkeys(weights, AS_OF_MS - 5), {"app": 0.125})])
    reader = HotTags(redis.Redis.from_url(valkey, decode_responses=decode_responses), prefix)
    view = reader.read("u")
    assert view == HotView(
        "u",
        2,
        17,
        AS_OF_MS,
        (
            TagView("app:b.mean", 4.0, None, None, AS_OF_MS - 5, HALF_LIVES_MS["app"]),
            TagView("flow_mb:all", 2.0, 1.5, 0.0, AS_OF_MS - 5, HALF_LIVES_MS["flow_mb"]),
            TagView("app:b", 1.0, None, None, AS_OF_MS - 5, HALF_LIVES_MS["app"]),
            TagView("app:a", 0.25, None, None, AS_OF_MS - 5, HALF_LIVES_MS["app"]),
        ),
        {"app": 0.125},
        newest_event_ms=AS_OF_MS,
    )
    later = reader.read("u", AS_OF_MS + HALF_LIVES_MS["app"])
    assert later is not None
    assert (later.weight("app:b"), later.other, later.newest_event_ms) == (0.5, {"app": 0.0625}, AS_OF_MS)
    assert reader.read("nobody") is None
    assert reader.read_many(["nobody", "u"]) == {"u": view}
    assert reader.read_many([]) == {}


@pytest.mark.stores
@pytest.mark.parametrize("decode_responses", [False, True])
def test_the_newest_change_of_behaviour_is_read(
    hot: RedisHotSink, valkey: str, prefix: str, decode_responses: bool
) -> None:
    written = profile("u", {"app:a": 1.0}, {"app:a": AS_OF_MS}, {})
    reader = HotTags(redis.Redis.from_url(valkey, decode_responses=decode_responses), prefix)
    for reason in ("", "since 2026-01-03: more app:é, less app:a", "7", ""):
        written.reason = reason
        hot.write_batch([written])
        view = reader.read("u")
        assert view is not None
        assert (view.reason, [t.tag for t in view.tags]) == (reason, ["app:a"])


@pytest.mark.stores
def test_a_profile_without_tags_is_a_profile(hot: RedisHotSink, valkey: str, prefix: str) -> None:
    hot.write_batch([profile("u", {}, {}, {})])
    view = HotTags(redis.Redis.from_url(valkey), prefix).read("u")
    assert view is not None
    assert view.tags == ()


@pytest.mark.stores
@pytest.mark.parametrize("damage", ["no version", "bad weight", "stray field", "no evidence", "no json", "odd group"])
def test_a_damaged_profile_is_an_error_that_names_nobody(
    hot: RedisHotSink, valkey: str, prefix: str, damage: str
) -> None:
    hot.write_batch([profile("secret-user", {"app:secret-tag": 1.0}, {"app:secret-tag": AS_OF_MS}, {})])
    client = redis.Redis.from_url(valkey)
    key, evidence = profile_key(prefix, "secret-user"), evidence_key(prefix, "secret-user")
    if damage == "no version":
        client.hdel(key, "_version")
    elif damage == "bad weight":
        client.hset(key, "app:secret-tag", "much")
    elif damage == "stray field":
        client.hset(key, "app:other", "1.0")
    elif damage == "no evidence":
        client.delete(evidence)
    elif damage == "no json":
        client.set(evidence, "{secret")
    else:
        client.hdel(f"{prefix}:groups", "app")
    with pytest.raises(DamagedProfileError, match="Check that the prefix is right") as refusal:
        HotTags(client, prefix).read("secret-user")
    assert "secret" not in str(refusal.value)


@pytest.mark.stores
def test_a_view_is_never_parts_of_two_versions(hot: RedisHotSink, valkey: str, prefix: str) -> None:
    done = threading.Event()

    def write() -> None:
        for n in range(1, 400):
            names = {f"app:{n}-{i}": float(n) for i in range(5)}
            hot.write_batch([HotProfile("u", version_of(0, n), n, EXPIRES_MS, names, {}, dict.fromkeys(names, n))])
        done.set()

    writer = threading.Thread(target=write)
    reader = HotTags(redis.Redis.from_url(valkey), prefix)
    writer.start()
    while not done.is_set():
        view = reader.read("u")
        if view is not None:
            assert {(t.weight, t.last_evidence_ms) for t in view.tags} == {(float(view.n), view.n)}
            assert view.as_of_ms == view.n
    writer.join()
