"""The table of how well scenes are noticed."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from rich.box import SIMPLE
from rich.table import Table

from livetags.scene_score import BAR, SceneScore
from livetags.turned import Turned

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400
LEGEND = (
    "right: the same person, within the time stated, one to one; the shares with their 95 % interval (Wilson)",
    "hidden: arose, but late records hide it; seeming: looks so only because records are late; fired / told of each",
    "of all: precision and recall if late records are no excuse; late: event time of the trigger minus the situation's",
)


def scene_tables(scores: Sequence[SceneScore]) -> list[Table]:
    """A row a scene: what was right, with a mark for each share below the bar; and when, and what late records hide."""
    right = _table("triggers beside the situations that really arose", "arose", "fired", "right", "precision", "recall")
    when = _table(
        "how late, and what late records hide",
        "late p50", "p90", "within", "hidden", "seeming", "of all: prec.", "recall",
    )  # fmt: skip
    for each in scores:
        of_precision, of_recall = each.intervals
        right.add_row(
            each.scene,
            *(f"{count:,}" for count in (each.planted, each.fired, each.matched)),
            _sure(each.precision, of_precision),
            _sure(each.recall, of_recall),
        )
        when.add_row(
            each.scene,
            *(_duration(seconds) for seconds in (each.late_s_median, each.late_s_p90, each.tolerance_s)),
            f"{each.unseen_matched}/{each.unseen}",
            f"{each.apparent_matched}/{each.apparent}",
            *(_share(share) for share in (each.precision_of_all, each.recall_of_all)),
        )
    return [right, when]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("scene", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def turned_text(scene: str, changes: Turned) -> str:
    """What became of changed interests, in a sentence."""
    return (
        f"{scene} repeats drift alarms and has no bar here: {changes.planted} people exchanged an interest, "
        f"{changes.visible} of them after two weeks and three weeks before the end; {changes.noticed} of these were "
        f"noticed, in the median {changes.delay_days_median:.1f} days after it. Of {changes.fired} triggers "
        f"{changes.unplanted} belong to no planted change; {changes.passed_on} of {changes.alarms} alarms went on."
    )


def _sure(share: float, interval: tuple[float, float]) -> str:
    if isnan(share):
        return "-"
    low, high = interval
    return f"{'✗ ' if share < BAR else ''}{share:.3f} ({_short(low)}-{_short(high)})"


def _short(share: float) -> str:
    return f"{share:.3f}".removeprefix("0")


def _share(share: float) -> str:
    return "-" if isnan(share) else f"{share:.3f}"


def _duration(seconds: float) -> str:
    if isnan(seconds):
        return "-"
    for unit_s, unit in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if abs(seconds) >= unit_s:
            return f"{seconds / unit_s:.3g} {unit}"
    return f"{seconds:.3g} s"
