"""The file with the keys: made once, never overwritten, readable by its owner only at every moment."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from livetags.key_file import ensure_keys, key_file, write_keys
from livetags.private_file import write_private
from schemas.pseudonym_keys import KeysError, new_keys, read_keys
from schemas.settings import KEYS_FILE, Settings


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.fixture(autouse=True)
def open_handed() -> object:
    """Whatever the process gives to others by default."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_keys_are_made_once_for_the_embedded_default(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "not" / "there")
    keys = ensure_keys(settings)
    assert key_file(settings) == tmp_path / "not" / "there" / KEYS_FILE
    assert mode(key_file(settings)) == 0o600
    assert read_keys(key_file(settings).read_text()) == keys
    assert ensure_keys(settings) == keys == settings.keys()
    assert ensure_keys(Settings(data_dir=tmp_path / "another")) != keys


def test_a_file_that_is_named_is_never_made(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, pseudonym_keys_file=tmp_path / "mounted.json")
    assert key_file(settings) == tmp_path / "mounted.json"
    with pytest.raises(KeysError, match=r"mounted\.json can't be read"):
        ensure_keys(settings)
    assert list(tmp_path.iterdir()) == []


def test_keys_of_the_environment_come_first(tmp_path: Path) -> None:
    keys = new_keys()
    settings = Settings(data_dir=tmp_path, pseudonym_keys=keys.to_json(), pseudonym_keys_file=tmp_path / "other.json")
    assert ensure_keys(settings) == keys
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeysError) as refused:
        ensure_keys(Settings(data_dir=tmp_path, pseudonym_keys='{"active": "k1", "secret": "hunter2"}'))
    assert "hunter2" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_not_replaced(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    key_file(settings).write_text('{"active": "k1"')
    with pytest.raises(KeysError):
        ensure_keys(settings)
    assert key_file(settings).read_text() == '{"active": "k1"'


def test_writing_replaces_in_one_step_and_leaves_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text("old")
    file.chmod(0o644)
    (tmp_path / "keys.json.part").write_text("left behind by a crash")
    (tmp_path / "keys.json.part").chmod(0o666)
    keys = new_keys()
    write_keys(file, keys)
    assert read_keys(file.read_text()) == keys
    assert mode(file) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]


def test_nobody_else_can_read_a_private_file_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    replace = Path.replace

    def look(self: Path, target: Path) -> Path:
        seen.append(mode(self))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", look)
    write_private(tmp_path / "a" / "file", "文\n")
    assert seen == [0o600]
    assert (tmp_path / "a" / "file").read_text("utf-8") == "文\n"
