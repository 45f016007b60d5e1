"""The example of a consumer, run as its readers would run it: a process beside a real Valkey."""

from __future__ import annotations

import importlib.util
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import redis
from made_triggers import trigger
from store_servers import ValkeyServer

from livetags.embedded import stores
from schemas.outputs import Removal
from schemas.redis_keys import trigger_stream_key
from schemas.settings import Settings
from sinks.redis_hot import RedisHotSink
from sinks.trigger_stream import TriggerStream

pytestmark = pytest.mark.stores

EXAMPLE = Path(__file__).parents[2] / "examples" / "trigger_consumer.py"
WAIT_S = 20.0


class Running:
    """The example as a process; `lines` takes what it prints."""

    def __init__(self, folder: Path, *options: str, **variables: str) -> None:
        # of a folder that is not the project's: it needs nothing of ours
        self.process = subprocess.Popen(
            [sys.executable, str(EXAMPLE), *options],
            cwd=folder,
            env={"PYTHONIOENCODING": "utf-8"} | variables,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def lines(self, count: int) -> list[str]:
        return [self._lines.get(timeout=WAIT_S) for _ in range(count)]

    def rules(self, count: int) -> list[str]:
        return [line.split("  ")[2].partition(":")[0] for line in self.lines(count)]

    def silent(self) -> bool:
        time.sleep(0.5)
        return self._lines.empty()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(WAIT_S)


@pytest.fixture
def client(valkey: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey) as client:
        yield client


@pytest.fixture
def stream(valkey: str, prefix: str) -> Iterator[TriggerStream]:
    made = TriggerStream(valkey, prefix, 5.0, 20.0, 3_600_000)
    yield made
    made.close()


@pytest.fixture
def start(valkey: str, prefix: str, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started = []

    def begin(*options: str, url: str = valkey) -> Running:
        started.append(Running(tmp_path, "--url", url, "--prefix", prefix, "--group", "g", *options))
        return started[-1]

    yield begin
    for each in started:
        each.kill()


def send(stream: TriggerStream, first: int, last: int, user: str = "p.one") -> None:
    stream.write_batch([trigger(n, user, rule=f"r{n}") for n in range(first, last)])


def pending(client: redis.Redis, prefix: str) -> int:
    deadline = time.monotonic() + 2.0
    while (count := int(client.xpending(trigger_stream_key(prefix), "g")["pending"])) and time.monotonic() < deadline:
        time.sleep(0.02)
    return count


def test_it_prints_what_was_there_and_what_comes_and_goes_on_after_a_kill(
    stream: TriggerStream, start: Callable[..., Running], client: redis.Redis, prefix: str
) -> None:
    send(stream, 0, 3)
    first = start("--consumer", "one")
    assert first.lines(1) == [
        "2026-01-01 00:00:00 UTC  p.one  r0: uses much more data than usual "
        "(app=抖音, window_mb=82.5, surge=0.30000000000000004, roaming=True)\n"
    ]
    assert first.rules(2) == ["r1", "r2"]
    send(stream, 3, 5)
    assert first.rules(2) == ["r3", "r4"]
    assert pending(client, prefix) == 0
    first.kill()
    send(stream, 5, 8)
    second = start("--consumer", "one")
    assert second.rules(3) == ["r5", "r6", "r7"]
    assert second.silent()
    assert pending(client, prefix) == 0


def test_it_begins_with_what_it_had_not_acknowledged(
    stream: TriggerStream, start: Callable[..., Running], client: redis.Redis, prefix: str
) -> None:
    send(stream, 0, 4)
    key = trigger_stream_key(prefix)
    client.xgroup_create(key, "g", id="0")
    client.xreadgroup("g", "one", {key: ">"}, count=2)  # as a process that was killed before it acted on them
    assert start("--consumer", "one").rules(4) == ["r0", "r1", "r2", "r3"]
    assert pending(client, prefix) == 0


def test_it_takes_over_what_a_consumer_that_is_gone_has_left(
    stream: TriggerStream, start: Callable[..., Running], client: redis.Redis, prefix: str
) -> None:
    send(stream, 0, 3)
    key = trigger_stream_key(prefix)
    client.xgroup_create(key, "g", id="0")
    client.xreadgroup("g", "gone", {key: ">"}, count=2)
    patient = start("--consumer", "one")
    assert patient.rules(1) == ["r2"], "it may still be at work"
    assert patient.silent()
    patient.kill()
    assert start("--consumer", "two", "--claim-after-s", "0.2").rules(2) == ["r0", "r1"]
    assert pending(client, prefix) == 0


def test_two_of_a_group_share_the_triggers(stream: TriggerStream, start: Callable[..., Running]) -> None:
    one, two = start("--consumer", "one"), start("--consumer", "two")
    got: list[str] = []
    for running in (one, two):
        threading.Thread(target=lambda r=running: got.extend(r.rules(1)), daemon=True).start()
    deadline, sent = time.monotonic() + WAIT_S, 0
    while len(got) < 2 and time.monotonic() < deadline:
        send(stream, sent, sent + 1)
        sent += 1
        time.sleep(0.05)
    assert len(set(got)) == 2


def test_an_entry_that_was_erased_before_it_was_acknowledged_is_passed_over(
    stream: TriggerStream, start: Callable[..., Running], client: redis.Redis, prefix: str, valkey: str
) -> None:
    send(stream, 0, 1, "p.gone")
    send(stream, 1, 2)
    key = trigger_stream_key(prefix)
    client.xgroup_create(key, "g", id="0")
    client.xreadgroup("g", "one", {key: ">"})
    hot = RedisHotSink(valkey, prefix, 5.0, 10.0)
    hot.remove([Removal("erase", "p.gone", time_ms=2**50)])
    hot.close()
    running = start("--consumer", "one")
    assert running.rules(1) == ["r1"]
    assert running.silent()
    assert pending(client, prefix) == 0


def test_it_outlives_a_stream_that_is_gone_and_a_server_that_crashes(
    tmp_path: Path, start: Callable[..., Running], prefix: str
) -> None:
    server = ValkeyServer(tmp_path, "own")
    try:
        server.start()
        stream = TriggerStream(server.url, prefix, 5.0, 20.0, 3_600_000)
        running = start("--consumer", "one", url=server.url)
        send(stream, 0, 1)
        assert running.rules(1) == ["r0"]
        with redis.Redis.from_url(server.url) as client:
            client.delete(trigger_stream_key(prefix))
        send(stream, 1, 2)
        assert running.rules(1) == ["r1"]
        server.kill()
        said = running.lines(1)[0]
        assert said.startswith(f"Redis is away at {server.url.split('/')[2]} (")
        assert "--url" in said
        server.start()
        send(stream, 2, 3)
        while "r2" not in (line := running.lines(1)[0]):
            assert line.startswith("Redis is away")
    finally:
        server.stop()


def test_without_an_address_it_finds_the_embedded_one_else_says_where_it_looked(
    tmp_path: Path, stream: TriggerStream, valkey: str, prefix: str
) -> None:
    send(stream, 0, 1)
    data = tmp_path / "data"
    data.mkdir()
    port = int(valkey.split(":")[2].split("/")[0])
    (data / "embedded.json").write_text(json.dumps({"redis": port, "clickhouse": 1}))
    options = ("--prefix", prefix, "--consumer", "one")
    for name, value in {"LIVETAGS_DATA_DIR": str(data), "LIVETAGS_REDIS_URL": valkey}.items():
        running = Running(tmp_path, *options, "--group", name, **{name: value})
        try:
            assert running.rules(1) == ["r0"]
        finally:
            running.kill()
    running = Running(tmp_path, *options, LIVETAGS_REDIS_URL="redis://user:hunter2@127.0.0.1:1/0")
    try:
        said = running.lines(1)[0]
    finally:
        running.kill()
    assert said.startswith("Redis is away at 127.0.0.1:1 (")
    assert "hunter2" not in said


@pytest.fixture
def example() -> ModuleType:
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("trigger_consumer", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_says_that_redis_has_lost_its_data_but_not_that_it_begins(
    example: ModuleType, stream: TriggerStream, client: redis.Redis, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    key = trigger_stream_key(prefix)
    consumer = example.Consumer(client, key, "g", "one", 60_000)
    send(stream, 0, 1)
    while not (found := consumer.read()):
        pass
    assert [fields[b"id"] for _, fields in found] == [b"id-0"]
    assert capsys.readouterr().err == ""
    client.delete(*client.keys(f"{key}*"))
    send(stream, 0, 1)  # what a job replays: the ids are forgotten, so it is sent again
    while not (found := consumer.read()):
        pass
    assert [fields[b"id"] for _, fields in found] == [b"id-0"]
    assert "Redis has lost its data" in capsys.readouterr().err


def test_it_finds_what_livetags_up_writes(example: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The example needs nothing of ours, so only this ties it to the file's name and form."""
    monkeypatch.setattr("livetags.embedded.processes.start", lambda *_, **__: None)
    urls = stores.up(Settings(data_dir=tmp_path), lambda _: None)
    monkeypatch.setenv("LIVETAGS_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("LIVETAGS_REDIS_URL", raising=False)
    assert example.usual_url() == urls.redis
    monkeypatch.setenv("LIVETAGS_DATA_DIR", str(tmp_path / "elsewhere"))
    assert example.usual_url() == "redis://127.0.0.1:6379/0"
