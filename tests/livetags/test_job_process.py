"""Where a savepoint is when the job was gone before it had said so."""

from __future__ import annotations

import time
from pathlib import Path

from livetags.job_process import _newest_savepoint


def test_the_newest_savepoint_of_a_local_folder_is_found(tmp_path: Path) -> None:
    began_s = time.time() - 1.0
    assert _newest_savepoint(tmp_path.as_uri(), began_s) is None
    for name in ("savepoint-1", "savepoint-2"):
        (tmp_path / name).mkdir()
    assert _newest_savepoint(tmp_path.as_uri(), began_s) is None, "one without its metadata is not finished"
    (tmp_path / "savepoint-2" / "_metadata").write_bytes(b"m")
    assert _newest_savepoint(tmp_path.as_uri(), began_s) == (tmp_path / "savepoint-2").as_uri()
    assert _newest_savepoint(tmp_path.as_uri(), time.time() + 60.0) is None, "an older one is another's"
    assert _newest_savepoint("hdfs://somewhere/savepoints", began_s) is None
