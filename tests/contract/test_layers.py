"""Who may import whom, checked by import-linter; and the check itself is seen to fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("city", "schemas", "sources", "udfs", "sinks", "jobs", "serving", "livetags")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the linter on the packages in `folder`, not on those installed."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copy(ROOT / ".importlinter", tmp_path)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_imports_keep_to_the_layers() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("udfs/profile/decay.py", "import pyflink", "Only jobs/ imports pyflink"),
        ("udfs/profile/decay.py", "import time", "udfs/ has no I/O"),
        ("schemas/events.py", "import sources", "Data flows one way"),
        ("sources/feed.py", "import redis", "schemas/ and sources/ touch no store"),
        ("city/__init__.py", "import schemas", "city/ shares no code"),
        ("serving/__init__.py", "import udfs", "serving/ uses no sink"),
    ],
)
def test_an_import_against_the_layers_is_found(copied: Path, file: str, line: str, contract: str) -> None:
    with (copied / file).open("a") as out:
        out.write(f"\n{line}\n")
    done = lint_imports(copied)
    assert done.returncode != 0
    broken = [text for text in done.stdout.splitlines() if " BROKEN" in text]
    assert any(text.startswith(contract) for text in broken), done.stdout + done.stderr
