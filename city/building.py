"""Builds a city, day by day: events of every feed, delivered to the feeds' files as far as they have arrived."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from city import beginning, browsing, calling, dictionaries, paying, signalling, truth
from city.charging import Charging
from city.clock import DAY_MS, START_MS, local_midnight
from city.delivery import Delivery
from city.feed_file import FeedFile
from city.feeds import feeds
from city.geography import Geography, lay_out
from city.marks import KINDS
from city.metering import Meters
from city.offering import Offers
from city.population import People, settle
from city.rows import Rows, joined
from city.situations import SituationBook

_BEGINNINGS = ("link", "registration", "consent")


@dataclass(frozen=True)
class CityReport:
    """What was built.

    Attributes
    ----------
    events
        Records per feed, dirty ones included.
    dirt
        Dirty records per kind; a record may be dirty in two ways.
    seconds
        It took.
    events_per_second
        All feeds together.
    """

    events: dict[str, int]
    dirt: dict[str, int]
    seconds: float
    events_per_second: float


def build(
    out: Path,
    subscribers: int,
    days: int,
    seed: int,
    on_progress: Callable[[int], None] | None = None,
    delivery: Delivery | None = None,
) -> CityReport:
    """Build a city into a folder: feeds, dictionaries and the truth.

    The same seed and sizes give the same bytes on the same machine and numpy. Memory grows with the events of one day,
    not with the days.

    Parameters
    ----------
    out
        Folder, made if needed; files of an earlier city in it are overwritten.
    subscribers, days
        Sizes; at least 2 and 1.
    seed
        Not negative.
    on_progress
        Called with the number of records written so far, several times a day.
    delivery
        How badly records are delivered; default: the usual dirt.

    Raises
    ------
    ValueError
        For sizes no city can have.
    """
    began = time.perf_counter()
    geography = lay_out(seed)
    people = settle(subscribers, days, seed, geography)
    end_ms = START_MS + days * DAY_MS
    told = out / "truth"
    told.mkdir(parents=True, exist_ok=True)
    dictionaries.write(out / "dictionaries", geography, people)
    truth.write_subscribers(told / "subscribers.jsonl", people, geography, end_ms)
    written = 0
    with ExitStack() as stack:
        dirt_file = stack.enter_context((told / "dirt.jsonl").open("w", encoding="utf-8"))
        files = {
            name: FeedFile(feed, out, dirt_file, people.latency_ms, seed, delivery or Delivery())
            for name, feed in feeds(people, geography).items()
        }
        for file in files.values():
            stack.callback(file.close)
        book = stack.enter_context(SituationBook(told / "situations.jsonl", people, geography, end_ms))
        # A local day more than the period has: the first and the last are parts.
        for day, meters, feeds_of_day in _days(people, geography, days, seed):
            last = day == days
            lived = {
                name: _within_life(rows, people, end_ms, name in _BEGINNINGS) for name, rows in feeds_of_day.items()
            }
            for name, rows in lived.items():
                files[name].add(rows)
            book.day_of(day, lived, meters)
            for name in lived:
                written += files[name].deliver() if last else files[name].deliver(local_midnight(day + 1))
                if on_progress:
                    on_progress(written)
    seconds = time.perf_counter() - began
    report = CityReport(
        events={name: file.written for name, file in files.items()},
        dirt={kind: sum(file.dirt_counts[kind] for file in files.values()) for kind in KINDS},
        seconds=seconds,
        events_per_second=written / seconds,
    )
    _summarise(told / "summary.json", report, subscribers, days, seed, end_ms)
    return report


def _days(people: People, geography: Geography, days: int, seed: int) -> Iterator[tuple[int, Meters, dict[str, Rows]]]:
    """Every local day: its number, the meters after it, and the events of every feed."""
    meters, offers = Meters(people, seed), Offers(people, seed)
    charging = Charging(people)
    for day in range(days + 1):
        flows = browsing.day_of(people, day, seed)
        readings = meters.day_of(day, flows)
        contacts, orders = offers.day_of(day)
        yield (
            day,
            meters,
            {
                "link": beginning.links(people, day),
                "registration": beginning.registrations(people, day, seed),
                "consent": beginning.consents(people, day),
                "signalling": signalling.day_of(people, geography, day, seed),
                "dpi": flows,
                "cdr": joined([calling.day_of(people, day, seed), readings]),
                "billing": charging.day_of(day, paying.day_of(people, day, seed), meters),
                "contact": contacts,
                "order": orders,
            },
        )


def _within_life(rows: Rows, people: People, end_ms: int, is_beginning: bool) -> Rows:
    """The rows within the period and, except for beginnings, after the person's own."""
    moment = rows["time"]
    kept = moment < end_ms
    if not is_beginning:
        kept &= moment >= people.fates.active_ms[rows["who"]]
    return rows.take(kept)


def _summarise(path: Path, report: CityReport, subscribers: int, days: int, seed: int, end_ms: int) -> None:
    sizes = {"seed": seed, "subscribers": subscribers, "days": days, "start_ms": START_MS, "end_ms": end_ms}
    counted = {"events": report.events, "dirt": report.dirt}
    path.write_text(json.dumps(sizes | counted, indent=2) + "\n", encoding="utf-8")
