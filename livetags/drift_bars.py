"""A person's behaviour in the terminal: a stacked bar of shares for every day or few days, and marks at the changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import ceil

import numpy as np
from rich.text import Text

from livetags.behaviour import Behaviour, Floats, short_names

PALETTE = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999")
"""One colour a tag, and grey for the rest: told apart by the colour-blind too.

Source: Okabe, Ito, "Color Universal Design", 2008.
"""
_LETTERS = "abcdefg."
_ROWS = 45
_DATE_WIDTH, _NUMBER_WIDTH, _VOLUME_WIDTH, _MARKS_WIDTH = 12, 8, 8, 30
_LEAST_BAR, _MOST_BAR = 20, 60
_CHANGE = {"shares": "◆ change", "volume": "◇ more or less", "by_hand": "◆ rebuild since"}


def lines(found: Behaviour, width: int, coloured: bool) -> Iterator[Text]:
    """Rows, oldest first, at most 45 of them, and the legend.

    Parameters
    ----------
    width
        Columns of the terminal.
    coloured
        Whether it shows colours; if not, every tag has a letter.
    """
    days = ceil(len(found.events) / _ROWS)
    parts = [found.events[start : start + days] for start in range(0, len(found.events), days)]
    volumes = [part.sum() / len(part) for part in parts]
    marks = _marks(found, days)
    bar = width - _DATE_WIDTH - _NUMBER_WIDTH - _VOLUME_WIDTH - _MARKS_WIDTH
    bar = min(max(bar, _LEAST_BAR), _MOST_BAR)
    for row, (part, volume) in enumerate(zip(parts, volumes, strict=True)):
        line = Text(f"{found.date(row * days):%Y-%m-%d}  ", no_wrap=True, overflow="ellipsis")
        line.append_text(_bar(part.sum(axis=0), bar, coloured))
        line.append(f" {volume:6,.0f} ")
        line.append("▪" * round(_VOLUME_WIDTH * volume / max(volumes)), style="dim")
        if row in marks:
            line.pad_right(_DATE_WIDTH + bar + _NUMBER_WIDTH + _VOLUME_WIDTH + 1 - line.cell_len)
            line.append("; ".join(marks[row]), style="bold")
        yield line
    yield _legend(found, coloured)
    yield Text(f"a line is {'a day' if days == 1 else f'{days} days'}, the number events a day", style="dim")
    if marks:
        yield Text("◆ estimated change of shares  ◇ of volume  ▲ noticed  ↻ profile rebuilt", style="dim")


def _legend(found: Behaviour, coloured: bool) -> Text:
    legend = Text(" " * _DATE_WIDTH)
    names = [*short_names(found.tags), "the rest"]
    for number, (name, events) in enumerate(zip(names, found.events.sum(axis=0).tolist(), strict=True)):
        if events:
            _append(legend, number, 2 if coloured else 1, coloured)
            unbroken = f" {name}".replace(" ", "\N{NO-BREAK SPACE}")
            legend.append(f"{unbroken}   ")
    return legend


def _bar(events: Floats, width: int, coloured: bool) -> Text:
    """A bar exactly `width` wide, blank where nothing happened."""
    total = events.sum()
    if not total:
        return Text(" " * width)
    bar = Text()
    begin = 0
    for number, end in enumerate(np.rint(np.cumsum(events) / total * width).astype(int).tolist()):
        _append(bar, number, end - begin, coloured)
        begin = end
    return bar


def _append(text: Text, number: int, cells: int, coloured: bool) -> None:
    """So many cells of the tag of that number; fewer tags than colours leave no rest."""
    if coloured:
        text.append("█" * cells, style=PALETTE[number])
    else:
        text.append(_LETTERS[number] * cells)


def _marks(found: Behaviour, days: int) -> dict[int, list[str]]:
    """Row -> what is marked there."""
    marks: dict[int, list[str]] = defaultdict(list)
    for alarm in found.alarms:
        marks[found.day(alarm.since_ms) // days].append(_CHANGE[alarm.kind])
        rebuilt = "" if alarm.status == "noted" else f" ↻ generation {alarm.generation}, {alarm.status}"
        marks[found.day(alarm.at_ms) // days].append(f"▲{rebuilt or ' noticed'}")
    return dict(marks)
