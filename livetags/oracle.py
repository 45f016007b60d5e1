"""The oracle: every profile recomputed from the whole log, the slow and obvious way.

Keeps every event of every person and sums ``v * 2**(-(T - t) / h)`` at the end, so it shares nothing with the forward
decay, the cells, the cap, the horizon, the links, the consents and the two stages that it checks. What a record says
(`sources`), what cleaning makes of it (`udfs.cleaning`), what an event is evidence for (`udfs.tags`) and when behaviour
has drifted (`udfs.profile.drift`) is shared: cleaning and drift are checked against the city's truth instead, and the
detectors against a plain transcription of their formulas. What a rebuild makes of a profile is recomputed.

Where it can't know better than the job:

- Which event is "late", and what came before what, depends on the order of arrival. Exact for files, whose replay has
  one order, and for a topic of its own; a person fed by several topics at once may be judged in another order.
- Which event is "future-dated" depends on the clock at that moment; the caller gives one `now_ms`.
- A user with more tags in a group than `max_tags_per_group` keeps only the heaviest apart, and which those were
  depends on the order too. The oracle has all tags; `verify` then checks bounds and totals.
- A profile that the job dropped after `hot_retention_days` without a change began anew; the oracle's did not.
- A half-life changed while the state lived re-weighs the past here, but not in the job.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from math import fsum, sqrt
from types import MappingProxyType
from typing import NamedTuple

from schemas.cleaning_memory import CleaningMemory
from schemas.dictionaries import NO_DICTIONARIES, Dictionaries
from schemas.drift_memory import DriftMemory
from schemas.events import CardsOpened, Consent, Event, Link, Rebuild, Registration, RightsRequest
from schemas.fleet_memory import FleetMemory
from schemas.outputs import Alarm
from schemas.person_memory import PersonMemory
from schemas.pseudonyms import Pseudonyms
from schemas.purposes import NECESSARY, PURPOSES
from schemas.reasons import Reason, Rejected
from schemas.rules import Rules
from schemas.settings import Settings
from sources import FEEDS
from udfs.cleaning import clean
from udfs.cleaning.align import aligned_ms
from udfs.privacy.pseudonym import GivenPseudonyms
from udfs.profile.drift import observe
from udfs.profile.merge_memory import merge_memory
from udfs.stages.door import shard_of, unnamed
from udfs.tags import GROUPS, evidence_of, families_of, forget

Record = tuple[str, str, int, int, bytes | None, bytes | None]
"""feed, log, partition, offset, key, value: one record and where it lies."""

_PROGRESS_EVERY = 20_000
_LARGEST_VALUE = 1e15
_MANY_CARDS = 3
_CARDS_WINDOW_MS = 30 * 86_400_000


class OracleTag(NamedTuple):
    """One tag as it must be.

    Attributes
    ----------
    weight
        Decayed at the profile's `as_of_ms`; of a numeric group the decayed count; 0 of a fact that was replaced.
    mean, std
        Of a numeric group, under the same weights; None otherwise.
    last_ms
        Time of the newest evidence.
    evidence_rows, value_sum
        How many pieces of evidence, and their sum without decay.
    superseded
        Whether it is a fact that a newer one has replaced.
    """

    weight: float
    mean: float | None
    std: float | None
    last_ms: int
    evidence_rows: int
    value_sum: float
    superseded: bool = False


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


DeadRecord = tuple[str, str, int, int, str]
"""feed, log, partition, offset, reason"""

AlarmKey = tuple[str, str, int]
"""user, kind, alarm's time in ms"""


class OracleResult(NamedTuple):
    """Everything the stores must hold; a dead letter with the pseudonym of whom it is about, "" if nobody can tell.

    `links` are (identifier, person, valid from ms); `alarms` are all changes of behaviour of persons not erased since.
    """

    profiles: dict[str, OracleProfile]
    counts: OracleCounts
    dead_letters: dict[DeadRecord, str]
    links: frozenset[tuple[str, str, int]] = frozenset()
    alarms: Mapping[AlarmKey, Alarm] = MappingProxyType({})


