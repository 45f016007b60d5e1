"""The door: records of identifiers in, events of persons out.

Decodes, replaces raw identifiers by pseudonyms, drops duplicates, cleans, and says whose each event is. While nobody
knows whose an identifier is, its events are folded into a partial profile of its own; the first link hands that to the
person, and loses nothing, because decayed sums add.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from zlib import crc32

from msgspec.structs import replace

from schemas import state
from schemas.events import CardsOpened, Event, Link, Rebuild, Registration, RightsRequest
from schemas.outputs import (
    Alarm,
    DeadLetter,
    Evidence,
    Forwarded,
    HistoryBatch,
    HotBatch,
    LinkedIdentifier,
    Partial,
    Removal,
    ShardCounts,
)
from schemas.position import FEED_SHIFT
from schemas.pseudonyms import DOCUMENT, Pseudonyms
from schemas.reasons import Reason, Rejected
from schemas.rules import Rules
from schemas.run import Run, locate
from schemas.state import Profile
from udfs.privacy.identity import link, person_at
from udfs.privacy.registrant import note_card
from udfs.profile.enter import LEAVES_NOTHING, enter
from udfs.profile.fold import fold
from udfs.profile.output import Duplicate, Erased, Folded, Refused
from udfs.stages.export import exported
from udfs.stages.user_states import UserStates

Decode = Callable[[bytes, bytes, Pseudonyms], Event]
Record = tuple[bytes | None, bytes | None, int, int]
"""key, value, position, number in the replay"""

MANY_CARDS = 3
"""From this many cards of one document within 30 days on, everyone whose card it is learns of it."""

_NO_RECORD = -1


class Entered(NamedTuple):
    """One decoded record."""

    event: Event
    position: int
    number: int


@dataclass
class Passed:
    """What became of one batch at the door."""

    hot: HotBatch = field(default_factory=HotBatch)
    history: HistoryBatch = field(default_factory=HistoryBatch)
    forwarded: dict[int, Forwarded] = field(default_factory=dict)
    duplicates: list[int] = field(default_factory=list)  # positions
    waiting: list[Alarm] = field(default_factory=list)  # rebuilds of the users of the batch that wait for the history


class Door:
    """The door of one job.

    Parameters
    ----------
    run
        Where records lie.
    decoders
        For each input of the run its feed's `decode`.
    rules, pseudonyms
        Limits and dictionaries; keys.
    previous
        Pseudonym of an identifier under the key before, None outside a rotation.
    max_record_bytes, shards
        Longer records are not parsed; shards of the people.

    Guarantee
    ---------
    Every record ends as an update (here or at the people), a duplicate, or a dead letter; none raises.
    """

    def __init__(
        self,
        run: Run,
        decoders: Sequence[Decode],
        rules: Rules,
        pseudonyms: Pseudonyms,
        previous: Callable[[str], str | None],
        max_record_bytes: int,
        shards: int,
    ) -> None:
        self._run = run
        self._decoders = decoders
        self._rules = rules
        self._rules_unwatched = replace(rules, watched=frozenset())
        self._pseudonyms = pseudonyms
        self._previous = previous
        self._max_record_bytes = max_record_bytes
        self._shards = shards

    def pass_batch(
        self,
        records: Sequence[Record],
        states: UserStates,
        counts: ShardCounts,
        now_ms: int,
        answered: Sequence[Alarm] = (),
    ) -> Passed:
        """Pass the records of one shard, in their order.

        `answered` are alarms whose rebuild was applied before the batch; what the batch takes away goes from them too.
        """
        passed = Passed()
        passed.history.alarms += answered
        counts.events_in += len(records)
        raw_of: dict[str, str] = {}
        for user, entered in self._by_user(records, passed, counts, raw_of).items():
            profile, known = states.load(user, counts)
            changed = False
            if not known:
                fresh = profile
                profile = self._moved(user, raw_of, fresh, states, passed, counts)
                changed = profile is not fresh
            n_before, generation_before = profile.n, profile.generation
            for each in entered:
                changed |= self._pass(user, profile, each, passed, counts, now_ms)
            passed.waiting += waiting_of(profile)
            if not changed:
                continue
            profile.last_write_ms = now_ms
            counts.users += (profile.n > 0) - (n_before > 0 and known)
            blob = states.store(user, profile)
            # an erasure within the batch begins the count anew
            if profile.n and (profile.n != n_before or profile.generation != generation_before):
                passed.hot.changed.append((user, blob))
        states.flush(counts)
        return passed

    def _by_user(
        self, records: Sequence[Record], passed: Passed, counts: ShardCounts, raw_of: dict[str, str]
    ) -> dict[str, list[Entered]]:
        """Decode; users in order of appearance, a user's events in order of arrival."""
        by_user: dict[str, list[Entered]] = {}
        rotating = self._previous("") is not None
        for key, value, position, number in records:
            try:
                if not value:
                    raise Rejected(Reason.VALUE_MISSING)
                if len(value) > self._max_record_bytes:
                    raise Rejected(Reason.RECORD_TOO_LARGE)
                event = self._decoders[position >> FEED_SHIFT](key or b"", value, self._pseudonyms)
            except Rejected as rejected:
                self._reject(rejected.reason, position, passed, counts)
                continue
            if rotating and key:
                raw_of[event.user] = (DOCUMENT if isinstance(event, Registration) else "") + key.decode()
            by_user.setdefault(event.user, []).append(Entered(event, position, number))
        return by_user

    def _moved(
        self,
        user: str,
        raw_of: dict[str, str],
        profile: Profile,
        states: UserStates,
        passed: Passed,
        counts: ShardCounts,
    ) -> Profile:
        """The state known under the previous key, moved to the active one, if a rotation goes on and there is any."""
        previous = self._previous(raw_of[user]) if user in raw_of else None
        if previous is None or previous == user:
            return profile
        if not states.holds(previous):
            states.note_erasure(previous, profile)
            return profile
        known, _ = states.load(previous, counts)
        states.remove(previous, counts)
        if known.n:
            removal = Removal("move", previous, to=user)
            passed.hot.removals.append(removal)
            passed.history.removals.append(removal)
            passed.hot.changed.append((user, state.pack(known)))
            counts.users -= 1
        if known.links:
            passed.hot.removals.append(Removal("unlink", previous))
        for valid_from_ms, person in known.links:
            self._tell_link(user, known, person, valid_from_ms, passed)
        return known

    def _pass(
        self, user: str, profile: Profile, each: Entered, passed: Passed, counts: ShardCounts, now_ms: int
    ) -> bool:
        """Pass one event; returns whether the identifier's state changed."""
        feed = self._run.inputs[each.position >> FEED_SHIFT].feed
        corrections: list[str] = []
        entered = enter(profile, each.event, self._rules, now_ms, corrections)
        for code in corrections:
            counts.corrected[f"{feed}/{code}"] = counts.corrected.get(f"{feed}/{code}", 0) + 1
        if isinstance(entered, Duplicate):
            counts.duplicates += 1
            passed.duplicates.append(each.position)
            return False
        if isinstance(entered, Refused):
            self._reject(entered.reason, each.position, passed, counts)
            return entered.reason not in LEAVES_NOTHING
        if isinstance(entered, Link):
            self._link(user, profile, entered, each.number, passed)
            counts.folded += 1
        elif isinstance(entered, Registration):
            self._register(profile, entered, each, passed)
        else:
            person = person_at(profile.links, entered.event_time_ms)
            if person is not None:
                entered.user = person
                self._forward(person, each.number, each.position, entered, passed)
            elif isinstance(entered, Rebuild) and self._run.inputs[each.position >> FEED_SHIFT].linked:
                self._reject(Reason.NO_PROFILE, each.position, passed, counts)
            else:
                self._fold(user, profile, entered, each.position, passed, counts)
        return True

    def _link(self, user: str, profile: Profile, event: Link, number: int, passed: Passed) -> None:
        """Take note of a link; the first hands what was the identifier's to the person, who says whether to take it."""
        first = link(profile, event.event_time_ms, event.person)
        self._tell_link(user, profile, event.person, event.event_time_ms, passed)
        if first and profile.n:
            partial = Profile(
                generation=profile.generation,
                n=profile.n,
                first_event_ms=profile.first_event_ms,
                last_event_ms=profile.last_event_ms,
                due_ms=profile.due_ms,
                groups=profile.groups,
                consents=profile.consents,
                memory=profile.memory,
            )
            to = self._shard_of(event.person, passed)
            to.partials.append(Partial(number, user, event.person, state.pack(partial)))
            passed.hot.removals.append(Removal("move", user, to=event.person))
            passed.hot.changed = [each for each in passed.hot.changed if each[0] != user]
            profile.n = profile.first_event_ms = profile.last_event_ms = profile.due_ms = 0
            profile.groups, profile.consents, profile.memory = {}, {}, None

    def _tell_link(self, user: str, profile: Profile, person: str, valid_from_ms: int, passed: Passed) -> None:
        told = LinkedIdentifier(user, person, valid_from_ms)
        passed.history.links.append(told)
        passed.hot.links.append(LinkedIdentifier(user, profile.links[-1][1], profile.links[-1][0]))

    def _register(self, profile: Profile, event: Registration, each: Entered, passed: Passed) -> None:
        """Pass a registration on to its person; from `MANY_CARDS` on, tell the other persons of the document too."""
        persons = note_card(profile, event)
        event.user = event.person
        self._forward(event.person, each.number, each.position, event, passed)
        if len(persons) >= MANY_CARDS:
            for person in persons:
                told = CardsOpened(person, event.event_id, event.event_time_ms, len(persons))
                self._forward(person, each.number, _NO_RECORD, told, passed)

    def _fold(
        self,
        user: str,
        profile: Profile,
        event: Event,
        position: int,
        passed: Passed,
        counts: ShardCounts,
    ) -> None:
        source = self._run.inputs[position >> FEED_SHIFT]
        # An identifier of somebody not yet known is a stopover: the detectors begin with the person.
        rules = self._rules_unwatched if source.linked else self._rules
        output = fold(profile, event, rules)
        if isinstance(output, Refused):
            self._reject(output.reason, position, passed, counts)
            return
        counts.folded += 1
        if isinstance(output, Folded):
            record_output(user, event, source.feed, output, self._rules, passed.history, profile.n)
            if isinstance(event, RightsRequest):
                passed.history.exports += exported(event.request, user, profile)
        elif isinstance(output, Erased):
            record_erasure(user, event.event_time_ms, passed.hot, passed.history)

    def _forward(self, person: str, number: int, position: int, event: Event, passed: Passed) -> None:
        self._shard_of(person, passed).events.append((number, position, event))  # type: ignore[arg-type]

    def _shard_of(self, person: str, passed: Passed) -> Forwarded:
        return passed.forwarded.setdefault(shard_of(person, self._shards), Forwarded())

    def _reject(self, reason: Reason, position: int, passed: Passed, counts: ShardCounts) -> None:
        # It names nobody: the door may not know whose the record is, nor whether they have been erased.
        reject(self._run, reason, position, "", passed.history, counts)


