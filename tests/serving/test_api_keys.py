"""API keys: only hashes in the file, found or not, and taken up while the API runs."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import pytest

from livetags.api_key_file import write_api_keys
from serving.http import api_keys
from serving.http.api_keys import KeyFileError, KeyRing, new_key, read_keys
from serving.http.rate_limit import RateLimit


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is looked at on each call."""
    monkeypatch.setattr(api_keys, "_RELOAD_S", 0.0)


def test_a_key_is_found_by_its_whole_text_only(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    token, key = new_key("crm", ("marketing", "service"), 50.0, "2026-01-01", sensitive=False)
    other, _ = new_key("crm", ("marketing",), 50.0, "2026-01-01", sensitive=False)
    write_api_keys(file, [key])
    ring = KeyRing(file)
    assert ring.asked_for()
    assert ring.find(token) == key
    mark, id_, secret = token.split("_", 2)
    for wrong in (
        "",
        "lt",
        id_,
        f"lt_{id_}",
        f"lt_{id_}_",
        f"lt_{id_}_{secret[:-1]}",
        f"lt_{id_}_{secret}x",
        f"xx_{id_}_{secret}",
        f"lt_{id_}_{key.sha256}",
        f"lt_{other.split('_')[1]}_{secret}",
        other,
    ):
        assert ring.find(wrong) is None, wrong
    assert mark == "lt"
    assert secret not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_a_secret_with_an_underscore_is_found(tmp_path: Path) -> None:
    made = (new_key("crm", ("service",), 1.0, "", sensitive=False) for _ in range(10_000))
    token, key = next((t, k) for t, k in made if "_" in t.split("_", 2)[2])
    write_api_keys(tmp_path / "keys.json", [key])
    assert KeyRing(tmp_path / "keys.json").find(token) == key


def test_keys_that_are_made_and_withdrawn_hold_at_once(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    ring = KeyRing(file)
    assert not ring.asked_for()
    token, key = new_key("crm", ("service",), 1.0, "", sensitive=False)
    write_api_keys(file, [key])
    assert ring.asked_for()
    assert ring.find(token) == key
    write_api_keys(file, [])
    assert ring.find(token) is None
    assert ring.asked_for(), "an empty file lets nobody in"


def test_a_file_that_goes_or_is_damaged_opens_no_door(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "keys.json"
    token, key = new_key("crm", ("service",), 1.0, "", sensitive=False)
    write_api_keys(file, [key])
    ring = KeyRing(file)
    file.write_text('{"keys": [{"id": 5, "reader": "secret"}]}')
    with caplog.at_level(logging.ERROR):
        assert ring.find(token) == key, "those from before stay in force"
    assert "can't be read" in caplog.text
    assert "secret" not in caplog.text
    file.unlink()
    assert ring.find(token) is None
    assert ring.asked_for()
    file.write_text("{")
    with pytest.raises(KeyFileError, match="livetags api-key add"):
        KeyRing(file)
    file.write_text(msgspec.json.encode({"keys": [msgspec.structs.asdict(key) | {"purposes": ["fun"]}]}).decode())
    with pytest.raises(KeyFileError):
        read_keys(file)


def test_what_is_no_key_is_not_made() -> None:
    with pytest.raises(ValueError, match=r"unknown purposes \['fun'\]: expected one or more of service"):
        new_key("crm", ("fun",), 1.0, "", sensitive=False)
    with pytest.raises(ValueError, match="one or more of"):
        new_key("crm", (), 1.0, "", sensitive=False)
    with pytest.raises(ValueError, match="a reader's name is"):
        new_key("c r m", ("service",), 1.0, "", sensitive=False)
    with pytest.raises(ValueError, match="more than no people"):
        new_key("crm", ("service",), 0.0, "", sensitive=False)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_limit_holds_on_the_average_and_a_batch_is_paid_for_after_it() -> None:
    clock = Clock()
    limit = RateLimit(10.0, clock)
    assert [limit.take(1) for _ in range(10)] == [0.0] * 10
    assert limit.take(1) > 0
    clock.now_s += 0.15  # one and a half people
    assert [limit.take(1) == 0.0 for _ in range(3)] == [True, True, False]
    clock.now_s += 1_000.0  # no more than a second's worth is saved up
    assert limit.take(100) == 0.0
    assert limit.take(1) == pytest.approx(9.0)
    clock.now_s += 8.9
    assert limit.take(1) > 0
    clock.now_s += 0.2
    assert limit.take(1) == 0.0
