"""The table of how well scenes are noticed."""

from __future__ import annotations

from collections.abc import Iterable
from math import isnan

from rich.box import SIMPLE
from rich.table import Table

from livetags.scene_score import SceneScore

_NUMBERS = ("arose", "fired", "right", "open", "prec.", "recall", "late p99")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


def scene_table(scores: Iterable[SceneScore]) -> Table:
    """A row a scene."""
    table = Table(title="triggers beside the situations that really arose", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("scene", no_wrap=True)
    for column in (*_NUMBERS, "within"):
        table.add_column(column, justify="right", no_wrap=True)
    for each in scores:
        table.add_row(
            each.scene,
            *(f"{count:,}" for count in (each.planted, each.fired, each.matched, each.excused)),
            *(_share(share) for share in (each.precision, each.recall)),
            *(_duration(seconds) for seconds in (each.late_s_p99, each.tolerance_s)),
        )
    return table


def _share(share: float) -> str:
    return "-" if isnan(share) else f"{share:.3f}"


def _duration(seconds: float) -> str:
    if isnan(seconds):
        return "-"
    for unit_s, unit in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if abs(seconds) >= unit_s:
            return f"{seconds / unit_s:.3g} {unit}"
    return f"{seconds:.3g} s"
