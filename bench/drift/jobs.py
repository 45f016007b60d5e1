"""The work of the benchmark, cut into jobs that two processes share. Each job depends on its arguments alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.drift import household
from bench.drift.detector import Raised
from bench.drift.features import features
from bench.drift.history import History
from bench.drift.late import LateOutcome, compare_orders
from bench.drift.ours import BASKET_RULES, Ours, ablations
from bench.drift.outcome import Outcome, outcome_of
from bench.drift.quality import cost_of_false_alarm, qualities
from bench.drift.rivals import RIVALS, Adapter
from bench.drift.scenarios import SCENARIOS, histories

HOUSEHOLD = ("R1-shuffled", "R1-natural", "R1-splice")
BASKETS = "ours, rules for baskets"
LEAVE_OUT = ("S1", "S2", "S3-.3")
"""Calibration scenarios; each is also reported on with thresholds tuned without it."""
LEFT_OUT = ", tuned without it"
FROM_SIMULATED = ", tuned on the simulated people"
TUNED_FOR_BASKETS = "R1-shuffled"
SLOW = ("KSWIN surprise", "KSWIN js")
TRIPS = ("S4-flood", "S4-1d", "S4-2d", "S4-3d", "S4-7d")
PARTS_OF = ("S1", "S2", "S2-parts", "S3-.3", "S3-.5", "S5", "S5-seasonal", "S5-sticky", *TRIPS)
QUALITY_OF = ("S5", "S5-seasonal", "S5-sticky", *TRIPS)
LOSS = "loss of a false alarm"


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes
    ----------
    seeds
        Reported on.
    people
        Factor of the people of every scenario.
    rivals, parts, slow, defaults
        People per seed whom tuned rivals see; ours without one part each; KSWIN; rivals with defaults.
    """

    quick: bool = False
    calibration_seeds: tuple[int, ...] = (0, 1)
    seeds: tuple[int, ...] = (2, 3, 4)
    people: float = 1.0
    rivals: int = 170
    parts: int = 70
    slow: int = 50
    defaults: int = 50
    calibration_people: int = 120
    calibration_slow: int = 50
    households: int = 10**9
    shard: int = 300
    late: int = 100
    volume: int = 300


FULL = Plan()
QUICK = Plan(
    quick=True,
    seeds=(2,),
    people=0.04,
    rivals=6,
    parts=4,
    slow=2,
    defaults=3,
    calibration_people=5,
    calibration_slow=2,
    households=24,
    shard=40,
    late=4,
    volume=10,
)

CHUNK = 20


@dataclass(frozen=True)
class Chunk:
    """Some people of a scenario and a seed."""

    scenario: str
    seed: int
    first: int
    last: int


def chunks(plan: Plan) -> Iterator[Chunk]:
    """All people to be reported on."""
    for scenario in SCENARIOS.values():
        people = max(round(scenario.people * plan.people), 4)
        for seed in plan.seeds:
            for first in range(0, people, CHUNK):
                yield Chunk(scenario.key, seed, first, min(first + CHUNK, people))


Alarms = dict[str, list[tuple[int, int, float | None]]]


def run_ours(chunk: Chunk, parts: int) -> list[Outcome]:
    """Ours over the chunk's people, and over the first `parts` of a seed without one of its parts each."""
    result = []
    for number, history in enumerate(_people(chunk), chunk.first):
        outcome = outcome_of(history, chunk.seed, number)
        ours = Ours()
        raised = ours.alarms(history)
        outcome.alarms[ours.name] = _kept(history, raised)
        if chunk.scenario in QUALITY_OF:
            begin = history.until if history.until is not None else history.changes[0]
            outcome.quality = qualities(history, raised, history.after, begin)
        if chunk.scenario == "S3-.3":
            outcome.quality = {LOSS: cost_of_false_alarm(history, chunk.seed)}
        if number < parts and chunk.scenario in PARTS_OF:
            for detector in ablations():
                outcome.alarms[detector.name] = _kept(history, detector.alarms(history))
        result.append(outcome)
    return result


def run_rivals(
    chunk: Chunk, slow: int, defaults: int, tuned: dict[str, float], left_out: dict[str, float]
) -> list[tuple[int, int, Alarms]]:
    """``(seed, number, alarms)`` of the chunk's people: rivals as tuned, and tuned with this scenario left out."""
    return [
        (
            chunk.seed,
            number,
            _rivals(history, tuned, left_out, LEFT_OUT, slow=number < slow, defaults=number < defaults),
        )
        for number, history in enumerate(_people(chunk), chunk.first)
    ]


def run_household_ours(kind: str, seed: int, first: int, last: int) -> list[Outcome]:
    """Ours over some households."""
    result = []
    for number, history in _households(kind, seed, first, last):
        outcome = outcome_of(history, seed, number)
        for detector in (Ours(), Ours(BASKETS, BASKET_RULES)):
            outcome.alarms[detector.name] = _kept(history, detector.alarms(history))
        result.append(outcome)
    return result


def run_household_rivals(
    kind: str, seed: int, first: int, last: int, tuned: dict[str, float], simulated: dict[str, float]
) -> list[tuple[int, int, Alarms]]:
    """Rivals as tuned for households, and as tuned for the simulated people."""
    return [
        (seed, number, _rivals(history, tuned, simulated, FROM_SIMULATED, slow=number % 4 == 0, defaults=False))
        for number, history in _households(kind, seed, first, last)
    ]


def _people(chunk: Chunk) -> list[History]:
    return histories(SCENARIOS[chunk.scenario], chunk.seed, chunk.first, chunk.last)


def _households(kind: str, seed: int, first: int, last: int) -> Iterator[tuple[int, History]]:
    for number in range(first, last):
        history = (
            household.natural(number)
            if kind == "R1-natural"
            else household.shuffled(seed, number)
            if kind == "R1-shuffled"
            else household.spliced(seed, number)
        )
        if history is not None:
            yield number, history


def run_late(scenario: str, seed: int, first: int, last: int) -> list[tuple[Outcome, LateOutcome]]:
    """S10 over some people."""
    return [
        (outcome_of(history, seed, number), compare_orders(history, seed, number))
        for number, history in enumerate(histories(SCENARIOS[scenario], seed, first, last), first)
    ]


def _rivals(
    history: History, tuned: dict[str, float], otherwise: dict[str, float], suffix: str, *, slow: bool, defaults: bool
) -> Alarms:
    """Rivals as tuned, with default parameters, and as tuned `otherwise`, named with the suffix."""
    known = features(history)
    alarms: Alarms = {}
    for name, rival in RIVALS.items():
        if name in SLOW and not slow:
            continue
        alarms[name] = _kept(history, list(Adapter(rival, tuned[name]).scan(history, known)))
        if name in otherwise:
            same = otherwise[name] == tuned[name]
            other = Adapter(rival, otherwise[name])
            alarms[name + suffix] = alarms[name] if same else _kept(history, list(other.scan(history, known)))
        if defaults:
            default = Adapter(rival, None)
            alarms[default.name] = _kept(history, list(default.scan(history, known)))
    return alarms


def _kept(history: History, raised: list[Raised]) -> list[tuple[int, int, float | None]]:
    return [
        (one.index, int(history.buckets[one.index]), None if one.since is None else round(one.since, 2))
        for one in raised
    ]
