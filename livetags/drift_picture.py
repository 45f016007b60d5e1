"""A person's behaviour as a picture: shares of tags over time, the volume below, lines at the changes.

Needs matplotlib, which is imported only here and only when a picture is asked for.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from livetags.alarm_sentence import changes
from livetags.behaviour import Behaviour, Floats, local_day, short_names
from livetags.drift_bars import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAME_CHARACTERS = 8
_ENDINGS = (".svg", ".png")


class PictureError(ValueError):
    """The picture can't be drawn; the text says what to do."""


def draw(found: Behaviour, file: Path) -> None:
    """Write the picture to a file of ending .svg or .png; the same data gives the same picture.

    Shares are smoothed over 3 days. The title names the person by the first characters of the pseudonym only: pictures
    travel.

    Raises
    ------
    PictureError
        When the ending is another, or matplotlib is not installed.
    """
    if file.suffix not in _ENDINGS:
        msg = f"--out expects a file that ends in {' or '.join(_ENDINGS)}, got {file}"
        raise PictureError(msg)
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        msg = "a picture needs matplotlib, which is not there: pip install 'livetags[embedded]', or leave out --out"
        raise PictureError(msg) from None
    # a fixed salt, and below no date: the same data gives the same bytes
    with mpl.rc_context({"svg.hashsalt": "livetags", "svg.fonttype": "none", "date.converter": "concise"}):
        figure = Figure(figsize=(10, 5.6), layout="constrained")
        _fill(figure, found)
        figure.savefig(file, dpi=150, metadata={"Date": None} if file.suffix == ".svg" else None)


def smoothed_shares(events: Floats) -> Floats:
    """Row per tag: shares of each day with the days before and after; 0 of all tags where nothing happened."""
    padded = np.pad(events.T, ((0, 0), (1, 1)))
    summed: Floats = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    total = summed.sum(axis=0)
    return np.divide(summed, total, out=np.zeros_like(summed), where=total > 0)


def _fill(figure: Figure, found: Behaviour) -> None:
    shares_axes, volume_axes = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    days = [_on_axis(found.date(row)) for row in range(len(found.events))]
    names = [*short_names(found.tags), "the rest"]
    shown = [column for column, events in enumerate(found.events.sum(axis=0).tolist()) if events]
    shares = smoothed_shares(found.events)
    shares_axes.stackplot(
        days,
        *(100 * shares[column] for column in shown),
        labels=[names[column] for column in shown],
        colors=[PALETTE[column] for column in shown],
        edgecolor="white",
        linewidth=0.4,
    )
    shares_axes.set_ylim(0, 100)
    shares_axes.set_ylabel("share of events, %\n(mean of 3 days)")
    volume_axes.bar(days, found.events.sum(axis=1), width=0.9, color="#555555")
    volume_axes.set_ylabel("events a day")
    volume_axes.set_xlim(days[0] - 0.5, days[-1] + 0.5)
    volume_axes.xaxis_date()
    _mark(shares_axes, volume_axes, found)
    told = [changes(alarm, 1) for alarm in found.alarms if alarm.kind == "shares"]
    about = f"What {found.user[:_NAME_CHARACTERS]}… turns to"
    shares_axes.set_title(about + (f": {told[-1]}" if told else ""), loc="left", pad=18)
    handles, labels = shares_axes.get_legend_handles_labels()
    # the order of the stack, from above
    figure.legend(handles[::-1], labels[::-1], loc="outside right upper", frameon=False)


def _mark(shares_axes: Axes, volume_axes: Axes, found: Behaviour) -> None:
    """Lines at the estimated changes, at the alarms, and a sign on top of those that rebuilt the profile."""
    drawn: set[str] = set()

    def line(time_ms: int, label: str, style: str) -> float:
        day = _on_axis(local_day(time_ms, found.utc_offset_ms))
        for axes in (shares_axes, volume_axes):
            axes.axvline(day, color="black", linestyle=style, linewidth=1.6, label="_")
        if label not in drawn:
            shares_axes.plot([], [], color="black", linestyle=style, linewidth=1.6, label=label)
            drawn.add(label)
        return day

    for alarm in found.alarms:
        volume = " of volume" if alarm.kind == "volume" else ""
        line(alarm.since_ms, f"change{volume}, estimated", ":" if volume else "--")
        day = line(alarm.at_ms, f"noticed{volume}", "-." if volume else "-")
        if alarm.status != "noted":
            shares_axes.annotate(
                f"rebuilt, generation {alarm.generation}, {alarm.status}",
                (day, 100),
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                annotation_clip=False,
            )


def _on_axis(day: date) -> float:
    """A day on matplotlib's axis of time: days since the epoch."""
    return float((day - date(1970, 1, 1)).days)