def recompute(
    records: Iterable[Record],
    settings: Settings,
    now_ms: int,
    on_progress: Callable[[int], None] | None = None,
    *,
    pseudonyms: Pseudonyms | None = None,
    dictionaries: Dictionaries = NO_DICTIONARIES,
    erased: Mapping[str, int] | None = None,
    refined: Container[AlarmKey] = (),
    shifts_ms: Mapping[int, Sequence[int]] | None = None,
) -> OracleResult:
    """Recompute every profile, count and dead letter from the log.

    Parameters
    ----------
    records
        The whole log, in order of arrival (`log_records.records_of`).
    settings
        The settings the job ran with.
    now_ms
        The time: what is later than this and the tolerance is future-dated.
    on_progress
        Called now and then with the records read so far.
    pseudonyms, dictionaries
        As the job had them; no pseudonyms: the log's feeds need none.
    erased
        Pseudonym -> time up to which everything was erased before the job ran.
    refined
        Alarms whose rebuild was refined from the history: whether that came in time depends on the clock.
    shifts_ms
        Shard of the people -> when its guard noticed a shift of everybody: that depends on how batches were cut.

    Notes
    -----
    Memory: about 22 bytes per piece of evidence while reading, about 300 per tag of the result.
    """
    city = _City(
        settings, now_ms, pseudonyms or GivenPseudonyms(), dictionaries, erased or {}, refined, shifts_ms or {}
    )
    events_in = 0
    for record in records:
        events_in += 1
        if on_progress is not None and events_in % _PROGRESS_EVERY == 0:
            on_progress(events_in)
        city.read(record)
    if on_progress is not None:
        on_progress(events_in)
    return city.result(events_in)


class _Identifier:
    """What is known of one identifier: ids seen, cleaning, whose it is, and its own people while nobody knows."""

    def __init__(self, erased_ms: int) -> None:
        self.memory = _Memory()
        self.cleaning = CleaningMemory()
        self.links: list[tuple[int, str]] = []
        self.cards: set[tuple[int, str]] = set()
        self.erased_ms = erased_ms


class _Person:
    """Every event folded for one person, as columns: they are many."""

    __slots__ = (
        "alarms",
        "consents",
        "drift",
        "erased_ms",
        "kept",
        "memory",
        "n",
        "newest_ms",
        "oldest_ms",
        "tags",
        "times_ms",
        "values",
    )

    def __init__(self, erased_ms: int) -> None:
        self.erased_ms = erased_ms
        self.forget_all()

    def forget_all(self) -> None:
        self.n = 0
        self.newest_ms = 0
        self.oldest_ms = 0
        self.memory = PersonMemory()
        self.consents: dict[str, tuple[int, int, int]] = {}
        self.tags = array("I")
        self.times_ms = array("q")
        self.values = array("d")
        self.kept = array("d")  # what rebuilds have left of each value
        self.drift = DriftMemory()
        self.alarms: list[Alarm] = []

    def keep_tags(self, kept: Callable[[int], bool]) -> None:
        rows = [row for row in zip(self.tags, self.times_ms, self.values, self.kept, strict=True) if kept(row[0])]
        self.tags = array("I", [row[0] for row in rows])
        self.times_ms = array("q", [row[1] for row in rows])
        self.values = array("d", [row[2] for row in rows])
        self.kept = array("d", [row[3] for row in rows])


