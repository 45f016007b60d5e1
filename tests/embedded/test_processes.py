"""Start, stop and status of the embedded stores' processes, and the Valkey run through them."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from livetags.embedded import processes, valkey
from livetags.embedded.processes import StoreStartError

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "run"
    processes.stop("p", tmp_path / "run", 1.0)


def up(folder: Path) -> bool:
    return "up" in (folder / "p.log").read_text()


def test_a_process_is_started_once_seen_and_stopped(folder: Path) -> None:
    assert processes.status("p", folder).state == "absent"
    first = processes.start("p", SLEEPER, folder, lambda: up(folder), 10.0)
    assert first.fresh
    assert os.getsid(first.pid) == first.pid != os.getsid(0)
    seen = processes.status("p", folder)
    assert (seen.state, seen.pid) == ("running", first.pid)
    assert seen.uptime_s is not None
    assert 0 <= seen.uptime_s < 30
    assert seen.rss_bytes
    assert json.loads((folder / "p.json").read_text())["argv"] == SLEEPER
    again = processes.start("p", SLEEPER, folder, lambda: True, 10.0)
    assert (again.pid, again.fresh) == (first.pid, False)
    assert processes.stop("p", folder, 5.0)
    assert not psutil.pid_exists(first.pid)
    assert not processes.stop("p", folder, 5.0)
    assert processes.status("p", folder).state == "absent"


def test_one_that_ignores_sigterm_is_killed(folder: Path) -> None:
    started = processes.start("p", STUBBORN, folder, lambda: up(folder), 10.0)
    assert processes.stop("p", folder, 0.3)
    assert not psutil.pid_exists(started.pid)


def test_one_that_dies_early_is_reported_with_code_and_log(folder: Path) -> None:
    folder.mkdir()
    (folder / "p.log").write_text("line of an earlier run\n")
    command = [sys.executable, "-c", "import sys; print('no such port'); sys.exit(7)"]
    with pytest.raises(StoreStartError) as caught:
        processes.start("p", command, folder, lambda: False, 10.0)
    assert caught.value.exit_code == 7
    assert caught.value.log_tail == "no such port"
    assert "start again" in str(caught.value)
    assert processes.status("p", folder).state == "absent"


def test_one_that_is_not_ready_in_time_is_ended(folder: Path) -> None:
    def never() -> bool:
        raise ConnectionError

    with pytest.raises(StoreStartError, match=r"not ready after 0\.5 s"):
        processes.start("p", SLEEPER, folder, never, 0.5)
    mine = psutil.Process().children(recursive=True)
    assert not [child for child in mine if child.cmdline() == SLEEPER]


def test_a_process_that_only_has_the_same_id_is_never_touched(folder: Path) -> None:
    other = psutil.Popen(SLEEPER)
    try:
        folder.mkdir()
        record = {"pid": other.pid, "create_time": other.create_time() - 100, "argv": SLEEPER}
        (folder / "p.json").write_text(json.dumps(record))
        assert processes.status("p", folder).state == "dead"
        assert not processes.stop("p", folder, 1.0)
        assert other.is_running()
        (folder / "p.json").write_text("{ damaged")
        assert processes.status("p", folder).state == "dead"
        assert processes.start("p", SLEEPER, folder, lambda: True, 5.0).fresh
    finally:
        other.kill()
        other.wait()


def test_a_dead_one_is_started_anew(folder: Path) -> None:
    first = processes.start("p", SLEEPER, folder, lambda: up(folder), 10.0)
    os.kill(first.pid, signal.SIGKILL)
    os.waitpid(first.pid, 0)
    assert processes.status("p", folder).state == "dead"
    second = processes.start("p", SLEEPER, folder, lambda: True, 10.0)
    assert second.fresh
    assert second.pid != first.pid


def test_starts_at_the_same_moment_start_one(folder: Path) -> None:
    started: list[processes.Started] = []

    def run() -> None:
        started.append(processes.start("p", SLEEPER, folder, lambda: up(folder), 10.0))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.pid for one in started}) == 1
    assert [one.fresh for one in started].count(True) == 1


def test_the_environment_is_passed(folder: Path) -> None:
    command = [sys.executable, "-c", "import os, time; print('up', os.environ['X'], flush=True); time.sleep(60)"]
    processes.start("p", command, folder, lambda: up(folder), 10.0, {"X": "y"})
    assert "up y" in (folder / "p.log").read_text()


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", processes.free_port()))


@pytest.mark.stores
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_valkey_keeps_its_data(folder: Path, how: int) -> None:
    port = processes.free_port()

    def start() -> processes.Started:
        command = valkey.argv(folder / "valkey", port)
        return processes.start("p", command, folder, lambda: valkey.ready(port), 10.0)

    started = start()
    with redis.Redis(port=port) as client:
        assert client.ping()
        assert client.info("server")["valkey_version"].startswith("9.")
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert client.config_get("save")["save"] == ""
        assert client.config_get("appendfsync")["appendfsync"] == "everysec"
        assert client.config_get("bind")["bind"] == "127.0.0.1"
        client.hset("profile:1", mapping={"tag": "0.5"})
    if how == signal.SIGKILL:
        os.kill(started.pid, signal.SIGKILL)
        os.waitpid(started.pid, 0)
    else:
        assert processes.stop("p", folder, 10.0)
    deadline = time.monotonic() + 5
    while valkey.ready(port) and time.monotonic() < deadline:
        time.sleep(0.05)
    start()
    with redis.Redis(port=port) as client:
        assert client.hgetall("profile:1") == {b"tag": b"0.5"}


def test_an_answerless_port_is_not_ready() -> None:
    assert not valkey.ready(processes.free_port())
