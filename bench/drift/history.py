"""A person's history: closed buckets with their counts, and the truth about it.

A bucket is a local day-part since the epoch: ``local_ms // 21_600_000``; ``bucket % 4`` is the part of the day (00-06,
06-12, 12-18, 18-24) and ``bucket // 4`` the day, of which day 0 was a Thursday.

Inside a bucket there are sessions. Each has one tag and a heavy-tailed number of events, so the shares of a bucket vary
much more than those of independent events would. A sticky bucket draws its sessions' tags from the bucket before.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.drift.people import TAGS, Shares

PARTS = 4
FIRST_DAY = 19_000

Ints = NDArray[np.int64]  # counts are int32, to save memory


@dataclass(frozen=True)
class Traits:
    """How people of a scenario behave.

    Attributes
    ----------
    activity
        Probability that a day-part has any events.
    season
        Standard deviation of the logarithm of the context multipliers; 0: no weekday or time of day matters.
    all_parts
        Whether each part of the day has its own multipliers, instead of day (06-18) and night.
    sticky
        Probability that a bucket repeats what the one before was about.
    lapses_per_year, lapse_days
        Times without any activity, and their mean length.
    sessions
        Mean number of a bucket's sessions beyond the first.
    session_events
        Mean number of a session's events, about.
    """

    activity: tuple[float, float, float, float] = (0.6, 0.97, 0.97, 0.97)
    season: float = 0.0
    all_parts: bool = False
    sticky: float = 0.0
    lapses_per_year: float = 4.0
    lapse_days: float = 6.0
    sessions: float = 3.0
    session_events: float = 8.0


@dataclass
class History:
    """What a detector sees (`buckets`, `counts`), and the truth it is judged by.

    Attributes
    ----------
    buckets, counts
        Active buckets, ascending; their events by tag, a row each.
    start, stop
        Calendar buckets it spans: exposure to false alarms counts these.
    changes
        Buckets in which another behaviour begins; empty: there is no change.
    until
        Bucket in which a passing change ends.
    distance_bits
        True Jensen-Shannon divergence between the long-run shares before and after.
    before, after
        The true long-run shares.
    """

    buckets: Ints
    counts: Ints
    start: int
    stop: int
    changes: tuple[int, ...] = ()
    until: int | None = None
    distance_bits: float = 0.0
    before: Shares = field(default_factory=lambda: np.zeros(0))
    after: Shares = field(default_factory=lambda: np.zeros(0))
    tags: tuple[str, ...] = TAGS
    label: str = ""

    @property
    def years(self) -> float:
        """Length in years."""
        return (self.stop - self.start) / PARTS / 365.25

    def index_of(self, bucket: int) -> int:
        """Index of the first active bucket at or after `bucket`."""
        return int(np.searchsorted(self.buckets, bucket))

    def closed(self, index: int) -> dict[str, int]:
        """Counts of a bucket, as a detector gets them."""
        row = self.counts[index]
        return {self.tags[k]: int(row[k]) for k in np.flatnonzero(row)}


def context_of(bucket: Ints, traits: Traits) -> Ints:
    """Index of the context of each bucket."""
    part = bucket % PARTS
    weekend = (bucket // PARTS + 3) % 7 >= 5
    if traits.all_parts:
        return np.asarray(weekend * PARTS + part)
    return np.asarray(weekend * 2 + ((part == 1) | (part == 2)))


def contexts(traits: Traits) -> int:
    """Number of contexts."""
    return 2 * PARTS if traits.all_parts else 4


def multipliers(rng: Generator, traits: Traits) -> Shares:
    """A person's own factors in each context."""
    return np.exp(traits.season * rng.standard_normal((contexts(traits), len(TAGS))))


def long_run(shares: Shares, traits: Traits) -> Shares:
    """Mean share of each tag over active buckets, of shares by context."""
    week = np.arange(7 * PARTS, dtype=np.int64)
    weights = np.array(traits.activity)[week % PARTS]
    rows = shares[context_of(week, traits)]
    mean: Shares = weights @ rows / weights.sum()
    return mean


def active_buckets(rng: Generator, traits: Traits, start: int, stop: int) -> Ints:
    """Buckets with activity."""
    buckets = np.arange(start, stop, dtype=np.int64)
    active = rng.random(len(buckets)) < np.array(traits.activity)[buckets % PARTS] * rng.uniform(0.85, 1.0)
    days = (stop - start) // PARTS
    for _ in range(rng.poisson(traits.lapses_per_year * days / 365.25)):
        first = int(rng.integers(days)) * PARTS
        active[first : first + PARTS * int(rng.geometric(1 / traits.lapse_days))] = False
    return buckets[active]


def draw_counts(
    rng: Generator, traits: Traits, buckets: Ints, before: Shares, after: Shares | None, weight: Shares | None
) -> Ints:
    """Events by tag of each bucket.

    Parameters
    ----------
    before, after
        Shares by context.
    weight
        Of `after` in each bucket, 0 to 1.
    """
    sessions = 1 + rng.poisson(traits.sessions, len(buckets))
    of_bucket = np.repeat(np.arange(len(buckets)), sessions)
    context = context_of(buckets, traits)[of_bucket]
    changed = np.zeros(len(of_bucket), dtype=bool) if weight is None else rng.random(len(of_bucket)) < weight[of_bucket]
    tag = np.zeros(len(of_bucket), dtype=np.int64)
    for number in range(contexts(traits)):
        for side, shares in ((False, before), (True, after)):
            chosen = np.flatnonzero((context == number) & (changed == side))
            if shares is not None and len(chosen):
                tag[chosen] = rng.choice(len(TAGS), size=len(chosen), p=shares[number])
    events = np.ceil(rng.lognormal(np.log(traits.session_events) - 0.5, 1.0, len(of_bucket))).astype(np.int64)
    if traits.sticky > 0.0:
        _stick(rng, traits, sessions, tag, events)
    counts = np.zeros((len(buckets), len(TAGS)), dtype=np.int32)
    np.add.at(counts, (of_bucket, tag), events)
    return counts


def _stick(rng: Generator, traits: Traits, sessions: Ints, tag: Ints, events: Ints) -> None:
    """Let some buckets draw their tags from the bucket before, in place."""
    first = np.concatenate([[0], np.cumsum(sessions)])
    repeats = np.flatnonzero(rng.random(len(sessions)) < traits.sticky)
    for bucket in repeats[repeats > 0]:
        begin, end, previous = first[bucket], first[bucket + 1], slice(first[bucket - 1], first[bucket])
        edges = np.cumsum(events[previous])
        drawn = np.searchsorted(edges, rng.random(end - begin) * edges[-1], side="right")
        tag[begin:end] = tag[previous][drawn]