class _City:
    """Everybody, record by record."""

    def __init__(
        self,
        settings: Settings,
        now_ms: int,
        pseudonyms: Pseudonyms,
        dictionaries: Dictionaries,
        erased: Mapping[str, int],
        refined: Container[AlarmKey],
        shifts_ms: Mapping[int, Sequence[int]],
    ) -> None:
        self.refined = refined
        self.shifts_ms = shifts_ms
        self.shards = settings.shards
        self.rules = settings.rules(GROUPS, dictionaries)
        self.max_record_bytes = settings.max_record_bytes
        self.now_ms = now_ms
        self.pseudonyms = pseudonyms
        self.erased = erased
        self.identifiers: dict[str, _Identifier] = {}
        self.people: dict[str, _Person] = {}
        self.numbers: dict[tuple[str, str], int] = {}
        self.names: list[tuple[str, str]] = []
        self.dead: dict[str, list[DeadRecord]] = defaultdict(list)
        self.rejected: dict[str, int] = defaultdict(int)
        self.folded = self.duplicates = 0

    def read(self, record: Record) -> None:
        feed, log, partition, offset, key, value = record
        who = ""
        try:
            event = _event_of(feed, key, value, self.max_record_bytes, self.pseudonyms)
            identifier = self._identifier(event.user)
            event.event_time_ms = aligned_ms(event.event_time_ms, [])
            _check_time(event.event_time_ms, self.rules, self.now_ms)
            if event.event_time_ms <= identifier.erased_ms and not identifier.links and not isinstance(event, Link):
                raise Rejected(Reason.ERASED)
            if not identifier.memory.is_new(event, self.rules):
                self.duplicates += 1
                return
            event = clean(event, identifier.cleaning, self.rules, [])
            if isinstance(event, Link):
                self._link(event, identifier)
            else:
                owner = event.person if isinstance(event, Registration) else _owner(event, identifier)
                who = owner if owner != event.user else ""  # what the door refuses names nobody
                if isinstance(event, Rebuild) and owner == event.user:
                    raise Rejected(Reason.NO_PROFILE)
                self._prepare(event, identifier)
                try:
                    # of an identifier nobody is known to be behind, behaviour is not watched
                    self._fold(owner, event, watched=owner != event.user or not FEEDS[feed].linked)
                finally:  # the others learn of the card whatever its own person has consented to
                    if isinstance(event, Registration):
                        self._tell_the_others(event, identifier)
        except Rejected as refusal:
            self.rejected[f"{feed}/{refusal.reason.value}"] += 1
            letter = (feed, log, partition, offset, refusal.reason.value)
            self.dead[who if refusal.reason is not Reason.ERASED else ""].append(letter)
            return
        self.folded += 1

    def _identifier(self, name: str) -> _Identifier:
        return self.identifiers.get(name) or self.identifiers.setdefault(name, _Identifier(self.erased.get(name, 0)))

    def _person(self, name: str) -> _Person:
        return self.people.get(name) or self.people.setdefault(name, _Person(self.erased.get(name, 0)))

    def _link(self, event: Link, identifier: _Identifier) -> None:
        first = not identifier.links
        identifier.links = sorted({*identifier.links, (event.event_time_ms, event.person)})
        partial = self.people.pop(event.user, None) if first else None
        if partial is None or not partial.n:
            return
        person = self._person(event.person)
        if person.erased_ms and partial.oldest_ms <= person.erased_ms:
            return
        person.n += partial.n
        person.newest_ms = max(person.newest_ms, partial.newest_ms)
        person.oldest_ms = min(person.oldest_ms or partial.oldest_ms, partial.oldest_ms)
        for mine, more in ((person.tags, partial.tags), (person.times_ms, partial.times_ms)):
            mine.extend(more)
        person.values.extend(partial.values)
        person.kept.extend(partial.kept)
        person.memory = merge_memory(person.memory, partial.memory)
        for purpose, decision in partial.consents.items():
            self._note(person, purpose, decision)
        self._keep_allowed(person)

    def _prepare(self, event: Event, identifier: _Identifier) -> None:
        """What an event does at its identifier before it is its person's."""
        if isinstance(event, Registration):
            near = {p for t, p in identifier.cards if abs(event.event_time_ms - t) <= _CARDS_WINDOW_MS}
            identifier.cards.add((event.event_time_ms, event.person))
            event.cards_of_registrant = len(near | {event.person})

    def _tell_the_others(self, event: Registration, identifier: _Identifier) -> None:
        near = {p for t, p in identifier.cards if abs(event.event_time_ms - t) <= _CARDS_WINDOW_MS}
        if len(near) >= _MANY_CARDS:
            for person in near:
                with suppress(Rejected):
                    self._fold(person, CardsOpened(person, event.event_id, event.event_time_ms, len(near)))

    def _fold(self, name: str, event: Event, *, watched: bool = False) -> None:
        person = self._person(name)
        if event.event_time_ms <= person.erased_ms:
            raise Rejected(Reason.ERASED)
        if isinstance(event, RightsRequest) and event.action == "erase":
            person.forget_all()
            person.erased_ms = event.event_time_ms
            identifier = self.identifiers.get(name)
            if identifier is not None:
                identifier.cleaning = CleaningMemory()
                identifier.erased_ms = event.event_time_ms
            self.dead.pop(name, None)
        if isinstance(event, RightsRequest):
            return  # asking for what is held is no behaviour
        if isinstance(event, Rebuild):
            if not person.n:
                raise Rejected(Reason.NO_PROFILE)
            if any(a.kind == "by_hand" and a.at_ms >= event.event_time_ms for a in person.alarms):
                return  # not later than another request
            alarm = Alarm(name, "by_hand", event.event_time_ms, event.since_ms, 0, person.n, 1.0, 0.0)
            person.alarms.append(alarm)
            self._rebuild(person, alarm)
            return
        if isinstance(event, Consent):
            if self._note(person, event.purpose, (event.event_time_ms, int(event.granted), event.list_version)):
                self._keep_allowed(person)
        else:
            families = families_of(event)
            permitted = [f for f in families if self._allowed(person, f.purpose)]
            if families and not permitted:
                raise Rejected(Reason.NO_CONSENT)
            evidence = [
                (group, tag, amount)
                for group, tag, amount in evidence_of(event, permitted, person.memory, self.rules)
                if self._allowed(person, self.rules.groups[group].purpose)
            ]
            if not all(abs(amount) <= _LARGEST_VALUE for _, _, amount in evidence):
                raise Rejected(Reason.VALUE_NOT_FINITE)
            if watched:
                self._watch(name, person, evidence, event.event_time_ms)
            for group, tag, amount in evidence:
                number = self.numbers.setdefault((group, tag), len(self.numbers))
                if number == len(self.names):
                    self.names.append((group, tag))
                person.tags.append(number)
                person.times_ms.append(event.event_time_ms)
                person.values.append(amount)
                person.kept.append(1.0)
        person.n += 1
        person.newest_ms = max(person.newest_ms, event.event_time_ms)
        person.oldest_ms = min(person.oldest_ms or event.event_time_ms, event.event_time_ms)

    def _watch(self, name: str, person: _Person, evidence: list[tuple[str, str, float]], time_ms: int) -> None:
        """Show the detectors what an event is evidence for; the rebuild they call for weighs what came before it."""
        tags = [f"{group}:{tag}" for group, tag, amount in evidence if self.rules.groups[group].watched and amount > 0]
        if not tags:
            return
        others = FleetMemory(shifts_ms=list(self.shifts_ms.get(shard_of(name, self.shards), ())))
        for kind, noticed in observe(person.drift, tags, time_ms, self.rules, others):
            alarm = Alarm(name, kind, noticed.at_ms, noticed.since_ms, 0, person.n, *noticed[2:])
            person.alarms.append(alarm)
            if kind == "shares":
                self._rebuild(person, alarm)

    def _rebuild(self, person: _Person, alarm: Alarm) -> None:
        refined = (alarm.user, alarm.kind, alarm.at_ms) in self.refined
        for row, (number, time_ms) in enumerate(zip(person.tags, person.times_ms, strict=True)):
            group, _ = self.names[number]
            if self.rules.groups[group].rebuilt and (time_ms < alarm.since_ms or not refined):
                person.kept[row] *= 2.0**-self.rules.drift.rebuild_halvings

    def _note(self, person: _Person, purpose: str, decision: tuple[int, int, int]) -> bool:
        """Take note of a decision; returns whether it is the newest of its purpose."""
        time_ms, granted, version = decision
        known = person.consents.get(purpose)
        newest = known is None or (time_ms, -granted, version) > (known[0], -known[1], known[2])
        if newest:
            person.consents[purpose] = decision
        return newest

    def _keep_allowed(self, person: _Person) -> None:
        person.keep_tags(lambda number: self._allowed(person, self.rules.groups[self.names[number][0]].purpose))
        forget(person.memory, lambda purpose: self._allowed(person, purpose))
        denied = {g for g, rule in self.rules.groups.items() if not self._allowed(person, rule.purpose)}
        if any(self.rules.groups[group].watched for group in denied):
            person.drift = DriftMemory()
        person.alarms = [unnamed(alarm, denied) for alarm in person.alarms]

    def _allowed(self, person: _Person, purpose: str) -> bool:
        on_list = PURPOSES[purpose].list
        if on_list == "source":
            return True
        _, granted, version = person.consents.get(NECESSARY if on_list == "necessary" else purpose, (0, 0, 0))
        return bool(granted) and version >= self.rules.consent_list_version

    def result(self, events_in: int) -> OracleResult:
        profiles: dict[str, OracleProfile] = {}
        alarms: dict[AlarmKey, Alarm] = {}
        for name in sorted(self.people):
            person = self.people.pop(name)  # its events are freed as its profile is made
            alarms |= {(alarm.user, alarm.kind, alarm.at_ms): alarm for alarm in person.alarms}
            if person.n:
                profiles[name] = _profile(person, self.names, self.rules)
        counts = OracleCounts(events_in, self.folded, self.duplicates, dict(self.rejected))
        dead_letters = {letter: who for who, dead in self.dead.items() for letter in dead}
        links = frozenset(
            (name, person, valid_from_ms)
            for name, identifier in self.identifiers.items()
            for valid_from_ms, person in identifier.links
        )
        return OracleResult(profiles, counts, dead_letters, links, alarms)


