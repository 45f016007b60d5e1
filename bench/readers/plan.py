"""What a driver is to do, and what came of it; both travel as JSON files."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from math import ceil
from random import Random
from typing import Literal

from msgspec import Struct

from bench.measures import percentile

Via = Literal["sync", "asyncio", "http"]
Access = Literal["uniform", "zipf"]

_ZIPF_EXPONENT = 0.99  # as YCSB has it


class Plan(Struct):
    """An open loop: request i is due at ``start + i / rate`` whatever became of the ones before.

    Attributes
    ----------
    via
        The client, or HTTP.
    url, prefix, token
        Of Redis with the key prefix, or of the API with a key.
    population, people
        How many there are, and how many a request asks for.
    access
        Everybody alike, or some far more often (Zipf).
    rate, warm_up_s, seconds
        Requests a second; seconds before and of the measurement.
    outcome
        File for the `Outcome`.
    """

    via: Via
    url: str
    prefix: str
    token: str
    population: int
    people: int
    access: Access
    rate: float
    warm_up_s: float
    seconds: float
    outcome: str
    seed: int = 7

    def requests(self) -> int:
        """Requests in all."""
        return ceil(self.rate * (self.warm_up_s + self.seconds))

    def asked(self) -> Iterator[list[int]]:
        """The people of each request, by number."""
        random = Random(self.seed)
        if self.access == "uniform":
            while True:
                yield random.sample(range(self.population), self.people)
        shares = list(accumulate(1 / rank**_ZIPF_EXPONENT for rank in range(1, self.population + 1)))
        places = list(range(self.population))
        random.shuffle(places)
        while True:
            found: dict[int, None] = {}
            while len(found) < self.people:
                found[places[min(bisect(shares, random.random() * shares[-1]), self.population - 1)]] = None
            yield list(found)


class Outcome(Struct):
    """Latencies of the measured requests from when each was due, ms, ascending; and how many failed."""

    latencies_ms: list[float]
    failed: int


class Measured(Struct):
    """A line of the report."""

    via: Via
    people: int
    access: Access
    rate: float
    requests: int
    failed: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


def measured(plan: Plan, outcome: Outcome) -> Measured:
    """The line of a plan and its outcome."""
    ordered = outcome.latencies_ms
    return Measured(
        plan.via,
        plan.people,
        plan.access,
        plan.rate,
        len(ordered),
        outcome.failed,
        percentile(ordered, 0.5),
        percentile(ordered, 0.99),
        percentile(ordered, 0.999),
        ordered[-1],
    )
