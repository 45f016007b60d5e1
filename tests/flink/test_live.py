"""`livetags live` as a newcomer uses it: started, a rule of their own published beside it, ended with Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from livetags.embedded.jars import DEFAULT_FOLDER

pytestmark = [pytest.mark.flink, pytest.mark.stores, pytest.mark.kafka]

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "livetags.cli"]


def until(what: Callable[[], Any], seconds: float, why: Callable[[], str]) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {why()}"
        time.sleep(0.5)
    return found


@pytest.mark.timeout(600)  # for a busy machine; most of it is the start of Flink with a source for every feed
def test_from_the_start_over_a_rule_of_ones_own_to_the_end(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("LIVETAGS_")}
    env |= {"LIVETAGS_DATA_DIR": str(tmp_path / "data"), "LIVETAGS_JARS_DIR": str(DEFAULT_FOLDER.absolute())}
    log = tmp_path / "live.log"
    with log.open("wb") as told:
        command = [*COMMAND, "live", "--people", "200"]
        running = subprocess.Popen(command, cwd=ROOT, env=env, stdout=told, stderr=subprocess.STDOUT)
    beside = env | {"LIVETAGS_SETTINGS": str(tmp_path / "data" / "live" / "settings.yaml")}
    del beside["LIVETAGS_DATA_DIR"], beside["LIVETAGS_JARS_DIR"]

    def livetags(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments], cwd=ROOT, env=beside, capture_output=True, text=True, timeout=60, check=False
        )

    def said() -> str:
        assert running.poll() is None, log.read_text()
        return log.read_text()

    try:
        until(lambda: "Ctrl-C ends all that was started here" in said(), 300, said)
        second = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 2
        assert "runs already" in second.stderr
        fired = json.loads(livetags("triggers", "--json").stdout)
        assert len(fired) > 5, "the scenes have fired over the day so far"
        published_ms = time.time() * 1000
        assert livetags("rules", "publish", "examples/first_rule.yaml").returncode == 0
        found = until(
            lambda: json.loads(livetags("triggers", "--rule", "my-first-rule", "--json").stdout or "[]"), 90, said
        )
        # of what came after the rule; when it had happened, some of the city's records are late
        assert all(published_ms < each["decided_ms"] < time.time() * 1000 for each in found)
        assert all(each["at_ms"] <= each["decided_ms"] + 1_000 for each in found), "nothing is told before it happens"
        assert livetags("trigger", found[0]["id"], "--explain").returncode == 0
    finally:
        running.send_signal(signal.SIGINT)
        code = running.wait(120)
    assert code == 0, log.read_text()
    assert "everything has stopped" in " ".join(log.read_text().split())
    left = [
        each.pid for each in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(each.info["cmdline"] or [])
    ]
    assert left == []
