"""``python -m city --out DIR --subscribers N --days D --seed S``."""

from __future__ import annotations

import argparse
from pathlib import Path

from city.building import build


def main() -> None:
    """Build a city and say what it has."""
    parser = argparse.ArgumentParser(prog="python -m city", description="Build a seeded telecom with its truth.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--subscribers", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    report = build(wanted.out, wanted.subscribers, wanted.days, wanted.seed)
    for name, count in report.events.items():
        print(f"{name:14}{count:>14,}")
    print("dirt: " + ", ".join(f"{kind} {count:,}" for kind, count in report.dirt.items()))
    print(
        f"{sum(report.events.values()):,} records in {report.seconds:.1f} s: {report.events_per_second:,.0f} a second"
    )


if __name__ == "__main__":
    main()