class _Memory:
    """Which event ids a user's past still holds: the rule of the de-duplication horizon, put plainly.

    Ids are kept by bucket of event time. Opening a bucket forgets every bucket more than the horizon before the newest
    one, then the oldest ones until no more than `dedup_max_ids` ids are held, but never the newest. An event of a
    forgotten bucket is refused. A bucket opened only to be forgotten in the same step keeps its ids until the next one
    is opened, or its own repeats would pass.
    """

    __slots__ = ("buckets", "forgotten_before")

    def __init__(self, forgotten_before: int = 0) -> None:
        self.buckets: dict[int, set[int]] = {}
        self.forgotten_before = forgotten_before

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


def _owner(event: Event, identifier: _Identifier) -> str:
    """Whose the event is: the person's, or the identifier's own while nobody is linked."""
    owner = event.user
    for number, (valid_from_ms, person) in enumerate(identifier.links):
        if number == 0 or valid_from_ms <= event.event_time_ms:
            owner = person
    return owner


def _event_of(
    feed: str, key: bytes | None, value: bytes | None, max_record_bytes: int, pseudonyms: Pseudonyms
) -> Event:
    if not value:
        raise Rejected(Reason.VALUE_MISSING)
    if len(value) > max_record_bytes:
        raise Rejected(Reason.RECORD_TOO_LARGE)
    return FEEDS[feed].decode(key or b"", value, pseudonyms)


