"""Tuning the rivals to our rate of false alarms, on calibration seeds that are never reported on.

For each calibration scenario the loosest parameter is bisected at which a rival has no more false alarms than ours over
the same people. Tuned is the strictest of these over the scenarios; for a scenario that is left out, over the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Struct

from bench.drift.features import Features
from bench.drift.history import History
from bench.drift.rivals import Adapter, Rival

_STEPS = 11


@dataclass
class Calibration:
    """A scenario's people on the calibration seeds, and how often ours alarmed on each."""

    scenario: str
    histories: list[History]
    features: list[Features]
    ours: list[int]


class Tuned(Struct):
    """A rival's strictness for one calibration scenario; `reached`: whether its rate comes down to ours at all."""

    rival: str
    scenario: str
    strictness: float
    reached: bool
    people: int
    ours: int


def tune(rival: Rival, calibration: Calibration, people: int) -> Tuned:
    """Bisect over the first `people` of a scenario."""
    histories, known = calibration.histories[:people], calibration.features[:people]
    most = sum(calibration.ours[:people])

    def few(strictness: float) -> bool:
        return not _more_than(most, Adapter(rival, rival.at(strictness)), histories, known)

    def result(strictness: float, reached: bool) -> Tuned:
        return Tuned(rival.name, calibration.scenario, strictness, reached, len(histories), most)

    if not few(1.0):
        return result(1.0, False)
    if few(0.0):
        return result(0.0, True)
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if few(middle) else (middle, high)
    return result(high, True)


def parameters(
    tuned: Sequence[Tuned], rivals: dict[str, Rival], only: Sequence[str], left_out: str = ""
) -> dict[str, float]:
    """Parameter of each rival: its strictest over the calibration scenarios `only`, but `left_out`."""
    result = {}
    for name, rival in rivals.items():
        of_rival = [one.strictness for one in tuned if one.rival == name and one.scenario in only]
        kept = [
            one.strictness for one in tuned if one.rival == name and one.scenario in only and one.scenario != left_out
        ]
        if of_rival:
            result[name] = rival.at(max(kept))
    return result


def _more_than(most: int, adapter: Adapter, histories: Sequence[History], known: Sequence[Features]) -> bool:
    alarms = 0
    for history, features in zip(histories, known, strict=True):
        for _ in adapter.scan(history, features):
            alarms += 1
            if alarms > most:
                return True
    return False
