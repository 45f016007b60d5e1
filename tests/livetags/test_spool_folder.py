from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from livetags.spool_folder import PRIVATE_FOLDERS, make_private, new_spool
from schemas.settings import Settings


def test_what_can_hold_raw_records_is_for_the_owner_only(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir(mode=0o755)
    make_private(Settings(data_dir=tmp_path))
    assert {name: (tmp_path / name).stat().st_mode & 0o777 for name in PRIVATE_FOLDERS} == dict.fromkeys(
        PRIVATE_FOLDERS, 0o700
    )


def test_what_a_killed_run_left_goes_and_what_a_living_one_uses_stays(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    make_private(settings)
    mine = new_spool(settings, "mine")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    killed = tmp_path / "spool" / "killed"
    killed.mkdir()
    (killed / "pid").write_text(str(ended.pid))
    (killed / "replay.json.gz").write_text("raw")
    unfinished = tmp_path / "spool" / "unfinished"
    unfinished.mkdir()
    new_spool(settings, "next")
    assert sorted(each.name for each in (tmp_path / "spool").iterdir()) == ["mine", "next", "unfinished"]
    assert (mine / "pid").read_text() == str(os.getpid())
