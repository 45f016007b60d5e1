"""What an operator saw, written to a file when it ends: the check that a run processed what it should have.

Thread mode keeps operators in the JVM's process, process mode in workers that nobody else sees into: a file works for
both, and costs nothing while the job runs.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

from msgspec import Struct


class Seen(Struct):
    """Events seen, when the first and the last batch of them came and went (seconds since the epoch), and totals."""

    events: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    totals: dict[str, int] = {}


class Tally:
    """Counts in one operator instance; `write` at its end."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self.events = 0
        self.first_s = self.last_s = 0.0
        self.totals: dict[str, int] = {}

    def begins(self) -> None:
        """A batch came."""
        if not self.first_s:
            self.first_s = time.time()

    def ends(self, events: int) -> None:
        """A batch of so many events is done."""
        self.events += events
        self.last_s = time.time()

    def write(self) -> None:
        """Write the file, whole or not at all; an instance that saw nothing writes none."""
        if not self.events:
            return
        content = {"events": self.events, "first_s": self.first_s, "last_s": self.last_s, "totals": self.totals}
        name = f"tally-{os.getpid()}-{uuid4().hex[:8]}"
        temporary = self._folder / f".{name}"
        temporary.write_text(json.dumps(content))
        temporary.replace(self._folder / f"{name}.json")


def read(folder: Path) -> Seen:
    """The tallies of a folder, added up."""
    return added([json.loads(file.read_text()) for file in sorted(folder.glob("tally-*.json"))])


def added(parts: Iterable[dict[str, object]]) -> Seen:
    """Sum of events and totals, earliest first, latest last."""
    whole = Seen()
    for part in parts:
        whole.events += int(str(part["events"]))
        first_s, last_s = float(str(part["first_s"])), float(str(part["last_s"]))
        whole.first_s = min(whole.first_s or first_s, first_s)
        whole.last_s = max(whole.last_s, last_s)
        totals = part["totals"]
        if isinstance(totals, dict):
            for name, value in totals.items():
                whole.totals[name] = whole.totals.get(name, 0) + value
    return whole
