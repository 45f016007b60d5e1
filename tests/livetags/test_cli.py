"""The command, as a person and as a program would use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import redis

from livetags import cli


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "profile_updates", "--feed", "dpi", "--input", "x"], "expected profile_update"),
        (["run", "profile_update", "--feed", "dpy", "--input", "x"], "expected one of household, dpi, signalling,"),
        (["run", "profile_update", "--feed", "dpi", "--input", "no-such-file"], "no such input"),
        (["run", "profile_update", "--feed", "all", "--input", "kafka://h:1/topic"], "leave the topic out"),
        (["run", "profile_update", "--feed", "dpi", "--input", "kafka:///t"], "kafka://host:port"),
        (["run", "profile_update", "--feed", "dpi", "--input", "pyproject.toml", "--unbounded"], "files end"),
        (["tags", "900"], "livetags up"),
        (["verify"], "livetags up"),
        (["rejects"], "livetags up"),
        (["settings", "--set", "window=5"], "known settings"),
        (["settings", "--set", "window_ms=soon"], "window_ms"),
        (["settings", "--set", "window_ms"], "name=value"),
        (["settings", "--settings", "no-such-file.yaml"], "not there"),
        (["settings", "--set", "redis_url=foo://x"], "redis://"),
        (["run", "profile_update", "--feed", "dpi", "--input", "HOUSEHOLD"], "looks like a file of feed household"),
        (["verify", "--feed", "dpi"], "livetags up"),
        (["sample", "all", "--out", "x"], "one feed at a time"),
    ],
)
def test_a_mistake_is_one_clear_line(  # type: ignore[no-untyped-def]
    livetags, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    household = tmp_path / "household.jsonl"
    household.touch()
    code, _, err = livetags(*[str(household) if argument == "HOUSEHOLD" else argument for argument in arguments])
    assert code == 2
    assert expected in err.replace("\n", " ")
    assert "Traceback" not in err


def test_settings_show_value_and_reason_and_no_secret(livetags, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("LIVETAGS_REDIS_URL", "redis://user:hunter2@cache.example:6379/0")
    code, out, _ = livetags("settings", "--json", "--set", 'half_life_days={"app": 3}')
    shown = json.loads(out)
    assert code == 0
    assert shown["half_life_days"]["value"] == {"app": 3.0}
    assert shown["redis_url"]["value"] == "redis://***@cache.example:6379/0"
    assert all(entry["reason"] for entry in shown.values())
    assert "hunter2" not in livetags("settings")[1]


def test_status_says_what_is_wrong_when_the_stores_are_down(livetags) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = livetags("status", "--json")
    report = json.loads(out)
    assert code == 1
    assert report["ok"] is False
    assert "livetags up" in report["problem"]
    assert report["embedded"]["redis"]["state"] == "absent"


@pytest.mark.parametrize("command", [c.name or c.callback.__name__ for c in cli.app.registered_commands if c.callback])
def test_every_command_has_help(livetags, command: str) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = livetags(command, "--help")
    assert code == 0
    assert "Usage" in out


def test_a_store_that_does_not_answer_is_one_line_without_its_password(  # type: ignore[no-untyped-def]
    livetags, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVETAGS_REDIS_URL", "redis://:hunter2@127.0.0.1:1/0")
    monkeypatch.setenv("LIVETAGS_CLICKHOUSE_URL", "http://u:hunter2@127.0.0.1:1")
    for command, store in (("rejects", "ClickHouse"), ("verify", "ClickHouse"), ("tags", "Redis")):
        code, out, err = livetags(command, *(["900"] if command == "tags" else []))
        assert code == 2
        assert f"{store} at" in err
        assert f"LIVETAGS_{store.upper()}_URL" in err.replace("\n", "")
        assert "hunter2" not in out + err
        assert "Traceback" not in err


@pytest.mark.flink
@pytest.mark.stores
def test_from_sample_to_verify(  # type: ignore[no-untyped-def]
    livetags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valkey: str, clickhouse: str
) -> None:
    """The whole path of a first user, with a corrupted weight in the end that verify must catch."""
    monkeypatch.setenv("LIVETAGS_REDIS_URL", valkey)
    monkeypatch.setenv("LIVETAGS_CLICKHOUSE_URL", clickhouse)
    monkeypatch.setenv("LIVETAGS_REDIS_KEY_PREFIX", "cli")
    monkeypatch.setenv("LIVETAGS_CLICKHOUSE_DATABASE", "cli")
    file = tmp_path / "household.jsonl"
    assert livetags("sample", "household", "--out", str(file), "--events", "3000")[0] == 0

    code, out, _ = livetags("run", "profile_update", "--feed", "household", "--input", str(file), "--json")
    finished = json.loads(out)
    assert code == 0
    assert finished["status"] == "finished"
    assert finished["events_in"] == 3_000
    assert finished["folded"] + finished["duplicates"] + sum(finished["rejected"].values()) == 3_000

    code, out, _ = livetags("tags", "900", "--json")
    hot = json.loads(out)
    assert code == 0
    at = f"{hot['as_of_ms'] / 1000:.3f}"
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(float(at), UTC).isoformat()
    past = json.loads(livetags("tags", "900", "--at", moment, "--json")[1])
    weights = {tag["tag"]: tag["weight"] for tag in past["tags"]}
    assert weights
    assert weights == pytest.approx({tag["tag"]: tag["weight"] for tag in hot["tags"]}, rel=1e-9)
    assert livetags("tags", "nobody")[0] == 1

    assert json.loads(livetags("rejects", "--json")[1])["total"] == sum(finished["rejected"].values()) > 0
    assert "tag_missing" in livetags("rejects")[1]
    assert json.loads(livetags("status", "--json")[1])["last_run"]["events_in"] == 3_000

    code, out, _ = livetags("verify", "--json")
    assert code == 0
    assert json.loads(out)["ok"] is True
    client = redis.Redis.from_url(valkey)
    field = next(tag["tag"] for tag in hot["tags"] if tag["mean"] is None)
    client.hset("cli:p:{900}", field, "12345.0")
    code, out, _ = livetags("verify", "--json")
    assert code == 1
    assert json.loads(out)["differences"] == {"redis_weight": 1}

    other = tmp_path / "other.jsonl"
    other.write_bytes(file.read_bytes())
    code, _, err = livetags("run", "profile_update", "--feed", "household", "--input", str(other))
    assert code == 2
    assert "--restore" in err
