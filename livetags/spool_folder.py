"""Where a replay's records lie while it runs: raw as in the log, so for the owner only, and gone afterwards."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil

from schemas.settings import Settings

_OWNER = "pid"
PRIVATE_FOLDERS = ("spool", "checkpoints", "savepoints")
"""Folders of the embedded default that can hold records as they came."""


def make_private(settings: Settings) -> None:
    """Make the folders that can hold raw records, readable by their owner only."""
    for name in PRIVATE_FOLDERS:
        folder = settings.data_dir.absolute() / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)


def new_spool(settings: Settings, run_id: str) -> Path:
    """A folder for this run's spool; removes those that runs which were killed have left behind."""
    spools = settings.data_dir.absolute() / "spool"
    for left in [folder for folder in spools.iterdir() if folder.is_dir()]:
        try:
            owner = int((left / _OWNER).read_text())
        except (OSError, ValueError):
            continue  # somebody is just making it
        if not psutil.pid_exists(owner):
            shutil.rmtree(left, ignore_errors=True)
    folder = spools / run_id
    folder.mkdir()
    (folder / _OWNER).write_text(str(os.getpid()))
    return folder