def shard_of(person: str, shards: int) -> int:
    """Shard of the people a person lives in: fixed for the life of a state."""
    return crc32(person.encode()) % shards


def reject(run: Run, reason: Reason, position: int, user: str, history: HistoryBatch, counts: ShardCounts) -> None:
    """Count a record as rejected and write its dead letter; one from before an erasure names nobody."""
    feed, log, partition, offset = locate(run, position)
    if reason is Reason.ERASED:
        user = ""
    history.dead_letters.append(DeadLetter(feed, log, partition, offset, reason.value, user))
    code = f"{feed}/{reason.value}"
    counts.rejected[code] = counts.rejected.get(code, 0) + 1


def record_output(
    user: str, event: Event, feed: str, output: Folded, rules: Rules, history: HistoryBatch, number: int
) -> None:
    """Add what a folded event was evidence for to the history, and take out what it withdrew consent to.

    `number` is the event's among those folded into the profile.
    """
    if output.forgotten:
        record_forgotten(user, output.forgotten, event.event_time_ms, history)
    evidence: Sequence[Evidence] = output.evidence
    if rules.not_in_history:
        evidence = [each for each in evidence if each[0] not in rules.not_in_history]
    if evidence:
        history.events.append((feed, user, event.event_time_ms, event.event_id, evidence, number))
    history.alarms += output.alarms


