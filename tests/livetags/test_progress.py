"""Progress as it is shown: on a terminal the newest state of a bar, elsewhere a line now and then."""

from __future__ import annotations

import io

from rich.console import Console

from livetags.progress import ConsoleProgress


def test_a_step_without_a_total_does_not_keep_that_of_the_step_before() -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=100, emoji=False)
    with ConsoleProgress(console) as progress:
        progress.step("one")
        progress.events(5, 10)
        progress.step("two")
        progress.rename("two and more")
        progress.events(7, None)
    assert "7/?" in shown.getvalue().rpartition("two and more")[2]


def test_elsewhere_steps_are_lines() -> None:
    shown = io.StringIO()
    with ConsoleProgress(Console(file=shown, width=100)) as progress:
        progress.step("reading")
        progress.warn("[beware]")
    assert shown.getvalue() == "reading ...\n[beware]\n"
