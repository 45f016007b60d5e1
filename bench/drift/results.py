"""Everything that was measured, as it is kept: the report is made of this alone."""

from __future__ import annotations

from msgspec import Struct

from bench.drift.cost import Cost
from bench.drift.fleet import FleetOutcome
from bench.drift.late import LateOutcome
from bench.drift.outcome import Outcome
from bench.drift.tuning import Tuned
from bench.drift.volume import VolumeOutcome


class Results(Struct):
    """One run.

    Attributes
    ----------
    done_before
        Share of the work that an earlier run of the same code had done.
    rules
        The detector's parameters.
    parameters, basket_parameters
        Rival -> its tuned parameter, for the simulated people and for the households.
    people
        Scenario -> its people, households among them.
    late
        Scenario -> the orders of arrival compared.
    """

    at: str
    quick: bool
    command: str
    commit: str
    took_s: float
    done_before: float
    machine: dict[str, str]
    rules: dict[str, float]
    calibration_seeds: list[int]
    seeds: list[int]
    tuned: list[Tuned]
    parameters: dict[str, float]
    basket_parameters: dict[str, float]
    people: dict[str, list[Outcome]]
    late: dict[str, list[tuple[Outcome, LateOutcome]]]
    fleet: list[FleetOutcome]
    volume: list[VolumeOutcome]
    costs: list[Cost]