def record_forgotten(user: str, groups: tuple[str, ...], time_ms: int, history: HistoryBatch) -> None:
    """Tell the history to forget groups of a user, and take out what this batch was about to write of them."""
    gone = set(groups)
    history.removals.append(Removal("forget", user, groups=groups, time_ms=time_ms))
    history.events = [
        (f, who, at_ms, event_id, [e for e in evidence if e[0] not in gone] if who == user else evidence, number)
        for f, who, at_ms, event_id, evidence, number in history.events
    ]
    history.alarms = [unnamed(alarm, gone) if alarm.user == user else alarm for alarm in history.alarms]


def record_erasure(user: str, erased_ms: int, hot: HotBatch, history: HistoryBatch) -> None:
    """Tell both stores to erase a user, and take out what this batch was about to write."""
    removal = Removal("erase", user, time_ms=erased_ms)
    hot.removals.append(removal)
    hot.changed = [each for each in hot.changed if each[0] != user]
    history.removals.append(removal)
    history.events = [each for each in history.events if each[1] != user]
    history.dead_letters = [each for each in history.dead_letters if each.user != user]
    history.alarms = [each for each in history.alarms if each.user != user]


def unnamed(alarm: Alarm, groups: Container[str]) -> Alarm:
    """The alarm without the tags of these groups: its factor still holds for the others."""
    rose, fell = (
        [change for change in changes if change[0].partition(":")[0] not in groups]
        for changes in (alarm.rose, alarm.fell)
    )
    return replace(alarm, rose=rose, fell=fell)


def waiting_of(profile: Profile) -> list[Alarm]:
    """The alarm whose rebuild waits for the history, if there is one."""
    return [profile.drift.pending] if profile.drift is not None and profile.drift.pending is not None else []
