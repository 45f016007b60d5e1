"""The stream of triggers against real servers: the newest and the oldest that are supported."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis
from made_triggers import T0_MS, trigger
from msgspec.structs import replace
from redis.crc import key_slot
from store_servers import ValkeyServer

from schemas.outputs import HotProfile, Receipt, Removal, Trigger
from schemas.redis_keys import (
    trigger_entries_key,
    trigger_memory_key,
    trigger_stream_key,
    trigger_tombstone_key,
)
from sinks.redis_hot import RedisHotSink
from sinks.retry import SinkGaveUp
from sinks.trigger_message import from_json, from_protobuf
from sinks.trigger_stream import TriggerStream
from udfs.profile.snapshot import version_of

pytestmark = pytest.mark.stores

HOUR_MS = 3_600_000


@pytest.fixture(params=["valkey", "redis7"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def client(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url) as client:
        yield client


@pytest.fixture
def stream(url: str, prefix: str) -> Iterator[TriggerStream]:
    made = stream_to(url, prefix)
    made.open()
    yield made
    made.close()


@pytest.fixture
def hot(url: str, prefix: str) -> Iterator[RedisHotSink]:
    sink = RedisHotSink(url, prefix, 5.0, 10.0)
    sink.open({"app": HOUR_MS})
    yield sink
    sink.close()


def stream_to(url: str, prefix: str, give_up_s: float = 20.0, retention_ms: int = HOUR_MS) -> TriggerStream:
    return TriggerStream(url, prefix, 5.0, give_up_s, retention_ms)


def entries(client: redis.Redis, prefix: str) -> list[dict[bytes, bytes]]:
    found: Any = client.xrange(trigger_stream_key(prefix))
    return [fields for _, fields in found]


def sent(client: redis.Redis, prefix: str) -> list[Trigger]:
    return [from_json(fields[b"json"]) for fields in entries(client, prefix)]


def test_an_entry_says_whose_it_is_and_has_both_forms(stream: TriggerStream, client: redis.Redis, prefix: str) -> None:
    made = [trigger(1), trigger(2, "p.two", values={"日本": "{x}\x00"})]
    before_ms = time.time_ns() // 1_000_000
    receipts = stream.write_batch(made)
    after_ms = time.time_ns() // 1_000_000
    assert [receipt.trigger for receipt in receipts] == made
    assert all(before_ms <= receipt.sent_ms <= after_ms for receipt in receipts)
    for fields, each in zip(entries(client, prefix), made, strict=True):
        assert list(fields) == [b"id", b"user", b"rule", b"json", b"pb"]
        assert [fields[b"id"], fields[b"user"], fields[b"rule"]] == [
            each.id.encode(),
            each.user.encode(),
            each.rule.encode(),
        ]
        assert from_json(fields[b"json"]) == from_protobuf(fields[b"pb"]) == each


def test_the_receipt_says_when_the_entry_could_be_read(stream: TriggerStream, client: redis.Redis, prefix: str) -> None:
    receipts = stream.write_batch([trigger(n) for n in range(20)])
    found: Any = client.xrange(trigger_stream_key(prefix))
    assert [int(entry.partition(b"-")[0]) for entry, _ in found] == [receipt.sent_ms for receipt in receipts]


def test_a_repeated_write_adds_nothing_and_gives_the_same_receipts(
    stream: TriggerStream, client: redis.Redis, prefix: str
) -> None:
    """As after a restart: fired again, so decided later."""
    made = [trigger(n) for n in range(40)]
    receipts = stream.write_batch(made)
    again = [replace(each, decided_ms=each.decided_ms + 90_000) for each in made]
    rng = Random(1)
    for _ in range(3):
        time.sleep(0.003)
        rng.shuffle(again)
        found = [receipt for at in range(0, 40, 7) for receipt in stream.write_batch(again[at : at + 7])]
        assert sorted(found, key=lambda each: each.trigger.at_ms) == receipts
    assert sent(client, prefix) == made
    assert stream.write_batch([made[0], trigger(90), made[0]])[0] == receipts[0]
    assert len(entries(client, prefix)) == 41


def test_the_same_trigger_twice_in_one_batch_is_one_entry(
    stream: TriggerStream, client: redis.Redis, prefix: str
) -> None:
    first, second = stream.write_batch([trigger(1), trigger(1)])
    assert first == second
    assert len(entries(client, prefix)) == 1


def test_writers_side_by_side_add_each_trigger_once(url: str, client: redis.Redis, prefix: str) -> None:
    """A worker that was thought dead, and its successor."""
    made = [trigger(n, f"p.{n % 7}") for n in range(300)]
    results: list[list[Receipt]] = []

    def write() -> None:
        writer = stream_to(url, prefix)
        results.append([receipt for at in range(0, 300, 20) for receipt in writer.write_batch(made[at : at + 20])])
        writer.close()

    threads = [threading.Thread(target=write) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert results[0] == results[1] == results[2]
    assert sorted(fields[b"id"] for fields in entries(client, prefix)) == sorted(each.id.encode() for each in made)


def test_a_shadow_is_not_sent(stream: TriggerStream, client: redis.Redis, prefix: str) -> None:
    made = [trigger(1, shadow=True), trigger(2), trigger(3, shadow=True)]
    receipts = stream.write_batch(made)
    assert [receipt.trigger for receipt in receipts] == made
    assert [receipt.sent_ms > 0 for receipt in receipts] == [False, True, False]
    assert sent(client, prefix) == [made[1]]
    assert stream.write_batch([]) == []
    assert stream.write_batch(made[:1]) == [Receipt(made[0], 0)]


def test_nothing_stays_for_ever(url: str, client: redis.Redis, prefix: str) -> None:
    retention_ms = 300
    short = stream_to(url, prefix, retention_ms=retention_ms)
    # trimming by age keeps up to one node of entries more, 100 of them
    for number in range(300):
        short.write_batch([trigger(number, values={"text": "x" * 500})])
    time.sleep(0.4)
    assert client.keys(f"{prefix}:*") == [trigger_stream_key(prefix).encode()]
    short.write_batch([trigger(999)])
    assert len(entries(client, prefix)) < 110
    assert client.llen(trigger_entries_key(prefix, "p.one")) == 1
    memory = trigger_memory_key(prefix, "id-999")
    assert 0 < client.pttl(memory) <= retention_ms


def test_a_users_list_of_entries_forgets_those_that_are_too_old(url: str, client: redis.Redis, prefix: str) -> None:
    short = stream_to(url, prefix, retention_ms=200)
    for number in range(6):
        short.write_batch([trigger(number)])
        time.sleep(0.06)
    assert 1 < client.llen(trigger_entries_key(prefix, "p.one")) <= 4


def test_all_keys_live_on_one_node_of_a_cluster(stream: TriggerStream, client: redis.Redis, prefix: str) -> None:
    user = "a}b{c}"
    stream.write_batch([trigger(1, user, id="{x}")])
    keys = [
        trigger_stream_key(prefix),
        trigger_memory_key(prefix, "{x}"),
        trigger_entries_key(prefix, user),
        trigger_tombstone_key(prefix, user),
    ]
    assert sorted(client.keys(f"{prefix}:*")) == sorted(key.encode() for key in keys[:3])
    assert len({key_slot(key.encode()) for key in keys}) == 1


@pytest.mark.parametrize("user", ["用户 1", "{x}", "a}b", "a\nb", "naïve\u0000", "🙂", "%s"])
def test_nothing_is_left_of_an_erased_person_but_the_tombstones(
    stream: TriggerStream, hot: RedisHotSink, client: redis.Redis, prefix: str, user: str
) -> None:
    theirs, others = [trigger(n, user) for n in range(9)], [trigger(n, "other") for n in range(20, 29)]
    mixed = [each for pair in zip(theirs, others, strict=True) for each in pair]
    stream.write_batch(mixed)
    erase = Removal("erase", user, time_ms=T0_MS + 1_000)
    hot.remove([Removal("move", "other", "else"), Removal("forget", "other", groups=("app",)), erase])
    assert sent(client, prefix) == others
    # the server frees the bytes of an entry with its node, so the stream is looked at as a reader sees it
    keys = [key for key in client.keys(f"{prefix}:*") if key.decode() != trigger_stream_key(prefix)]
    naming = {key for key in keys if user.encode() in key + (client.dump(key) or b"")}
    assert user.encode() not in repr(entries(client, prefix)).encode()
    assert {key.decode() for key in naming} == {f"{prefix}:x:{{{user}}}", trigger_tombstone_key(prefix, user)}
    assert client.get(trigger_tombstone_key(prefix, user)) == str(T0_MS + 1_000).encode()


def test_a_replay_after_an_erasure_sends_nothing_again(
    stream: TriggerStream, hot: RedisHotSink, client: redis.Redis, prefix: str
) -> None:
    before, after = [trigger(n) for n in range(5)], trigger(5_000)
    receipts = stream.write_batch(before)
    erase = Removal("erase", "p.one", time_ms=T0_MS + 1_000)
    hot.remove([erase])
    assert stream.write_batch(before) == receipts, "what was sent is remembered, though it is gone"
    never_sent = trigger(900)
    assert stream.write_batch([never_sent]) == [Receipt(never_sent, 0)], "a job that doesn't know of the erasure"
    assert stream.write_batch([after, trigger(901, "p.two")])[0].sent_ms > 0
    assert sent(client, prefix) == [after, trigger(901, "p.two")]
    client.delete(trigger_tombstone_key(prefix, "p.one"))
    stream.write_batch(before)
    assert len(entries(client, prefix)) == 2


def test_a_tombstone_only_gets_newer_and_stays_longer(
    hot: RedisHotSink, client: redis.Redis, prefix: str, url: str
) -> None:
    key = trigger_tombstone_key(prefix, "u")
    hot.remove([Removal("erase", "u", time_ms=50)])
    later_ms = time.time_ns() // 1_000_000 + 90 * 24 * HOUR_MS
    client.pexpireat(key, later_ms)
    hot.remove([Removal("erase", "u", time_ms=40)])
    assert (client.get(key), client.pexpiretime(key)) == (b"50", later_ms)
    hot.remove([Removal("erase", "u", time_ms=60)])
    assert (client.get(key), client.pexpiretime(key)) == (b"60", later_ms)


def test_profiles_and_triggers_share_a_server_and_survive_lost_functions(
    stream: TriggerStream, hot: RedisHotSink, client: redis.Redis, prefix: str
) -> None:
    client.function_flush()
    profile = HotProfile("p.one", version_of(0, 1), 1, T0_MS + 10**12, {"app:a": 1.0}, {}, {})
    assert hot.write_batch([profile]).written == 1
    assert len(stream.write_batch([trigger(n) for n in range(50)])) == 50
    client.function_flush()
    assert hot.remove([Removal("erase", "p.one", time_ms=T0_MS)]) == 1
    assert entries(client, prefix) == []


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


def test_a_full_server_is_waited_for_and_still_erases(own_server: ValkeyServer, prefix: str) -> None:
    stream = stream_to(own_server.url, prefix)
    hot = RedisHotSink(own_server.url, prefix, 5.0, 10.0)
    hot.open({"app": HOUR_MS})
    stream.write_batch([trigger(n) for n in range(20)])
    with redis.Redis.from_url(own_server.url) as client:
        client.config_set("maxmemory", "1")
        hot.remove([Removal("erase", "p.one", time_ms=T0_MS)])
        assert entries(client, prefix) == []
        relief = threading.Timer(0.5, lambda: client.config_set("maxmemory", "0"))
        relief.start()
        receipts = stream.write_batch([trigger(n, "p.two") for n in range(30, 50)])
        relief.join()
        assert all(receipt.sent_ms for receipt in receipts)
        assert len(entries(client, prefix)) == 20


def test_a_crashed_server_is_waited_for_and_nothing_is_lost_or_sent_twice(
    own_server: ValkeyServer, prefix: str
) -> None:
    stream = stream_to(own_server.url, prefix, give_up_s=30.0)
    done = threading.Event()

    def crash_and_come_back() -> None:
        time.sleep(0.2)
        own_server.kill()
        time.sleep(0.3)
        own_server.start()
        time.sleep(0.2)
        done.set()

    other = threading.Thread(target=crash_and_come_back)
    other.start()
    receipts: list[Receipt] = []
    while not done.is_set():
        first = len(receipts)
        receipts += stream.write_batch([trigger(n, f"p.{n % 50}") for n in range(first, first + 100)])
    other.join()
    with redis.Redis.from_url(own_server.url) as client:
        found = sent(client, prefix)
    assert sorted(found, key=lambda each: each.at_ms) == [receipt.trigger for receipt in receipts]


def test_gives_up_in_bounded_time_and_names_nobody(own_server: ValkeyServer, prefix: str) -> None:
    stream = stream_to(own_server.url, prefix, give_up_s=0.5)
    stream.open()
    own_server.kill()
    with pytest.raises(SinkGaveUp, match="Redis unavailable") as refusal:
        stream.write_batch([trigger(1, "secret-user")])
    assert "secret-user" not in str(refusal.value)
