"""The report: tables in Markdown, a picture, raw figures as JSON."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import msgspec
from msgspec import Struct, field

from bench.readers.plan import Measured
from bench.readers.population import Filled
from bench.readers.variants import Variant

mpl.use("svg")
import matplotlib.pyplot as plt

RESULTS, DOCS = Path("bench") / "results", Path("docs")
CLIENT_TARGETS_MS = {1: 1.0, 10: 2.0, 100: 10.0}
HTTP_TARGETS_MS = {1: 4.6}

_TITLES = {"sync": "The client", "asyncio": "The client in asyncio", "http": "Over HTTP"}
_COLOURS = {"sync": "#1f4e79", "asyncio": "#2e8b57", "http": "#c0392b"}


class Report(Struct):
    """Everything that was measured."""

    began: str
    machine: dict[str, str]
    quick: bool
    seconds: float
    filled: Filled
    lines: list[Measured] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)
    trail_bytes: dict[int, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def write_report(report: Report) -> list[Path]:
    """Write the raw figures, the picture and the text; quick ones stay out of docs/."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    raw = RESULTS / "readers.json"
    raw.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    folder = RESULTS if report.quick else DOCS
    picture, text = folder / "readers-benchmark.svg", folder / "readers-benchmark.md"
    _draw(report, picture)
    text.write_text(_text(report, picture.name))
    return [raw, picture, text]


def _text(report: Report, picture: str) -> str:
    filled = report.filled
    lines = [
        "# Benchmark of the readers",
        "",
        "Written by `make bench-readers` (bench/readers/); not edited by hand.",
        "",
        *(f"- {name}: {value}" for name, value in report.machine.items()),
        f"- begun {report.began}; Valkey, the API and the driver that asks share these cores",
        *(["- QUICK: only shows that it works"] if report.quick else []),
        *(f"- NOT MEASURED: {problem}" for problem in report.problems),
        "",
        f"{filled.people:,} made profiles, written by the job's own sink: {filled.tags:.0f} tags each on the average "
        f"({filled.fields:.0f} fields, {filled.bytes:,.0f} bytes in Valkey), of which {filled.tags_read:.0f} are of "
        "the purpose that is read. Open loop: a request is due at its time whatever became of the ones before, and its "
        "latency counts from then to the decoded, decayed answer. Every read leaves its record in the audit trail. Who "
        "is asked for: everybody alike (uniform), or some far more often (Zipf, exponent 0.99). "
        f"{report.seconds:.0f} s each, after a warm-up.",
    ]
    for via, title in _TITLES.items():
        lines += ["", f"## {title}", "", *_INTRODUCTIONS[via], ""]
        lines += [
            "| people a request | access | requests/s | people/s | p50 | p99 | p99.9 | longest | requests | failed "
            "| p99 |",
            "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
        ]
        for each in (each for each in report.lines if each.via == via):
            # of fewer than a thousand the thousandth part is no requests at all
            p999 = f"{each.p999_ms:.2f} ms" if each.requests >= 1_000 else "-"
            lines.append(
                f"| {each.people} | {each.access} | {each.rate:,.0f} | {each.rate * each.people:,.0f} "
                f"| {each.p50_ms:.2f} ms | {each.p99_ms:.2f} ms | {p999} | {each.max_ms:.1f} ms "
                f"| {each.requests:,} | {each.failed} | {_verdict(each)} |"
            )
    lines += ["", f"![p50 and p99 by people a request]({picture})", "", "## What a read is made of", ""]
    lines += [
        "One after the other, mean of each. The client's work is the difference of the first two lines. The function",
        "in the server is what a batch could be instead: one command and one reply.",
        "",
        "| way | 1 person | 10 people | 100 people |",
        "|---|---:|---:|---:|",
    ]
    for name in dict.fromkeys(each.name for each in report.variants):
        of = {each.people: each.mean_ms for each in report.variants if each.name == name}
        lines.append(f"| {name} | " + " | ".join(f"{of[people]:.2f} ms" for people in (1, 10, 100)) + " |")
    lines += [
        "",
        "## What the audit trail takes",
        "",
        "| people a record | bytes of a record in Redis |",
        "|---:|---:|",
    ]
    lines += [f"| {people} | {size:,.0f} |" for people, size in report.trail_bytes.items()]
    return "\n".join([*lines, ""])


_INTRODUCTIONS = {
    "sync": ["`serving.client.ProfileClient`, one thread, one connection."],
    "asyncio": ["`serving.async_client.AsyncProfileClient`, one event loop, a task per request."],
    "http": [
        "`livetags api` as it is started, one process, with an API key; four kept-alive connections of plain",
        "`http.client`. One person: `GET /v1/profiles/{user}`; more: `POST /v1/profiles`.",
    ],
}


def _verdict(each: Measured) -> str:
    target = (HTTP_TARGETS_MS if each.via == "http" else CLIENT_TARGETS_MS).get(each.people)
    if target is None:
        return ""
    return f"<= {target:g} ms: {'met' if each.p99_ms <= target and not each.failed else 'MISSED'}"


def _draw(report: Report, file: Path) -> None:
    with mpl.rc_context(
        {"svg.hashsalt": "livetags", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure, axes = plt.subplots(figsize=(6.4, 3.6))
        for via, colour in _COLOURS.items():
            found = [each for each in report.lines if each.via == via and each.access == "uniform"]
            for people in dict.fromkeys(each.people for each in found):
                of = [each for each in found if each.people == people]
                for quantile, style in (("p50_ms", ":"), ("p99_ms", "-")):
                    axes.plot(
                        [each.rate * each.people for each in of],
                        [getattr(each, quantile) for each in of],
                        style,
                        marker="o",
                        markersize=3,
                        color=colour,
                        label=f"{_TITLES[via]}, {quantile[:3]}" if people == 1 else None,
                    )
                axes.annotate(
                    f"{people}",
                    (of[-1].rate * people, of[-1].p99_ms),
                    textcoords="offset points",
                    xytext=(5, 0),
                    color=colour,
                    fontsize=8,
                )
        axes.set_xlabel("people read a second (labels: people a request)")
        axes.set_ylabel("latency, ms")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.legend(frameon=False, fontsize=8)
        figure.tight_layout()
        figure.savefig(file, metadata={"Date": None})
        plt.close(figure)
