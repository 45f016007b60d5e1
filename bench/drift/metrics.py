"""Rates, recall and delay of one detector over people of one scenario."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from bench.drift.history import PARTS
from bench.drift.outcome import Outcome
from bench.drift.poisson import interval
from bench.measures import percentile


class Rate(Struct):
    """False alarms per user-year, with the exact 95 % interval."""

    alarms: int
    years: float
    lower: float
    upper: float

    @property
    def per_year(self) -> float:
        """The estimate."""
        return self.alarms / self.years if self.years else 0.0


class Found(Struct):
    """How a change was found.

    Attributes
    ----------
    delay_buckets, delay_days
        Median and 90th percentile over the changes found: from the first bucket of the change to the end of the bucket
        that raised the alarm; None: none was found.
    since_error_days
        Median error of the estimated beginning (late is positive), and 90th percentile of the absolute one.
    """

    people: int
    found: int
    delay_buckets: tuple[float, float] | None
    delay_days: tuple[float, float] | None
    since_error_days: tuple[float, float] | None

    @property
    def recall(self) -> float:
        """Share of the changes that were found in time."""
        return self.found / self.people if self.people else 0.0


def false_alarms(people: Sequence[Outcome], detector: str) -> Rate:
    """Alarms before the first change, which are false for sure; all of them where there is none."""
    seen = [one for one in people if detector in one.alarms]
    years = sum(one.before_years for one in seen)
    alarms = sum(
        sum(not one.changes or index < one.changes[0][0] for index, _, _ in one.alarms[detector]) for one in seen
    )
    return Rate(alarms, years, *(interval(alarms, years) if years else (0.0, 0.0)))


def found(people: Sequence[Outcome], detector: str, window: int, change: int = 0) -> Found:
    """Changes number `change` that raised an alarm within `window` active buckets."""
    seen = [one for one in people if detector in one.alarms and len(one.changes) > change]
    buckets, days, errors = [], [], []
    for one in seen:
        index, began = one.changes[change]
        hit = next((alarm for alarm in one.alarms[detector] if index <= alarm[0] < index + window), None)
        if hit is None:
            continue
        buckets.append(hit[0] - index + 1)
        days.append((hit[1] + 1 - began) / PARTS)
        if hit[2] is not None:
            errors.append((hit[2] - began) / PARTS)
    absolute = sorted(abs(error) for error in errors)
    return Found(
        people=len(seen),
        found=len(buckets),
        delay_buckets=_median_p90(buckets),
        delay_days=_median_p90(days),
        since_error_days=(median(errors), percentile(absolute, 0.9)) if errors else None,
    )


def time_ratio(buckets_between_false: float, one: Found) -> float | None:
    """Mean time ratio: MTFA / MTD * (1 - MDR), with the median as the delay; None where nothing was found."""
    return None if one.delay_buckets is None else buckets_between_false / one.delay_buckets[0] * one.recall


def _median_p90(values: Sequence[float]) -> tuple[float, float] | None:
    return (median(values), percentile(sorted(values), 0.9)) if values else None
