"""The oracle: every profile recomputed from the whole log, the slow and obvious way.

Keeps every event of every user and sums ``v * 2**(-(T - t) / h)`` at the end, so it shares nothing with the forward
decay, the cells, the cap or the horizon that it checks. What a record says (`sources`) and what an event is evidence
for (`udfs.tags`) is shared: those are declarations, not arithmetic.

Where it can't know better than the job:

- Which event is "late" depends on the order of arrival. Exact where a user's records come in the order of the log;
  a user fed by two logs at once may be refused other events than here.
- Which event is "future-dated" depends on the clock at that moment; the caller gives one `now_ms`.
- A user with more tags in a group than `max_tags_per_group` keeps only the heaviest apart, and which those were
  depends on the order too. The oracle has all tags; `verify` then checks bounds and totals.
- A profile that the job dropped after `hot_retention_days` without a change began anew; the oracle's did not.
- A half-life changed while the state lived re-weighs the past here, but not in the job.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable
from math import fsum, sqrt
from typing import NamedTuple

from schemas.events import Event
from schemas.reasons import Reason, Rejected
from schemas.rules import Rules
from schemas.settings import Settings
from sources import FEEDS
from udfs.tags import GROUPS, evidence_of

Record = tuple[str, str, int, int, bytes | None, bytes | None]
"""feed, log, partition, offset, key, value: one record and where it lies."""

_PROGRESS_EVERY = 20_000
_LARGEST_VALUE = 1e15


class OracleTag(NamedTuple):
    """One tag as it must be.

    Attributes
    ----------
    weight
        Decayed at the profile's `as_of_ms`; of a numeric group the decayed count.
    mean, std
        Of a numeric group, under the same weights; None otherwise.
    last_ms
        Time of the newest evidence.
    evidence_rows, value_sum
        How many pieces of evidence, and their sum without decay.
    """

    weight: float
    mean: float | None
    std: float | None
    last_ms: int
    evidence_rows: int
    value_sum: float


class OracleProfile(NamedTuple):
    """One user: distinct events folded, the newest one's time, and every tag ``<group>:<name>`` ever seen."""

    n: int
    as_of_ms: int
    tags: dict[str, OracleTag]


class OracleCounts(NamedTuple):
    """What became of the records: ``events_in == folded + duplicates + sum(rejected.values())``."""

    events_in: int
    folded: int
    duplicates: int
    rejected: dict[str, int]


class OracleResult(NamedTuple):
    """Everything the stores must hold. A dead letter is ``(feed, log, partition, offset, reason)``."""

    profiles: dict[str, OracleProfile]
    counts: OracleCounts
    dead_letters: set[tuple[str, str, int, int, str]]


def recompute(
    records: Iterable[Record],
    settings: Settings,
    now_ms: int,
    on_progress: Callable[[int], None] | None = None,
) -> OracleResult:
    """Recompute every profile, count and dead letter from the log.

    Parameters
    ----------
    records
        The whole log, each user's records in order of arrival (`log_records.records_of`).
    settings
        The settings the job ran with.
    now_ms
        The time: what is later than this and the tolerance is future-dated.
    on_progress
        Called now and then with the records read so far.

    Notes
    -----
    Memory: about 22 bytes per piece of evidence while reading, about 300 per tag of the result.
    """
    rules = settings.rules(GROUPS)
    users: dict[str, _User] = {}
    tag_numbers: dict[tuple[str, str], int] = {}
    dead: set[tuple[str, str, int, int, str]] = set()
    rejected: dict[str, int] = defaultdict(int)
    events_in = folded = duplicates = 0

    for feed, log, partition, offset, key, value in records:
        events_in += 1
        if on_progress is not None and events_in % _PROGRESS_EVERY == 0:
            on_progress(events_in)
        try:
            event = _event_of(feed, key, value, settings.max_record_bytes)
            _check_time(event.event_time_ms, rules, now_ms)
            _check_values(event)
            user = users.get(event.user) or users.setdefault(event.user, _User())
            if not user.memory.is_new(event, rules):
                duplicates += 1
                continue
        except Rejected as refusal:
            rejected[f"{feed}/{refusal.reason.value}"] += 1
            dead.add((feed, log, partition, offset, refusal.reason.value))
            continue
        folded += 1
        user.n += 1
        user.newest_ms = max(user.newest_ms, event.event_time_ms)
        for group, tag, amount in evidence_of(event):
            number = tag_numbers.setdefault((group, tag), len(tag_numbers))
            user.tags.append(number)
            user.times_ms.append(event.event_time_ms)
            user.values.append(amount)
    if on_progress is not None:
        on_progress(events_in)

    names = list(tag_numbers)
    profiles: dict[str, OracleProfile] = {}
    for name in sorted(users):
        user = users.pop(name)  # its events are freed as its profile is made
        if user.n:
            profiles[name] = _profile(user, names, rules)
    return OracleResult(profiles, OracleCounts(events_in, folded, duplicates, dict(rejected)), dead)


