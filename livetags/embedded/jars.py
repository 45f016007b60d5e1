"""Jars by Maven coordinates, each one verified against ``jars.lock``.

As a command::

    python -m livetags.embedded.jars fetch [--folder FOLDER] [SET ...]
    python -m livetags.embedded.jars lock

The addresses come from jgo, which knows the public Maven repository by itself. A mirror goes into the
``[repositories]`` section of jgo's own settings file; one named ``central`` takes the public one's place. Where jgo
gets no answer and the machine has ``mvn``, that is asked instead, with the mirrors of its own settings.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCK_FILE = Path(__file__).with_name("jars.lock")
DEFAULT_FOLDER = Path(".livetags") / "jars"

# What each set starts from, and whether its dependencies belong to it. The Flink connector is one self-contained jar.
_ROOTS: dict[str, tuple[str, bool]] = {
    "flink-kafka": ("org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2", False),
    "kafka-broker": ("org.apache.kafka:kafka_2.13:4.1.0", True),
}
# Kafka's POM leaves the choice of a log backend to whoever runs it. Not slf4j-nop: the broker says why it died only
# in its log, so with it an ill-fated start would leave an exit status and not one word.
_LOG_API = ("org.slf4j", "slf4j-api")
_LOG_BACKEND = ("org.slf4j", "slf4j-simple")

_ATTEMPTS = 4
_FIRST_WAIT_S = 1.0
_HTTP_TIMEOUT_S = 30
_MVN_TIMEOUT_S = 300.0
_WORKERS = 4
_TEMPORARY = ".incoming-"


class JarError(RuntimeError):
    """A jar could not be had, or is not the locked one; the message says which, why and what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Coordinate:
    """Where a jar lives in a Maven repository."""

    group: str
    artifact: str
    version: str
    classifier: str = ""

    @classmethod
    def parse(cls, text: str) -> Coordinate:
        """Read ``group:artifact:version[:classifier]``; anything else is a ``JarError``."""
        parts = text.split(":")
        # A part ends up in a file name and in another program's arguments.
        if len(parts) not in (3, 4) or not all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", part) for part in parts):
            message = f"Maven coordinates: got {text!r}, expected group:artifact:version[:classifier]"
            raise JarError(message)
        return cls(*parts)

    def __str__(self) -> str:
        classifier = f":{self.classifier}" if self.classifier else ""
        return f"{self.group}:{self.artifact}:{self.version}{classifier}"

    @property
    def file_name(self) -> str:
        """The jar's file name, the one that Maven gives it."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.artifact}-{self.version}{classifier}.jar"


@dataclass(frozen=True, slots=True)
class LockedJar:
    """One line of the lock file."""

    sha256: str
    coordinate: Coordinate


def fetch(
    set_name: str,
    folder: Path,
    progress: Callable[[str], None] | None = None,
    *,
    lock_file: Path = LOCK_FILE,
) -> list[Path]:
    """Have every jar of a set in ``folder``, each one with the locked SHA-256.

    Jars already there and right cost a hash and no network. The others are downloaded into a temporary folder,
    verified, and only then renamed into place, so that no reader ever sees half a jar; processes that fetch at the
    same time wait for each other. Transient failures are tried again a few times.

    Parameters
    ----------
    set_name
        A section of the lock file: ``flink-kafka`` or ``kafka-broker``.
    folder
        Where the jars go; made when absent.
    progress
        Called with one line per jar.
    lock_file
        The lock to verify against.

    Returns
    -------
    list[Path]
        The jars in lock order, absolute: a class path.

    Raises
    ------
    JarError
        Unknown set, broken lock file, no answer from any repository, or a file that is not the locked one. Such a
        file is deleted first, so the next call downloads it anew.
    """
    sets = read_lock(lock_file)
    if set_name not in sets:
        message = f"jar set: got {set_name!r}, expected one of {', '.join(sorted(sets))} (the sections of {lock_file})"
        raise JarError(message)
    locked = sets[set_name]
    folder = folder.resolve()
    report = progress or (lambda _line: None)
    paths = [folder / jar.coordinate.file_name for jar in locked]

    present = [_is_present(jar, folder) for jar in locked]
    for jar, there in zip(locked, present, strict=True):
        if there:
            report(f"{jar.coordinate}: present")
    if all(present):
        return paths

    folder.mkdir(parents=True, exist_ok=True)
    with _exclusive(folder):
        missing = [jar for jar, there in zip(locked, present, strict=True) if not there]
        pool = ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="jars")
        try:
            for jar, line in zip(missing, pool.map(lambda jar: _bring(jar, folder), missing), strict=True):
                report(f"{jar.coordinate}: {line}")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return paths


def read_lock(lock_file: Path = LOCK_FILE) -> dict[str, list[LockedJar]]:
    """Read the lock file: ``[set]`` lines, each followed by ``sha256  group:artifact:version[:classifier]`` lines.

    Raises
    ------
    JarError
        The file is absent, or a line is neither of these, a comment or empty; the message has the line's number.
    """
    try:
        text = lock_file.read_text(encoding="utf-8")
    except OSError as error:
        message = (
            f"jar lock {lock_file} cannot be read ({error.strerror or error}); it is part of the project: restore it, "
            f"or make it anew with: python -m livetags.embedded.jars lock"
        )
        raise JarError(message) from error
    sets: dict[str, list[LockedJar]] = {}
    current: list[LockedJar] | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            current = sets.setdefault(line[1:-1], [])
            continue
        digest, _, coordinate = line.partition("  ")
        if current is None or not re.fullmatch(r"[0-9a-f]{64}", digest):
            message = (
                f"{lock_file} line {number}: got {line!r}, expected [set] or 'sha256  group:artifact:version' "
                f"below a [set]; make the file anew with: python -m livetags.embedded.jars lock"
            )
            raise JarError(message)
        current.append(LockedJar(digest, Coordinate.parse(coordinate.strip())))
    return sets


def write_lock(lock_file: Path = LOCK_FILE, progress: Callable[[str], None] | None = None) -> None:
    """Resolve every set anew, download its jars, and write their SHA-256 sums to ``lock_file``.

    Nothing is taken from a folder of jars fetched earlier: the sums are those of what the repository serves now.

    Raises
    ------
    JarError
        A dependency could not be resolved or downloaded; the old lock file is then left as it was.
    """
    report = progress or (lambda _line: None)
    lines = [
        "# Made by: python -m livetags.embedded.jars lock",
        "# sha256  group:artifact:version[:classifier]",
    ]
    for set_name, (root, transitive) in _ROOTS.items():
        report(f"{set_name}: resolving {root}")
        coordinates = _closure(Coordinate.parse(root)) if transitive else [Coordinate.parse(root)]
        lines += ["", f"[{set_name}]"]
        with tempfile.TemporaryDirectory(prefix="livetags-jars-") as scratch:
            for coordinate in coordinates:
                digest = _sha256(_download(coordinate, Path(scratch)))
                lines.append(f"{digest}  {coordinate}")
                report(f"{coordinate}: {digest[:12]}…")
    written = lock_file.with_name(f".{lock_file.name}-{os.getpid()}")
    written.write_text("\n".join(lines) + "\n", encoding="utf-8")
    written.replace(lock_file)


def _is_present(jar: LockedJar, folder: Path) -> bool:
    path = folder / jar.coordinate.file_name
    if not path.exists():
        return False
    _verify(path, jar)
    return True


def _bring(jar: LockedJar, folder: Path) -> str:
    # Another process may have brought it while this one waited for its turn.
    if _is_present(jar, folder):
        return "present"
    with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=folder) as scratch:
        got = _download(jar.coordinate, Path(scratch))
        _verify(got, jar)
        size = got.stat().st_size
        got.replace(folder / jar.coordinate.file_name)
    return f"downloaded, {size / 1e6:.1f} MB"


def _verify(path: Path, jar: LockedJar) -> None:
    got = _sha256(path)
    if got == jar.sha256:
        return
    path.unlink(missing_ok=True)
    message = (
        f"{path.name} ({jar.coordinate}) is not the locked jar: got SHA-256 {got}, expected {jar.sha256}. The file "
        f"was deleted; run the same again to download it anew. If that gives the same sum, the repository or mirror "
        f"serves another file: do not use it."
    )
    raise JarError(message)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel gives it back when the process ends, however it ends."""
    with (folder / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # Whoever holds the lock is alone, so these were left by processes that were killed.
        for left in folder.glob(f"{_TEMPORARY}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def _download(coordinate: Coordinate, scratch: Path) -> Path:
    """Bring one jar into ``scratch``, not verified: with jgo, else with the machine's mvn."""
    failures: list[str] = []
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_FIRST_WAIT_S * 2 ** (attempt - 1))
        # A fresh folder each time: jgo takes whatever is in it, half a jar too, for the jar.
        into = scratch / f"{coordinate.artifact}-{attempt}"
        try:
            return _with_jgo(coordinate, into)
        # jgo raises RuntimeError for any HTTP status but 200, AssertionError when its own files are not as it expects,
        # and lets the errors of requests through, which are OSErrors.
        except (RuntimeError, AssertionError, OSError) as error:
            failures.append(f"jgo, attempt {attempt + 1}: {_no_secrets(error)}")
    mvn = shutil.which("mvn")
    if mvn is not None:
        try:
            return _with_mvn(mvn, coordinate, scratch / "mvn")
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            failures.append(f"mvn: {_no_secrets(error)}")
    said = "\n".join(f"  - {line}" for line in failures)
    message = (
        f"{coordinate} could not be downloaded:\n{said}\n"
        f"Check the network (behind a proxy: HTTPS_PROXY; with a private certificate authority: REQUESTS_CA_BUNDLE); "
        f"name a mirror in the [repositories] section of jgo's settings file; or put {coordinate.file_name} into the "
        f"jar folder by hand: it is verified all the same."
    )
    raise JarError(message)


def _with_jgo(coordinate: Coordinate, into: Path) -> Path:
    context = _jgo_context(into)
    project = context.project(coordinate.group, coordinate.artifact)
    path: Path = project.at_version(coordinate.version).artifact(coordinate.classifier, "jar").resolve()
    return path


def _with_mvn(mvn: str, coordinate: Coordinate, into: Path) -> Path:
    classifier = f":{coordinate.classifier}" if coordinate.classifier else ""
    artifact = f"{coordinate.group}:{coordinate.artifact}:{coordinate.version}:jar{classifier}"
    argv = [mvn, "-B", "-q", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={into}"]
    answer = subprocess.run(
        argv,
        # Away from any project: a pom.xml in the current folder would be built.
        cwd=into.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_MVN_TIMEOUT_S,
        check=False,
    )
    path = into / coordinate.file_name
    if answer.returncode != 0 or not path.is_file():
        last = " / ".join(answer.stdout.strip().splitlines()[:2])
        message = f"ended with status {answer.returncode} and said: {last or 'nothing'}"
        raise RuntimeError(message)
    return path


def _closure(root: Coordinate) -> list[Coordinate]:
    """Everything ``root`` needs at run time, itself first, and a log backend of the version of its log API."""
    with tempfile.TemporaryDirectory(prefix="livetags-poms-") as scratch:
        context = _jgo_context(Path(scratch))
        dependency = context.create_dependency(str(root))
        try:
            resolved, transitive = context.resolver.resolve([dependency])
        except (RuntimeError, AssertionError, ValueError, OSError) as error:
            message = f"the dependencies of {root} could not be resolved: {_no_secrets(error)}; check the network"
            raise JarError(message) from error
    found = [*resolved, *(each for each in transitive if each.scope in ("compile", "runtime") and not each.optional)]
    coordinates = [
        Coordinate(each.artifact.groupId, each.artifact.artifactId, each.artifact.version, each.artifact.classifier)
        for each in found
    ]
    api = [each for each in coordinates if (each.group, each.artifact) == _LOG_API]
    if len(api) != 1:
        message = f"{root} was expected to need one {':'.join(_LOG_API)}, it needs {len(api)}; look at its POM"
        raise JarError(message)
    backend = Coordinate(*_LOG_BACKEND, api[0].version)
    return [coordinates[0], *sorted({*coordinates[1:], backend})]


def _jgo_context(cache: Path) -> Any:
    try:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.maven import MavenContext
    except ImportError as error:
        message = f"jgo is not installed ({error}); install the project's 'embedded' extra"
        raise JarError(message) from error
    # jgo's own Python API leaves the [repositories] of its settings file to its command line.
    mirrors: dict[str, str] = dict(GlobalSettings.load().repositories)
    mirrors.setdefault("central", MAVEN_CENTRAL_URL)
    return MavenContext(repo_cache=cache, remote_repos=mirrors, timeout=_HTTP_TIMEOUT_S)


def _no_secrets(error: BaseException) -> str:
    """Say an error in one line, without the user name and password that a mirror's address may carry."""
    return re.sub(r"//[^/@\s]*@", "//…@", " ".join(f"{type(error).__name__}: {error}".split()))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line of this module; returns the process's exit status."""
    from rich.console import Console

    parser = argparse.ArgumentParser(prog="python -m livetags.embedded.jars", description="Jars, locked by SHA-256.")
    commands = parser.add_subparsers(dest="command", required=True)
    fetching = commands.add_parser("fetch", help="have the jars of the sets in the folder (default: every set)")
    fetching.add_argument("sets", nargs="*", metavar="SET", help=", ".join(_ROOTS))
    fetching.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="default: %(default)s")
    commands.add_parser("lock", help="resolve and download everything anew, and write jars.lock")
    chosen = parser.parse_args(argv)

    console = Console(highlight=False)

    def say(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    try:
        if chosen.command == "lock":
            write_lock(progress=say)
            return 0
        for set_name in chosen.sets or list(_ROOTS):
            say(f"{set_name} -> {chosen.folder}")
            fetch(set_name, chosen.folder, say)
    except JarError as error:
        Console(stderr=True, highlight=False).print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
