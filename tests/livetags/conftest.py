"""The command over the stores of one test."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from livetags import cli
from schemas.settings import SETTINGS_FILE_VARIABLE


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    valkey: str,
    clickhouse: str,
    database: str,
    prefix: str,
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command over a database and a prefix of the test; returns exit code, standard output, standard error."""
    monkeypatch.delenv(SETTINGS_FILE_VARIABLE, raising=False)
    for name, value in {
        "LIVETAGS_DATA_DIR": str(tmp_path / "data"),
        "LIVETAGS_REDIS_URL": valkey,
        "LIVETAGS_CLICKHOUSE_URL": clickhouse,
        "LIVETAGS_CLICKHOUSE_DATABASE": database,
        "LIVETAGS_REDIS_KEY_PREFIX": prefix,
        "COLUMNS": "200",
    }.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["livetags", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return call
