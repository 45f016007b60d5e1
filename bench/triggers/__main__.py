"""One command, one report: ``make bench-triggers``, or with ``QUICK=1`` to see that it works.

Live jobs with a real broker, real sinks and checkpoints. For each set of rules one works off a backlog. For each
micro-batch window one gets flows in an open loop at rising rates, up to the highest it keeps up with; then at half and
at 80 % of that, while a consumer notes when each probe's trigger can be read in the stream.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from bench import real_stores
from bench.child import BenchError
from bench.machine import facts
from bench.triggers.load import subscriptions
from bench.triggers.measure import caught_up, measure
from bench.triggers.report import Report, read_report, write_report
from livetags.checked_rules import checked_rules
from livetags.embedded import jars, java
from livetags.embedded.kafka_broker import KafkaBroker
from livetags.scenes import scenes_folder
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule

FLOWS, QUICK_FLOWS = 150_000, 40_000
MANY_RULES = 5_000
WINDOWS_MS = (50, 100, 200, 400)
RULES_WINDOW_MS = 200
SHARES = (0.5, 0.8)
REPEATS = 2


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def main(arguments: list[str]) -> int:
    """Run the command line; returns the exit status: 1 when anything could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.triggers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little of everything: to see that it works")
    parser.add_argument("--flows", type=int, help=f"backlog of each job (default {FLOWS:,})")
    parser.add_argument(
        "--only", choices=("rules", "windows"), help="measure this part anew, and keep the other's figures"
    )
    chosen = parser.parse_args(arguments)
    flows = chosen.flows or (QUICK_FLOWS if chosen.quick else FLOWS)
    began = datetime.now(UTC)
    scenes = [written.rule for written in checked_rules([scenes_folder()], Settings())]
    sets: dict[str, list[TriggerRule]] = {
        "no rules": [],
        "26 scenes": scenes,
        "5,000 rules": [*scenes, *subscriptions(MANY_RULES - len(scenes))],
        "5,000 eager rules": [*scenes, *subscriptions(MANY_RULES - len(scenes), eager=True)],
    }
    connector = jars.fetch("flink-kafka", jars.DEFAULT_FOLDER)
    broker_jars = jars.fetch("kafka-broker", jars.DEFAULT_FOLDER)
    report = Report(began.isoformat(timespec="seconds"), facts([*connector, *broker_jars]), flows, chosen.quick)
    if chosen.only:
        report.keep(read_report(), chosen.only)
    with (
        tempfile.TemporaryDirectory(prefix="livetags-bench-", ignore_cleanup_errors=True) as folder,
        ExitStack() as stack,
    ):
        scratch = Path(folder)
        broker = stack.enter_context(KafkaBroker(scratch / "kafka", java.java_home(), broker_jars))
        stores = stack.enter_context(real_stores.running(scratch / "stores", jars.DEFAULT_FOLDER))

        def missed(what: str, error: BenchError) -> None:
            report.problems.append(f"{what}: {error}")
            _say(report.problems[-1])

        for _ in range(0 if chosen.only == "windows" else 1 if chosen.quick else REPEATS):
            for name, rules in sets.items():
                try:
                    done = caught_up(stores, broker.bootstrap, RULES_WINDOW_MS, rules, scratch, flows)
                except BenchError as error:
                    missed(name, error)
                    continue
                _say(f"{name}: {done.rate:,.0f} events/s")
                report.by_rules.setdefault(name, []).append(done)
        for window_ms in () if chosen.only == "rules" else (50, 200) if chosen.quick else WINDOWS_MS:
            try:
                measured = measure(stores, broker.bootstrap, window_ms, scenes, scratch, SHARES)
            except BenchError as error:
                missed(f"window {window_ms} ms", error)
                continue
            report.by_window.append(measured)
            _say(f"window {window_ms} ms: keeps up with {measured.sustained:,.0f} events/s")
            for latency in measured.latencies:
                _say(
                    f"  at {latency.share:.0%}, {latency.rate:,.0f} events/s: p50 {latency.p50_ms:.0f} ms, p99 "
                    f"{latency.p99_ms:.0f} ms, {latency.lost} of {latency.probes} lost"
                )
    for file in write_report(report):
        print(file)
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
