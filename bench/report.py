"""The report: tables for the terminal, JSON and Markdown for keeping."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from math import isfinite
from pathlib import Path

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from bench.archive import Task
from bench.latency import PROBE_PERIOD_S, Latency
from bench.measures import Spread

RESULTS = Path("bench") / "results"


class Measured(Struct):
    """One variant.

    Attributes
    ----------
    wall_s, start_up_s
        From starting the process to its end: over the topic, and over a topic of two events.
    whole
        Events a second of the whole wall time.
    steady
        Events a second of the wall time less the median start-up; None where little was left after it.
    cpu_s_per_million
        CPU seconds of the job's processes per million events, the start-up's taken off; stores' own are apart.
    """

    key: str
    what: str
    events: int
    wall_s: Spread
    start_up_s: Spread
    whole: Spread
    steady: Spread | None
    cpu_s_per_million: Spread
    operator_span_s: float
    state_bytes_per_user: float
    checkpoint_bytes: int
    checkpoints: int
    tasks: list[Task]
    totals: dict[str, int]
    stores_cpu_s_per_million: dict[str, float] = {}


class Report(Struct):
    """Everything a reader needs."""

    at: str
    command: str
    repeats: int
    machine: dict[str, str]
    measured: list[Measured]
    latencies: list[Latency]
    problems: list[str]
    notes: list[str]

    def tables(self) -> list[tuple[str, list[str], list[list[str]]]]:
        """(title, header, rows) of each table."""
        return [
            (
                "Rates",
                [
                    "",
                    "job",
                    "events",
                    "wall s",
                    "start-up s",
                    "events/s, whole",
                    "events/s, steady",
                    "min-max",
                    "CPU s/M events",
                    "state B/user",
                    "checkpoint MB",
                ],
                [_rate_row(one) for one in self.measured],
            ),
            ("Ratios of rates", ["", "steady", "whole"], _ratios(self.measured)),
            (
                "Where the time goes: shares of each task's own time, last repeat",
                ["", "task", "records in", "records out", "busy", "held back"],
                [_task_row(one.key, task) for one in self.measured for task in one.tasks],
            ),
            (
                "CPU seconds of the stores per million events",
                ["", "store", "CPU s/M events"],
                [
                    [one.key, store, f"{used:.1f}"]
                    for one in self.measured
                    for store, used in one.stores_cpu_s_per_million.items()
                ],
            ),
            (
                "Latency, event due -> visible in Redis",
                ["window", "events/s", "probes", "lost", "p50", "p99", "max", "producer late at most"],
                [_latency_row(one) for one in self.latencies],
            ),
        ]

    def show(self, console: Console) -> None:
        """Print the tables."""
        for title, header, rows in self.tables():
            if not rows:
                continue
            console.print(f"\n{title}", style="bold")
            table = Table()
            for number, name in enumerate(header):
                table.add_column(name, justify="left" if number < 2 else "right", overflow="fold")
            for row in rows:
                table.add_row(*row)
            console.print(table)
        for line in self.notes:
            console.print(f"- {line}", markup=False, highlight=False)
        for line in self.problems:
            console.print(f"NOT MEASURED: {line}", style="red", markup=False, highlight=False)

    def write(self, folder: Path) -> list[Path]:
        """Write JSON and Markdown; returns the files."""
        folder.mkdir(parents=True, exist_ok=True)
        stem = folder / f"engine-{datetime.fromisoformat(self.at):%Y-%m-%d-%H%M%S}"
        as_json, as_text = stem.with_suffix(".json"), stem.with_suffix(".md")
        as_json.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")
        lines = [f"# Engine, {self.at}", "", f"`{self.command}`, {self.repeats} repeats in alternation", ""]
        lines += [f"- {name}: {value}" for name, value in self.machine.items()]
        for title, header, rows in self.tables():
            if rows:
                lines += ["", f"## {title}", "", *_markdown(header, rows)]
        lines += ["", "## Notes", "", *(f"- {line}" for line in self.notes)]
        lines += [f"- NOT MEASURED: {line}" for line in self.problems]
        as_text.write_text("\n".join(lines) + "\n")
        return [as_json, as_text]


def _rate_row(one: Measured) -> list[str]:
    return [
        one.key,
        one.what,
        f"{one.events:,}",
        f"{one.wall_s.median:.1f}",
        f"{one.start_up_s.median:.1f}",
        f"{one.whole.median:,.0f}",
        f"{one.steady.median:,.0f}" if one.steady else "too short",
        f"{one.steady.least:,.0f}-{one.steady.greatest:,.0f}" if one.steady else "",
        f"{one.cpu_s_per_million.median:.1f}",
        f"{one.state_bytes_per_user:,.0f}" if one.state_bytes_per_user else "",
        f"{one.checkpoint_bytes / 1e6:.1f}",
    ]


def _ratios(measured: Sequence[Measured]) -> list[list[str]]:
    by_key = {one.key: one for one in measured}
    rows = []
    for ours in ("a", "a2"):
        for other in ("b", "b-process", "c"):
            if ours in by_key and other in by_key:
                above, below = by_key[ours], by_key[other]
                steady = f"{above.steady.median / below.steady.median:.2f}" if above.steady and below.steady else "-"
                rows.append([f"{ours} / {other}", steady, f"{above.whole.median / below.whole.median:.2f}"])
    return rows


def _task_row(key: str, task: Task) -> list[str]:
    name = re.sub(r"default_catalog\.default_database\.|\[\d+\]", "", task.name)
    short = name if len(name) <= 90 else f"{name[:60]} ... {name[-25:]}"
    return [key, short, f"{task.records_in:,}", f"{task.records_out:,}", f"{task.busy:.0%}", f"{task.held_back:.0%}"]


def _latency_row(one: Latency) -> list[str]:
    return [
        f"{one.window_ms} ms",
        f"{one.rate:,.0f}",
        f"{one.probes:,}",
        f"{one.lost:,}",
        _ms(one.p50_ms),
        _ms(one.p99_ms),
        _ms(one.max_ms),
        f"{one.producer_max_lag_ms:.0f} ms",
    ]


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if isfinite(milliseconds) else f"> {PROBE_PERIOD_S:.0f} s"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    right = ["---" if number < 2 else "---:" for number in range(len(header))]
    return ["| " + " | ".join(cells).replace("\n", " ") + " |" for cells in (header, right, *rows)]
