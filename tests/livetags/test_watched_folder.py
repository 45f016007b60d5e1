"""The folder that running jobs watch."""

from __future__ import annotations

from pathlib import Path

import pytest

from livetags.watched_folder import drop, folder_uri, local_folder
from schemas.settings import Settings


def test_the_default_lies_under_the_data_whatever_that_is_called(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "my data #1")
    folder = local_folder(folder_uri(settings, "", "rule-updates"), "rule_updates")
    assert folder == tmp_path / "my data #1" / "rule-updates"
    assert folder.is_dir()


@pytest.mark.parametrize("scheme", ["", "file:", "file://"])
def test_a_chosen_folder_is_found_and_made(tmp_path: Path, scheme: str) -> None:
    uri = folder_uri(Settings(), f"{scheme}{tmp_path}/shared", "rule-updates")
    assert local_folder(uri, "rule_updates") == tmp_path / "shared"
    assert (tmp_path / "shared").is_dir()


def test_a_folder_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match="rule_updates is s3://bucket/rules, not a folder of this machine"):
        local_folder("s3://bucket/rules", "rule_updates")


def test_a_file_comes_in_one_step(tmp_path: Path) -> None:
    file = drop(tmp_path, "1.txt", "line")
    assert file.read_text() == "line\n"
    assert list(tmp_path.iterdir()) == [file]
