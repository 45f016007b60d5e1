"""The report's pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

import matplotlib as mpl

from bench.drift.metrics import false_alarms, found
from bench.drift.outcome import Outcome
from bench.drift.quality import DAYS, POLICIES
from bench.drift.results import Results
from bench.drift.rivals import RIVALS
from bench.drift.targets import (
    ABRUPT,
    BIG,
    BIG_WINDOW,
    DUMMIES,
    NULLS,
    OURS,
    SMALL,
    SMALL_WINDOW,
    best_rivals,
    of_size,
    pooled,
)

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_OURS_COLOUR = "#c0392b"
_COLOURS = ("#1f4e79", "#2e8b57", "#b8860b", "#6a3d9a", "#555555")
_NAMED = 5


def draw_all(results: Results, text: Path) -> list[tuple[str, Path]]:
    """Draw into files named after the report; returns the caption and file of each."""
    pictures: tuple[tuple[str, str, Callable[[Results], Figure]], ...] = (
        (
            "found",
            "Share of abrupt changes found, by active buckets since the change, at equal false alarms",
            _found,
        ),
        ("tradeoff", "False alarms against abrupt changes found (JS > .25 bit, within 60 buckets)", _tradeoff),
        ("profile", "How near the profile is to the truth after an abrupt change (JS > .25 bit)", _profile),
        ("trips", "Rebuilt after a passing change: one tag at 90 % for some days", _trips),
    )
    drawn = []
    with mpl.rc_context(
        {"svg.hashsalt": "livetags", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        for name, caption, draw in pictures:
            figure = draw(results)
            file = text.with_name(f"{text.stem}-{name}.svg")
            if results.quick:
                figure.suptitle("QUICK: only shows that it works", color=_OURS_COLOUR)
            figure.tight_layout()
            figure.savefig(file, metadata={"Date": None, "Creator": None})
            plt.close(figure)
            drawn.append((caption, file))
    return drawn


def _found(results: Results) -> Figure:
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), sharey=True)
    people = pooled(results, ABRUPT)
    ranked = best_rivals(results)
    for axis, bits, window, title in (
        (axes[0], BIG, 100, "JS > .25 bit"),
        (axes[1], SMALL, SMALL_WINDOW, "JS .10-.25 bit"),
    ):
        some = of_size(people, bits)
        for name in reversed(ranked[_NAMED:]):
            _curve(axis, some, name, window, color="#cccccc", linewidth=0.8)
        for name, colour in zip(ranked[:_NAMED], _COLOURS, strict=False):
            _curve(axis, some, name, window, color=colour, linewidth=1.2, label=name)
        _curve(axis, some, OURS, window, color=_OURS_COLOUR, linewidth=2.4, label=OURS)
        axis.set_title(title)
        axis.set_xlabel("active buckets since the change")
        axis.set_ylim(0, 1.02)
    axes[0].set_ylabel("share found")
    axes[0].plot([], [], color="#cccccc", linewidth=0.8, label="other rivals")
    axes[0].legend(frameon=False, fontsize=7.5)
    return figure


def _curve(axis: Axes, people: Sequence[Outcome], detector: str, window: int, **style: object) -> None:
    seen = [one for one in people if detector in one.alarms]
    delays = []
    for one in seen:
        index = one.changes[0][0]
        delays += [alarm[0] - index + 1 for alarm in one.alarms[detector] if 0 <= alarm[0] - index < window][:1]
    if seen:
        steps = [0, *sorted(delays), window]
        shares = [number / len(seen) for number in (*range(len(delays) + 1), len(delays))]
        axis.step(steps, shares, where="post", **style)


def _tradeoff(results: Results) -> Figure:
    figure, axis = plt.subplots(figsize=(9.5, 5.5))
    nulls, big = pooled(results, NULLS), of_size(pooled(results, ABRUPT), BIG)
    labels = []
    for name in (OURS, *RIVALS):
        for shown, filled in ((name, True), (f"{name} (default)", False)):
            if name == OURS and not filled:
                continue
            rate, one = false_alarms(nulls, shown).per_year, found(big, shown, BIG_WINDOW)
            colour = _OURS_COLOUR if name == OURS else "#888888" if name in DUMMIES else "#1f4e79"
            axis.plot([rate], [one.recall], "o", color=colour, markerfacecolor=colour if filled else "none")
            labels.append((rate, one.recall, shown, colour))
    axis.axvline(0.02, color="#999999", linewidth=0.8, linestyle=":")
    axis.set_xscale("symlog", linthresh=0.01)
    axis.set_xlim(left=-0.001)
    axis.set_ylim(-0.12, 1.05)
    axis.set_xlabel("false alarms per user-year (S1, S2, S3 sticky .3); dotted: the bound .02")
    axis.set_ylabel("share found")
    _label(axis, labels)
    return figure


def _label(axis: Axes, labels: Sequence[tuple[float, float, str, str]]) -> None:
    """Names beside their points, each moved down until it is clear of those before."""
    width, height = 75.0, 7.0
    placed: list[tuple[float, float]] = []
    for rate, share, text, colour in sorted(labels, key=lambda label: (-label[1], label[0])):
        x, y = axis.transData.transform((rate, share))
        low = y
        while any(abs(x - other_x) < width and abs(low - other_y) < height for other_x, other_y in placed):
            low -= height / 2
        placed.append((x, low))
        axis.annotate(
            text,
            (rate, share),
            xytext=(5, (low - y) * 72 / axis.figure.dpi - 2),
            textcoords="offset points",
            fontsize=6,
            color=colour,
        )


def _profile(results: Results) -> Figure:
    figure, axis = plt.subplots(figsize=(6.5, 3.8))
    people = [one for one in of_size(pooled(results, ABRUPT), BIG) if one.quality]
    styles = {"decay only": ("#888888", "-"), "provisional": ("#b8860b", "-"), "refined": (_OURS_COLOUR, "-"),
              "perfect": ("#1f4e79", "--")}  # fmt: skip
    for policy in POLICIES:
        colour, line = styles[policy]
        means = [fmean(one.quality[policy][day] for one in people) for day in range(len(DAYS))]
        axis.plot(DAYS, means, line, color=colour, marker="o", markersize=3, label=policy)
    axis.set_xlabel("days since the change")
    axis.set_ylabel("cosine to the true shares")
    axis.legend(frameon=False)
    return figure


def _trips(results: Results) -> Figure:
    figure, axis = plt.subplots(figsize=(6.5, 3.2))
    trips = {"one bucket": "S4-flood", "1 d": "S4-1d", "2 d": "S4-2d", "3 d": "S4-3d", "7 d": "S4-7d"}
    shares = [found(results.people[key], OURS, 120).recall for key in trips.values()]
    bars = axis.bar(list(trips), shares, color=_OURS_COLOUR)
    axis.bar_label(bars, [f"{share:.1%}" for share in shares])
    axis.set_ylim(0, 1.1)
    axis.set_ylabel("share rebuilt")
    return figure
