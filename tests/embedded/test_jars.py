"""Fetching jars against a lock, with a repository made of bytes: verified, tried again, whole or not at all."""

from __future__ import annotations

import hashlib
import multiprocessing
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from livetags.embedded import jars

CONTENTS = {f"g.h:lib{i}:1.{i}": f"jar number {i}".encode() * 100 for i in range(3)}


class Repository:
    """Stands where jgo does; fails as often as it is told to."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.contents = dict(contents)
        self.failures = 0
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, coordinate: jars.Coordinate, into: Path) -> Path:
        with self._lock:
            self.asked.append(str(coordinate))
            fails, self.failures = self.failures > 0, self.failures - 1
        into.mkdir(parents=True)
        path = into / coordinate.file_name
        if fails:
            path.write_bytes(b"half a ")
            message = "refused by //me:secret@mirror/x"
            raise ConnectionError(message)
        path.write_bytes(self.contents[str(coordinate)])
        return path


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Repository:
    fake = Repository(CONTENTS)
    monkeypatch.setattr(jars, "_with_jgo", fake)
    monkeypatch.setattr(jars, "_FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    return fake


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    path = tmp_path / "test.lock"
    lines = [f"{hashlib.sha256(content).hexdigest()}  {coordinate}" for coordinate, content in CONTENTS.items()]
    path.write_text("\n".join(["# made by a test", "", "[some]", *lines, "", "[one]", lines[0]]) + "\n")
    return path


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != ".lock"}


def test_fetch_brings_the_set_in_order(repository: Repository, lock_file: Path, tmp_path: Path) -> None:
    said: list[str] = []
    got = jars.fetch("some", tmp_path / "a" / "jars", said.append, lock_file=lock_file)
    assert [path.name for path in got] == ["lib0-1.0.jar", "lib1-1.1.jar", "lib2-1.2.jar"]
    assert [path.read_bytes() for path in got] == list(CONTENTS.values())
    assert len(said) == 3
    assert all("downloaded" in line for line in said)
    assert files(tmp_path / "a" / "jars") == {path.name for path in got}, "nothing temporary is left"
    assert len(repository.asked) == 3


def test_present_jars_need_no_network(repository: Repository, lock_file: Path, tmp_path: Path) -> None:
    first = jars.fetch("some", tmp_path / "jars", lock_file=lock_file)
    repository.asked.clear()
    said: list[str] = []
    assert jars.fetch("some", tmp_path / "jars", said.append, lock_file=lock_file) == first
    assert repository.asked == []
    assert all("present" in line for line in said)


def test_only_the_missing_one_is_brought(repository: Repository, lock_file: Path, tmp_path: Path) -> None:
    jars.fetch("some", tmp_path / "jars", lock_file=lock_file)[1].unlink()
    repository.asked.clear()
    jars.fetch("some", tmp_path / "jars", lock_file=lock_file)
    assert repository.asked == ["g.h:lib1:1.1"]


def test_tampered_file_is_refused_and_deleted(repository: Repository, lock_file: Path, tmp_path: Path) -> None:
    path = jars.fetch("one", tmp_path / "jars", lock_file=lock_file)[0]
    path.write_bytes(b"evil")
    with pytest.raises(jars.JarError) as caught:
        jars.fetch("one", tmp_path / "jars", lock_file=lock_file)
    said = str(caught.value)
    assert hashlib.sha256(b"evil").hexdigest() in said
    assert hashlib.sha256(CONTENTS["g.h:lib0:1.0"]).hexdigest() in said
    assert not path.exists()
    assert jars.fetch("one", tmp_path / "jars", lock_file=lock_file)[0].read_bytes() == CONTENTS["g.h:lib0:1.0"]


def test_wrong_download_never_lands(repository: Repository, lock_file: Path, tmp_path: Path) -> None:
    repository.contents["g.h:lib1:1.1"] = b"another jar"
    with pytest.raises(jars.JarError, match=r"lib1-1\.1\.jar .* is not the locked jar"):
        jars.fetch("some", tmp_path / "jars", lock_file=lock_file)
    assert "lib1-1.1.jar" not in files(tmp_path / "jars")
    assert not any(name.startswith(".") for name in files(tmp_path / "jars"))


def test_transient_failures_are_tried_again(repository: Repository, lock_file: Path, tmp_path: Path) -> None:
    repository.failures = 3
    assert jars.fetch("one", tmp_path / "jars", lock_file=lock_file)[0].read_bytes() == CONTENTS["g.h:lib0:1.0"]
    assert len(repository.asked) == 4


def test_lasting_failure_says_what_to_do_and_no_secret(repository: Repository, lock_file: Path, tmp_path: Path) -> None:
    repository.failures = 100
    with pytest.raises(jars.JarError) as caught:
        jars.fetch("one", tmp_path / "jars", lock_file=lock_file)
    said = str(caught.value)
    assert "g.h:lib0:1.0 could not be downloaded" in said
    assert "attempt 4" in said
    assert "mirror" in said
    assert "secret" not in said
    assert files(tmp_path / "jars") == set()


def test_mvn_is_asked_where_jgo_fails(
    repository: Repository, lock_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.failures = 100
    source = tmp_path / "source.jar"
    source.write_bytes(CONTENTS["g.h:lib0:1.0"])
    mvn = tmp_path / "mvn"
    mvn.write_text(
        "#!/bin/sh\n"
        'for each in "$@"; do case $each in\n'
        "  -Dartifact=g.h:lib0:1.0:jar) right=1;;\n"
        "  -DoutputDirectory=*) into=${each#*=};;\n"
        "esac; done\n"
        f'[ -n "$right" ] && mkdir -p "$into" && cp {source} "$into/lib0-1.0.jar"\n'
    )
    mvn.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _name: str(mvn))
    assert jars.fetch("one", tmp_path / "jars", lock_file=lock_file)[0].read_bytes() == source.read_bytes()


def test_leftovers_of_killed_processes_go(repository: Repository, lock_file: Path, tmp_path: Path) -> None:
    left = tmp_path / "jars" / f"{jars._TEMPORARY}killed"
    left.mkdir(parents=True)
    (left / "half.jar").write_bytes(b"half")
    jars.fetch("one", tmp_path / "jars", lock_file=lock_file)
    assert not left.exists()


def _fetch_and_count(lock_file: Path, folder: Path, counts: multiprocessing.SimpleQueue[int]) -> None:
    repository = Repository(CONTENTS)
    jars._with_jgo = repository
    jars.fetch("some", folder, lock_file=lock_file)
    counts.put(len(repository.asked))


def test_processes_at_the_same_time_download_once(lock_file: Path, tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    counts = fork.SimpleQueue()
    workers = [fork.Process(target=_fetch_and_count, args=(lock_file, tmp_path / "jars", counts)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert sorted(counts.get() for _ in workers) == [0, 0, 3]


def test_unknown_set_names_the_known_ones(lock_file: Path, tmp_path: Path) -> None:
    with pytest.raises(jars.JarError, match="got 'nope', expected one of one, some"):
        jars.fetch("nope", tmp_path, lock_file=lock_file)


@pytest.mark.parametrize("line", ["[s]\nxyz  a:b:1", f"{'0' * 64}  a:b:1", f"[s]\n{'0' * 64} a:b:1"])
def test_broken_lock_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "broken.lock"
    path.write_text(line)
    with pytest.raises(jars.JarError, match=r"line [12]"):
        jars.read_lock(path)


def test_absent_lock(tmp_path: Path) -> None:
    with pytest.raises(jars.JarError, match="cannot be read"):
        jars.read_lock(tmp_path / "none.lock")


@pytest.mark.parametrize("text", ["a:b", "a:b:c:d:e", "a::1", "../x:b:1", "a:b:../1", "a:-b:1", "a:b:1\n"])
def test_bad_coordinates(text: str) -> None:
    with pytest.raises(jars.JarError, match="Maven coordinates"):
        jars.Coordinate.parse(text)


def test_coordinates_round_trip() -> None:
    for text, name in (("g.h:a:1.0", "a-1.0.jar"), ("g:a:1.0:linux", "a-1.0-linux.jar")):
        assert str(jars.Coordinate.parse(text)) == text
        assert jars.Coordinate.parse(text).file_name == name


def test_lock_is_written_and_read_back(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "_ROOTS", {"one": ("g.h:lib0:1.0", False), "some": ("g.h:lib1:1.1", True)})
    closure: Callable[[jars.Coordinate], list[jars.Coordinate]] = lambda root: [  # noqa: E731
        root,
        jars.Coordinate.parse("g.h:lib2:1.2"),
    ]
    monkeypatch.setattr(jars, "_closure", closure)
    path = tmp_path / "new.lock"
    jars.write_lock(path)
    assert {name: [str(jar.coordinate) for jar in locked] for name, locked in jars.read_lock(path).items()} == {
        "one": ["g.h:lib0:1.0"],
        "some": ["g.h:lib1:1.1", "g.h:lib2:1.2"],
    }
    jars.fetch("some", tmp_path / "jars", lock_file=path)


def test_the_projects_lock_has_its_sets() -> None:
    sets = jars.read_lock()
    assert sets.keys() == jars._ROOTS.keys()
    assert [str(jar.coordinate) for jar in sets["flink-kafka"]] == [jars._ROOTS["flink-kafka"][0]]
    artifacts = {jar.coordinate.artifact: jar.coordinate.version for jar in sets["kafka-broker"]}
    assert artifacts["kafka_2.13"] == artifacts["kafka-clients"] == "4.1.0"
    assert artifacts["slf4j-simple"] == artifacts["slf4j-api"], "the log backend is of its API's version"
    for locked in sets.values():
        names = [jar.coordinate.file_name for jar in locked]
        assert len(names) == len(set(names)), "two jars of one set would be one file"


def test_command_fails_with_a_status(
    repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert jars.main(["fetch", "nope", "--folder", str(tmp_path)]) == 1
    assert "expected one of" in capsys.readouterr().err
