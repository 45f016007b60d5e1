"""The book of situations: every day's, of those who have consented to being watched for them, a line each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from city.calling import DATA
from city.catalogue import PURPOSES
from city.clock import HOUR_MS, NEVER_MS, local_midnight
from city.geography import Geography
from city.metering import Meters
from city.population import People
from city.rows import Bools, Ints, Rows
from city.situations.compared import Compared
from city.situations.dealings import Dealings
from city.situations.found import Found
from city.situations.places import Places
from city.situations.quotas import Quotas
from city.situations.seen import MadeUp, Waiting, in_time
from city.situations.use import Use

_OF_PLACES = ("marketing", "location_services")
_OF_USE = ("marketing", "profiling")

SCENES: dict[str, tuple[str, ...]] = {
    "traffic-80-used": ("necessary",),
    "traffic-all-used": ("necessary",),
    "traffic-runs-out": ("necessary", "marketing"),
    "traffic-surge": _OF_USE,
    "roaming-out": _OF_PLACES,
    "roaming-back": ("necessary", "location_services"),
    "airport-left": _OF_PLACES,
    "station-entered": _OF_PLACES,
    "school-stay": _OF_PLACES,
    "mall-stay": _OF_PLACES,
    "video-music-opened": _OF_USE,
    "games-binge": _OF_USE,
    "property-site-opened": _OF_USE,
    "car-brand-visits": _OF_USE,
    "renovation-search": _OF_USE,
    "home-seeker": _OF_USE,
    "contact-rested": ("marketing",),
    "roaming-without-pass": ("necessary", *_OF_PLACES),
    "packs-not-ordered": ("necessary", *_OF_USE),
    "sms-not-clicked": ("marketing",),
    "recharge-large": ("marketing", "credit_risk"),
    "bill-jump": ("necessary", "credit_risk"),
    "order-returned": ("necessary",),
    "premium-phone": ("necessary", "marketing"),
    "group-calls": ("marketing", "social_analysis"),
}
"""Scenes that are told, and what a person must have consented to; ``necessary`` is the whole necessary list."""

BY_TIME = {
    "airport-left",
    "station-entered",
    "school-stay",
    "mall-stay",
    "contact-rested",
    "roaming-without-pass",
    "packs-not-ordered",
    "sms-not-clicked",
}
"""Scenes that arise without any event."""
_WATCHED = ("registration", "signalling", "dpi", "cdr", "billing", "contact", "order")
_PLACE = {purpose: place for place, purpose in enumerate(("necessary", *PURPOSES))}
_LAST_MS = HOUR_MS
DOUBTFUL = "doubtful"


class _Telling:
    """What arises for everybody, by what is looked at."""

    def __init__(self, people: People, geography: Geography) -> None:
        self._use, self._places = Use(people.count), Places(people.count, geography)
        self._quotas, self._dealings = Quotas(people), Dealings(people)

    def day_of(self, today: dict[str, Rows], counted: dict[str, Rows], until_ms: int) -> Iterator[Found]:
        """Situations of a local day, by the records of that day and those that are counted then."""
        yield from self._use.day_of(today["dpi"], counted["dpi"], today["order"], until_ms)
        yield from self._places.day_of(today["signalling"], today["order"], until_ms)
        yield from self._quotas.day_of(today["billing"], today["readings"])
        yield from self._dealings.day_of(today, counted, until_ms)


class SituationBook:
    """Writes ``situations.jsonl`` day by day.

    Parameters
    ----------
    path
        Of the file.
    people, geography
        Of the city.
    end_ms
        When the city ends.
    """

    def __init__(self, path: Path, people: People, geography: Geography, end_ms: int) -> None:
        self._people, self._end_ms = people, end_ms
        self._file = path.open("w", encoding="utf-8")
        self._by_time, self._by_arrival = Waiting("time"), Waiting("arrival")
        self._made_up = MadeUp(people.count)
        self._happened, self._seen = _Telling(people, geography), _Telling(people, geography)
        self._apart: dict[str, Compared] = {scene: Compared() for scene in SCENES}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            for scene, compared in self._apart.items():
                for found, why in compared.rest(scene):
                    self._tell(found, why)
        self._file.close()

    def day_of(self, day: int, feeds: dict[str, Rows], meters: Meters) -> None:
        """Tell a local day, given the events of every feed, with their arrivals, and the meters after it."""
        ends_ms = local_midnight(day + 1)
        until_ms, arrived_ms = min(ends_ms, self._end_ms), ends_ms if ends_ms < self._end_ms else NEVER_MS
        watched = {name: feeds[name] for name in _WATCHED} | {"readings": self._readings(feeds["cdr"], meters)}
        happened = {name: self._by_time.up_to(until_ms, name, rows) for name, rows in watched.items()}
        counted = {name: self._by_arrival.up_to(arrived_ms, name, rows) for name, rows in watched.items()}
        seen = {name: rows.take(in_time(rows)) for name, rows in happened.items() if name != "readings"}
        seen["readings"] = self._made_up.day_of(happened["readings"])
        for really, apparently in zip(
            self._happened.day_of(happened, happened, until_ms), self._seen.day_of(seen, counted, until_ms), strict=True
        ):
            self._tell(self._apart[really.scene].both(really, apparently))

    def _readings(self, cdr: Rows, meters: Meters) -> Rows:
        who = np.repeat(np.arange(self._people.count), meters.read_ms.shape[1])
        time = meters.read_ms.ravel()
        lived = (time >= self._people.fates.active_ms[who]) & (time < self._end_ms)
        records = np.flatnonzero(cdr["kind"] == DATA)  # of the same readings, in the same order
        return Rows(
            who=who[lived],
            time=time[lived],
            megabytes=meters.read_mb.ravel()[lived],
            arrival=cdr["arrival"][records],
        )

    def _tell(self, found: Found, why: str = "") -> None:
        asked = self._consented(found)
        doubtful = found.doubtful
        if found.scene in BY_TIME:
            doubtful = doubtful | (found.at_ms > self._end_ms - _LAST_MS)
        persons = self._people.ids.persons
        for who, at_ms, unsure in zip(
            *(each[asked].tolist() for each in (found.who, found.at_ms, doubtful)), strict=True
        ):
            line = {"scene": found.scene, "person_ref": persons[who], "at_ms": at_ms}
            reason = DOUBTFUL if unsure else why
            self._file.write(json.dumps(line | {reason: True} if reason else line) + "\n")

    def _consented(self, found: Found) -> Bools:
        """Whether each person has consented to what the scene needs, at that time."""
        people, who = self._people, found.who
        places: Ints = np.array([_PLACE[purpose] for purpose in SCENES[found.scene]])
        granted = people.consents[who][:, places].all(axis=1)
        withdrawn = np.isin(people.withdraws[who], places) & (people.withdraws_ms[who] <= found.at_ms)
        kept: Bools = granted & ~withdrawn
        return kept
