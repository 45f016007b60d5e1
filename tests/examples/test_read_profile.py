"""The examples that read from Redis with nothing of ours, each run as its readers would run it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from made_catalogue import DAY_MS, HALF_LIVES_MS, MADE

from schemas.outputs import HotProfile
from serving.audit import newest_records
from serving.client import ProfileClient
from sinks.redis_hot import RedisHotSink
from udfs.profile.snapshot import version_of

pytestmark = pytest.mark.stores

EXAMPLES = Path(__file__).parents[2] / "examples"
AS_OF_MS = 1_767_225_600_000
NOW_MS = AS_OF_MS + 3 * DAY_MS + 12_345
EXPIRES_MS = 4_102_444_800_000
USER = "p.AbCdEfGhIjKlMnOpQrSt"

WEIGHTS = {
    "content:新闻": 8.125,
    "content:sport": 0.1 + 0.2,
    "content:a:b c": 1e-5,
    "visit_min:all": 64.0,
    "faith:x": 3.0,
    "channel:sms": 5.0,
}


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on PATH")
    return found


def java() -> str:
    """A Java that compiles what it is given: a runtime alone, as the wheel's, can't."""
    found = program("java")
    if shutil.which("javac") is None:
        pytest.skip("the java on PATH is a runtime without a compiler")
    return found


def go(folder: Path) -> list[str]:
    """Compiled, as a test that compiles on each call would measure the compiler."""
    built = folder / "read_profile"
    subprocess.run([program("go"), "build", "-o", built, EXAMPLES / "read_profile.go"], check=True, timeout=240)
    return [str(built)]


def command(language: str, folder: Path) -> list[str]:
    if language == "java":
        return [java(), str(EXAMPLES / "ReadProfile.java")]
    if language == "node":
        return [program("node"), str(EXAMPLES / "read_profile.mjs")]
    return go(folder) if language == "go" else [sys.executable, str(EXAMPLES / "read_profile.py")]


def run(language: str, folder: Path, url: str, prefix: str, purpose: str, user: str, now_ms: int) -> list[str]:
    at = urlsplit(url)
    words = [str(at.hostname), str(at.port), prefix, f"{language}-service", purpose, user, str(now_ms)]
    if language == "python":
        names = ("--host", "--port", "--prefix", "--reader", "--purpose")
        words = [*(word for pair in zip(names, words) for word in pair), user, "--now-ms", str(now_ms)]
    done = subprocess.run(
        [*command(language, folder), *words],
        cwd=folder,  # it needs nothing of ours
        env={
            "HOME": os.environ.get("HOME", str(folder)),
            "PATH": os.environ["PATH"],
            "PYTHONIOENCODING": "utf-8",
            "LC_ALL": "C.UTF-8",
        },
        capture_output=True,
        timeout=120,
    )
    text = done.stdout.decode()
    if done.returncode:
        return [f"exit {done.returncode}: {done.stderr.decode().strip().splitlines()[-1]}"]
    return text.splitlines()


@pytest.mark.parametrize("language", ["python", "java", "go", "node"])
def test_an_example_reads_what_the_client_reads(language: str, valkey: str, prefix: str, tmp_path: Path) -> None:
    sink = RedisHotSink(valkey, prefix, 5.0, 10.0)
    sink.open(HALF_LIVES_MS, MADE)
    fields = WEIGHTS | {"visit_min:all.mean": 12.5, "visit_min:all.std": 0.5}
    made = HotProfile(USER, version_of(0, 1), AS_OF_MS, EXPIRES_MS, fields, {"content": 1.0}, dict.fromkeys(WEIGHTS, 7))
    made.reason, made.changed_ms = "since 2025-12-20: more content:新闻", 99
    sink.write_batch([made])
    sink.close()
    for purpose in ("profiling", "marketing", "security"):
        with ProfileClient(valkey, reader="ours", purpose=purpose, prefix=prefix, clock_ms=lambda: NOW_MS) as client:
            expected = {t.tag: t.weight for t in client.profile(USER).tags}
        lines = run(language, tmp_path, valkey, prefix, purpose, USER, NOW_MS)
        found = {tag: float(weight) for tag, weight in (line.split("\t") for line in lines)}
        assert found == pytest.approx(expected, rel=1e-14)
        assert list(found) == list(expected)
    assert run(language, tmp_path, valkey, prefix, "profiling", "p.nobody", NOW_MS) == ["exit 1: no profile"]
    with redis.Redis.from_url(valkey) as client:
        records = [r for r in newest_records(client, prefix, 100) if r.reader == f"{language}-service"]
    assert [(r.operation, r.purpose, r.users, r.sensitive) for r in records[::-1]] == [
        ("profile", "profiling", (USER,), False),
        ("profile", "marketing", (USER,), False),
        ("profile", "security", (USER,), False),
        ("profile", "profiling", ("p.nobody",), False),
    ]


def test_the_examples_are_named_in_the_documentation() -> None:
    document = (EXAMPLES.parent / "docs" / "reading-redis.md").read_text()
    for file in EXAMPLES.iterdir():
        if file.stem.lower().replace("_", "") == "readprofile":
            assert re.search(rf"\(\.\./examples/{re.escape(file.name)}\)", document), file.name
