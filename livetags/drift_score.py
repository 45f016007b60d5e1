"""How well changes of behaviour were noticed, in figures: of the changes planted, and of the alarms raised."""

from __future__ import annotations

from statistics import median

from msgspec import Struct, field

from livetags.planted import Matched


class StoryScore(Struct):
    """Of planted changes of one kind how many were noticed, and how well.

    Attributes
    ----------
    planted, noticed
        People.
    delay_days
        Median time from the change to the alarm; NaN if none was noticed.
    error_days
        Median distance of the estimated time of the change from the true one, either way.
    bias_days
        Median of estimated minus true: negative if the estimates are early.
    """

    planted: int
    noticed: int
    delay_days: float
    error_days: float
    bias_days: float

    @property
    def recall(self) -> float:
        """Share noticed."""
        return self.noticed / self.planted if self.planted else float("nan")


class DriftScore(Struct):
    """Every figure.

    Attributes
    ----------
    stories
        ``switch`` (an interest exchanged for another), ``gain``, ``lose`` -> how well those were noticed.
    unplanted_alarms
        Alarms that no planted change explains.
    steady_years, steady_alarms
        Years lived by people without any planted change, and alarms of theirs: false ones.
    """

    stories: dict[str, StoryScore] = field(default_factory=dict)
    unplanted_alarms: int = 0
    steady_years: float = 0.0
    steady_alarms: int = 0

    @property
    def false_alarms_per_year(self) -> float:
        """False alarms per person and year."""
        return self.steady_alarms / self.steady_years if self.steady_years else float("nan")


def score(matched: Matched) -> DriftScore:
    """The figures of alarms laid beside the truth."""
    stories = {}
    for story in ("switch", "gain", "lose"):
        found = [each for each in matched.noticed if each.planted.story == story]
        stories[story] = StoryScore(
            sum(planted.story == story for planted in matched.planted),
            len(found),
            _median([each.delay_days for each in found]),
            _median([abs(each.error_days) for each in found]),
            _median([each.error_days for each in found]),
        )
    return DriftScore(stories, len(matched.unplanted), matched.steady_years, matched.steady_alarms)


def _median(values: list[float]) -> float:
    return median(values) if values else float("nan")