class _User:
    """Every event folded for one user, as columns: they are many."""

    __slots__ = ("memory", "n", "newest_ms", "tags", "times_ms", "values")

    def __init__(self) -> None:
        self.memory = _Memory()
        self.n = 0
        self.newest_ms = 0
        self.tags = array("I")
        self.times_ms = array("q")
        self.values = array("d")


class _Memory:
    """Which event ids a user's past still holds: the rule of the de-duplication horizon, put plainly.

    Ids are kept by bucket of event time. Opening a bucket forgets every bucket more than the horizon before the newest
    one, then the oldest ones until no more than `dedup_max_ids` ids are held, but never the newest. An event of a
    forgotten bucket is refused. A bucket opened only to be forgotten in the same step keeps its ids until the next one
    is opened, or its own repeats would pass.
    """

    __slots__ = ("buckets", "forgotten_before")

    def __init__(self) -> None:
        self.buckets: dict[int, set[int]] = {}
        self.forgotten_before = 0

    def is_new(self, event: Event, rules: Rules) -> bool:
        """Whether the event is no repeat; remembers it then. Raises `Rejected` when that can't or may not be told."""
        bucket = event.event_time_ms // rules.dedup_bucket_ms
        if bucket not in self.buckets:
            if bucket < self.forgotten_before:
                raise Rejected(Reason.LATE_BEYOND_HORIZON)
            self._open(bucket, rules)
        ids = self.buckets[bucket]
        if event.event_id in ids:
            return False
        if len(ids) == rules.max_events_per_bucket:
            raise Rejected(Reason.USER_FLOOD)
        ids.add(event.event_id)
        return True

    def _open(self, bucket: int, rules: Rules) -> None:
        self.buckets[bucket] = set()
        newest = max(self.buckets)
        self.forgotten_before = max(self.forgotten_before, newest - rules.dedup_buckets + 1)
        kept = sorted(each for each in self.buckets if each >= self.forgotten_before)
        while kept[0] != newest and sum(len(self.buckets[each]) for each in kept) > rules.dedup_max_ids:
            self.forgotten_before = kept.pop(0) + 1
        self.buckets = {each: ids for each, ids in self.buckets.items() if each in kept or each == bucket}


def _event_of(feed: str, key: bytes | None, value: bytes | None, max_record_bytes: int) -> Event:
    if not value:
        raise Rejected(Reason.VALUE_MISSING)
    if len(value) > max_record_bytes:
        raise Rejected(Reason.RECORD_TOO_LARGE)
    return FEEDS[feed].decode(key or b"", value)


def _check_time(event_time_ms: int, rules: Rules, now_ms: int) -> None:
    if event_time_ms > now_ms + rules.future_tolerance_ms:
        raise Rejected(Reason.TIME_IN_FUTURE)
    if event_time_ms < rules.min_event_time_ms:
        raise Rejected(Reason.TIME_BEFORE_MINIMUM)


def _check_values(event: Event) -> None:
    if any(not abs(value) <= _LARGEST_VALUE for _, _, value in evidence_of(event)):
        raise Rejected(Reason.VALUE_NOT_FINITE)


def _profile(user: _User, names: list[tuple[str, str]], rules: Rules) -> OracleProfile:
    by_tag: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for number, time_ms, value in zip(user.tags, user.times_ms, user.values, strict=True):
        by_tag[number].append((time_ms, value))
    tags: dict[str, OracleTag] = {}
    for number in sorted(by_tag, key=names.__getitem__):
        group, tag = names[number]
        rule = rules.groups[group]
        tags[f"{group}:{tag}"] = _tag(by_tag[number], user.newest_ms, rule.half_life_ms, rule.numeric)
    return OracleProfile(user.n, user.newest_ms, tags)


def _tag(evidence: list[tuple[int, float]], at_ms: int, half_life_ms: int, numeric: bool) -> OracleTag:
    last_ms = max(time_ms for time_ms, _ in evidence)
    total = fsum(value for _, value in evidence)
    weights = [2.0 ** (-(at_ms - time_ms) / half_life_ms) for time_ms, _ in evidence]
    if not numeric:
        weight = fsum(w * value for w, (_, value) in zip(weights, evidence, strict=True))
        return OracleTag(weight, None, None, last_ms, len(evidence), total)
    weight = fsum(weights)
    if weight == 0.0:
        # decayed beyond the smallest double: far below any floor, so nobody will ask for its mean
        return OracleTag(0.0, 0.0, 0.0, last_ms, len(evidence), total)
    mean = fsum(w * value for w, (_, value) in zip(weights, evidence, strict=True)) / weight
    variance = fsum(w * (value - mean) ** 2 for w, (_, value) in zip(weights, evidence, strict=True)) / weight
    return OracleTag(weight, mean, sqrt(variance), last_ms, len(evidence), total)
