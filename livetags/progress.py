"""Progress on a terminal; one line a few seconds where the output is not a terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from livetags.runner import Progress

_LINE_EVERY_S = 5.0


class ConsoleProgress(Progress):
    """Shows steps and events on a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._step = ""
        self._printed_s = self._began_s = 0.0
        self._rate_from: tuple[float, int] | None = None
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, rate="", visible=False)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def step(self, text: str) -> None:
        """Begin a step."""
        self._step = text
        self._rate_from = None
        self._began_s = time.monotonic()
        # a new task: a reset would keep the total of the step before
        self._bar.remove_task(self._task)
        self._task = self._bar.add_task(text, total=None, rate="")
        if not self._console.is_terminal:
            self._console.print(f"{text} ...")
            self._printed_s = time.monotonic()

    def rename(self, text: str) -> None:
        """Say more of the step that is under way."""
        self._step = text
        self._bar.update(self._task, description=text)

    def events(self, done: int, total: int | None) -> None:
        """Events done of total; the rate is since the step's first report."""
        now = time.monotonic()
        if self._rate_from is None:
            self._rate_from = (now, done)
        elapsed_s = now - self._rate_from[0]
        rate = f"{(done - self._rate_from[1]) / elapsed_s:,.0f}/s" if elapsed_s > 0.5 else ""
        self._bar.update(self._task, completed=done, total=total, rate=rate)
        if not self._console.is_terminal and now - self._printed_s > _LINE_EVERY_S:
            of_total = f" of {total:,}" if total else ""
            shown = f"{done:,}{of_total} {rate}" if done else f"{now - self._began_s:.0f} s"
            self._console.print(f"{self._step}: {shown}")
            self._printed_s = now

    def warn(self, text: str) -> None:
        """Something a person should know while waiting."""
        self._console.print(f"[yellow]{escape(text)}[/yellow]", highlight=False)
