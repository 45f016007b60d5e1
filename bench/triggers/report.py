"""The report: tables in Markdown, the trade-off as a picture, raw figures as JSON."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import matplotlib as mpl
import msgspec
from msgspec import Struct, field

from bench.triggers.measure import SHARDS, CaughtUp, Latency, Measured

mpl.use("svg")
import matplotlib.pyplot as plt

RESULTS, DOCS = Path("bench") / "results", Path("docs")
_RAW = "triggers.json"
TARGETS_MS = {200: 400.0, 50: 150.0}
MANY_AT_LEAST = 0.7


class Report(Struct):
    """Everything that was measured."""

    began: str
    machine: dict[str, str]
    flows: int
    quick: bool
    by_rules: dict[str, list[CaughtUp]] = field(default_factory=dict)
    by_window: list[Measured] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def keep(self, earlier: Report, but: str) -> None:
        """Take over what an earlier run has measured, but for one part: ``rules`` or ``windows``."""
        if but == "rules":
            self.by_window = earlier.by_window
        else:
            self.by_rules, self.flows = earlier.by_rules, earlier.flows


def read_report() -> Report:
    """The raw figures of the last run."""
    return msgspec.json.decode((RESULTS / _RAW).read_bytes(), type=Report)


def write_report(report: Report) -> list[Path]:
    """Write the raw figures, the picture and the text; quick ones stay out of docs/."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    raw = RESULTS / _RAW
    raw.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    folder = RESULTS if report.quick else DOCS
    picture, text = folder / "trigger-benchmark.svg", folder / "trigger-benchmark.md"
    _draw(report, picture)
    text.write_text(_text(report, picture.name))
    return [raw, picture, text]


def _text(report: Report, picture: str) -> str:
    lines = [
        "# Benchmark of scene triggers",
        "",
        "Written by `make bench-triggers` (bench/triggers/); not edited by hand.",
        "",
        *(f"- {name}: {value}" for name, value in report.machine.items()),
        f"- begun {report.began}; broker, producer, consumer, job and both stores share these cores",
        *(["- QUICK: only shows that it works"] if report.quick else []),
        *(f"- NOT MEASURED: {problem}" for problem in report.problems),
        "",
        "A live job over Kafka with links, consents and flows of 10,500 people, RocksDB, a checkpoint every 10 s, hot",
        f"profiles to Valkey, history to ClickHouse, parallelism 1, {SHARDS} shards. Flows and rules:",
        "bench/triggers/load.py.",
        "",
        f"## Many rules, micro-batches of {_window(report)} ms",
        "",
        f"The rate at which a backlog of {report.flows:,} flows is worked off, between a tenth and nine tenths of it,",
        "after another of the same size.",
        "",
        "| rules in force | events/s, each run | median | of that with none | triggers a 1,000 events |",
        "|---|---|---:|---:|---:|",
    ]
    none = [each.rate for each in report.by_rules.get("no rules", [])]
    for name, runs in report.by_rules.items():
        rates = [each.rate for each in runs]
        share = f"{median(rates) / median(none):.2f}" if none else "-"
        fired = 1_000 * median(each.fired / each.events for each in runs)
        each_run = ", ".join(f"{rate:,.0f}" for rate in rates)
        lines.append(f"| {name} | {each_run} | {median(rates):,.0f} | {share} | {fired:,.0f} |")
    many = [each.rate for each in report.by_rules.get("5,000 rules", [])]
    if none and many:
        got = median(many) / median(none)
        lines += [
            "",
            f"Target: at least {MANY_AT_LEAST} with 5,000 rules: {'met' if got >= MANY_AT_LEAST else 'MISSED'}.",
        ]
    lines += [
        "",
        "## From an event to its trigger, readable in the stream",
        "",
        "Open loop, 26 scenes and one rule for the probes in force: from the instant a flow was due (its event time)",
        "to when a consumer of the Redis stream has it. Sustained: the highest of rates that rise by a quarter at",
        "which the median wait did not grow within 24 s, nor was above two windows and half a second. At shares of it",
        "thirty seconds each, after ten of warm-up. A backlog is worked off faster than that: its batches are",
        "larger, and have several events of a person.",
        "",
        "| micro-batch | sustained, events/s | at | events/s | p50 | p99 | p99.9 | longest | probes | lost | p99 |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for measured in report.by_window:
        for latency in measured.latencies:
            waits = (latency.p50_ms, latency.p99_ms, latency.p999_ms, latency.max_ms)
            lines.append(
                f"| {latency.window_ms} ms | {measured.sustained:,.0f} | {latency.share:.0%} "
                f"| {latency.rate:,.0f} | "
                + " | ".join(f"{wait:,.0f} ms" for wait in waits)
                + f" | {latency.probes:,} | {latency.lost} | {_verdict(latency)} |"
            )
    lines += ["", f"![Latency against throughput by micro-batch window]({picture})", ""]
    return "\n".join(lines)


def _window(report: Report) -> int:
    return next((runs[0].window_ms for runs in report.by_rules.values() if runs), 0)


def _verdict(latency: Latency) -> str:
    target = TARGETS_MS.get(latency.window_ms)
    if target is None:
        return ""
    return f"<= {target:.0f} ms: {'met' if latency.p99_ms <= target else 'MISSED'}"


def _draw(report: Report, file: Path) -> None:
    with mpl.rc_context(
        {"svg.hashsalt": "livetags", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure, axes = plt.subplots(figsize=(6.4, 3.6))
        for share, colour in ((0.5, "#1f4e79"), (0.8, "#c0392b")):
            found = [each for measured in report.by_window for each in measured.latencies if each.share == share]
            for quantile, style in (("p50_ms", "--"), ("p99_ms", "-")):
                axes.plot(
                    [each.rate for each in found],
                    [getattr(each, quantile) for each in found],
                    style,
                    marker="o",
                    color=colour,
                    label=f"{quantile[:3]} at {share:.0%} of the sustained rate",
                )
            for each in found:
                axes.annotate(
                    f"{each.window_ms} ms",
                    (each.rate, each.p99_ms),
                    textcoords="offset points",
                    xytext=(4, 4),
                    fontsize=8,
                )
        axes.set_xlabel("events a second (labels: micro-batch window)")
        axes.set_ylabel("event to trigger, ms")
        axes.set_yscale("log")
        axes.legend(frameon=False)
        figure.tight_layout()
        figure.savefig(file, metadata={"Date": None})
        plt.close(figure)