def _check_time(event_time_ms: int, rules: Rules, now_ms: int) -> None:
    if event_time_ms > now_ms + rules.future_tolerance_ms:
        raise Rejected(Reason.TIME_IN_FUTURE)
    if event_time_ms < rules.min_event_time_ms:
        raise Rejected(Reason.TIME_BEFORE_MINIMUM)


def _profile(person: _Person, names: list[tuple[str, str]], rules: Rules) -> OracleProfile:
    by_tag: dict[int, list[tuple[int, float, float]]] = defaultdict(list)
    for number, time_ms, value, kept in zip(person.tags, person.times_ms, person.values, person.kept, strict=True):
        by_tag[number].append((time_ms, value, kept))
    newest_fact: dict[str, tuple[int, str]] = {}
    for number, evidence in by_tag.items():
        group, tag = names[number]
        newest_fact[group] = max(newest_fact.get(group, (0, "")), (max(evidence)[0], tag))
    tags: dict[str, OracleTag] = {}
    for number in sorted(by_tag, key=names.__getitem__):
        group, tag = names[number]
        rule = rules.groups[group]
        evidence = by_tag[number]
        found = _tag(evidence, person.newest_ms, rule.half_life_ms, rule.numeric)
        if rule.fact:
            last_ms = max(time_ms for time_ms, _, _ in evidence)
            [last_value, *_] = [value for time_ms, value, _ in reversed(evidence) if time_ms == last_ms]
            decay = 2.0 ** (-(person.newest_ms - last_ms) / rule.half_life_ms)
            in_force = newest_fact[group][1] == tag
            found = found._replace(weight=last_value * decay if in_force else 0.0, superseded=not in_force)
        tags[f"{group}:{tag}"] = found
    return OracleProfile(person.n, person.newest_ms, tags)


def _tag(evidence: list[tuple[int, float, float]], at_ms: int, half_life_ms: int, numeric: bool) -> OracleTag:
    last_ms = max(time_ms for time_ms, _, _ in evidence)
    total = fsum(value for _, value, _ in evidence)
    weights = [2.0 ** (-(at_ms - time_ms) / half_life_ms) * kept for time_ms, _, kept in evidence]
    values = [value for _, value, _ in evidence]
    if not numeric:
        weight = fsum(w * value for w, value in zip(weights, values, strict=True))
        return OracleTag(weight, None, None, last_ms, len(evidence), total)
    weight = fsum(weights)
    if weight == 0.0:
        # decayed beyond the smallest double: far below any floor, so nobody will ask for its mean
        return OracleTag(0.0, 0.0, 0.0, last_ms, len(evidence), total)
    mean = fsum(w * value for w, value in zip(weights, values, strict=True)) / weight
    variance = fsum(w * (value - mean) ** 2 for w, value in zip(weights, values, strict=True)) / weight
    return OracleTag(weight, mean, sqrt(variance), last_ms, len(evidence), total)
