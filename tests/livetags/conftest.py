"""The command, without stores or over those of one test."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from livetags import cli
from schemas.settings import SETTINGS_FILE_VARIABLE

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def livetags(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Runs the command with arguments; returns exit code, standard output, standard error."""
    monkeypatch.delenv(SETTINGS_FILE_VARIABLE, raising=False)
    monkeypatch.setenv("LIVETAGS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["livetags", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return call


@pytest.fixture
def command(
    livetags: Command, monkeypatch: pytest.MonkeyPatch, valkey: str, clickhouse: str, database: str, prefix: str
) -> Command:
    """The same over a database and a prefix of the test."""
    for name, value in {
        "LIVETAGS_REDIS_URL": valkey,
        "LIVETAGS_CLICKHOUSE_URL": clickhouse,
        "LIVETAGS_CLICKHOUSE_DATABASE": database,
        "LIVETAGS_REDIS_KEY_PREFIX": prefix,
    }.items():
        monkeypatch.setenv(name, value)
    return livetags
