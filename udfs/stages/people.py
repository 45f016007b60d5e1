"""The people: events of persons in, living profiles out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from schemas import state
from schemas.events import Event, RightsRequest
from schemas.outputs import Alarm, Forwarded, HistoryBatch, HotBatch, Partial, Removal, ShardCounts, Trigger
from schemas.position import FEED_SHIFT
from schemas.rules import Rules
from schemas.run import Run, locate
from schemas.state import Profile
from udfs.local_time import MS_PER_HOUR
from udfs.privacy.consent import allowed
from udfs.profile.fold import fold
from udfs.profile.merge_profiles import merge
from udfs.profile.notice import forget_drift
from udfs.profile.output import Erased, Folded, Refused
from udfs.stages.door import record_erasure, record_forgotten, record_output, reject, waiting_of
from udfs.stages.export import exported
from udfs.stages.user_states import UserStates
from udfs.stages.wakes import Wake
from udfs.tags import forget
from udfs.triggers.evaluate import Fired, Triggers
from udfs.triggers.trigger_id import trigger_id
from udfs.triggers.watermarks import REPLAYED, Watermarks

_NOWHERE = -1
_FAR_MS = MS_PER_HOUR
_REGISTRATION = "registration"


@dataclass
class Updated:
    """What one batch changed.

    `waiting` are rebuilds that wait for the history; `wakes` are persons something will happen to by itself, and when
    to look at them, by queue: those of whom nobody has been told, or not for so early.
    """

    hot: HotBatch = field(default_factory=HotBatch)
    history: HistoryBatch = field(default_factory=lambda: HistoryBatch(stage=1))
    waiting: list[Alarm] = field(default_factory=list)
    wakes: list[Wake] = field(default_factory=list)


@dataclass
class _Held:
    """A profile while its batch is worked on."""

    profile: Profile
    lived: bool
    changed: bool = False


class People:
    """The people of one job; without `triggers`, no rules are looked at."""

    def __init__(self, run: Run, rules: Rules, triggers: Triggers | None = None) -> None:
        self._run = run
        self._rules = rules
        self._triggers = triggers

    def update(
        self,
        batches: Sequence[Forwarded],
        states: UserStates,
        counts: ShardCounts,
        now_ms: int,
        answered: Sequence[Alarm] = (),
        watermarks: Watermarks = REPLAYED,
    ) -> Updated:
        """Fold what the doors passed on to one shard, in the order of the replay (of topics: of arrival).

        `watermarks` say what had come before the batch. `answered` are alarms whose rebuild was applied before it;
        what the batch takes away goes from them too.
        """
        updated = Updated()
        updated.history.alarms += answered
        arrived: list[tuple[int, str, int, Event | Partial]] = []
        for batch in batches:
            # a partial comes from the record that linked it, before any later event of the person
            arrived += [(partial.number, partial.person, 0, partial) for partial in batch.partials]
            arrived += [(number, event.user, position, event) for number, position, event in batch.events]
        arrived.sort(key=lambda each: each[0])
        held: dict[str, _Held] = {}
        # in the order of arrival, and not person by person: what the guard knows of everybody must not depend on how
        # the batches were cut
        for _, person, position, what in arrived:
            one = held.get(person)
            if one is None:
                profile, _ = states.load(person, counts)
                one = held[person] = _Held(profile, profile.n > 0)
            self._take(person, one, position, what, counts, updated, now_ms, watermarks)
        for person, one in held.items():
            updated.waiting += waiting_of(one.profile)
            if one.changed:
                one.profile.last_write_ms = now_ms
                counts.users += (one.profile.n > 0) - one.lived
                self._note_wakes(person, one.profile, updated, now_ms)
                blob = states.store(person, one.profile)
                if one.profile.n:
                    updated.hot.changed.append((person, blob))
        states.flush(counts)
        return updated

    def wake(
        self,
        persons: Mapping[str, Iterable[str]],
        states: UserStates,
        counts: ShardCounts,
        watermarks: Watermarks,
        now_ms: int,
    ) -> Updated:
        """Look at persons something may have happened to by itself; their tags don't change.

        `persons` are those whose time has come, with the queues in which it has.
        """
        updated = Updated()
        if self._triggers is None:
            return updated
        for person, queues in persons.items():
            if not states.holds(person):
                continue
            profile, _ = states.load(person, counts)
            if profile.triggers is None:
                continue
            for queue in queues:
                profile.triggers.wakes.pop(queue, None)
            self._send(person, _NOWHERE, 0, self._triggers.settle(profile, watermarks), counts, updated, now_ms)
            self._note_wakes(person, profile, updated, now_ms)
            states.store(person, profile)
        states.flush(counts)
        return updated

    def still_waits(self, profile: Profile, now_ms: int) -> bool:
        """Whether something is still to happen to a person of whom nothing else is known any more."""
        return self._triggers is not None and self._triggers.still_waits(profile, now_ms)

    def _note_wakes(self, person: str, profile: Profile, updated: Updated, now_ms: int) -> None:
        """Note when to look next; of what is far off the hour before it, so that noting it again adds no entry."""
        if self._triggers is None or profile.triggers is None:
            return
        wakes = profile.triggers.wakes
        for queue, due_ms in self._triggers.due(profile).items():
            if due_ms - now_ms > _FAR_MS:
                due_ms -= due_ms % _FAR_MS
            known_ms = wakes.get(queue, 0)
            if not known_ms or due_ms < known_ms:
                wakes[queue] = due_ms
                updated.wakes.append((queue, person, due_ms))

    def _take(
        self,
        person: str,
        one: _Held,
        position: int,
        what: Event | Partial,
        counts: ShardCounts,
        updated: Updated,
        now_ms: int,
        watermarks: Watermarks,
    ) -> None:
        """Fold one event and see what that triggers, or merge one partial profile."""
        profile = one.profile
        if isinstance(what, Partial):
            self._merge(person, profile, what, updated)
            one.changed |= profile.n > 0
            return
        feed = self._run.inputs[position >> FEED_SHIFT].feed if position >= 0 else _REGISTRATION
        if self._triggers is not None and profile.triggers is not None:
            fired = self._triggers.before(profile, what.event_time_ms, watermarks, feed)
            if fired:
                one.changed = True
                self._send(person, _NOWHERE, 0, fired, counts, updated, now_ms)
        output = fold(profile, what, self._rules, counts.fleet)
        if isinstance(output, Refused):
            if position >= 0:
                reject(self._run, output.reason, position, person, updated.history, counts)
            return
        one.changed = True
        counts.newest_ms = max(counts.newest_ms, what.event_time_ms)
        counts.folded += position >= 0
        if isinstance(output, Folded):
            record_output(person, what, feed, output, self._rules, updated.history, profile.n)
            if self._triggers is not None:
                fired = self._triggers.after(profile, what, output)
                self._send(person, position, what.event_id, fired, counts, updated, now_ms)
            if isinstance(what, RightsRequest):
                updated.history.exports += exported(what.request, person, profile)
        elif isinstance(output, Erased):
            updated.hot.triggers = [trigger for trigger in updated.hot.triggers if trigger.user != person]
            record_erasure(person, what.event_time_ms, updated.hot, updated.history)

    def _send(
        self,
        person: str,
        position: int,
        event_id: int,
        fired: Sequence[Fired],
        counts: ShardCounts,
        updated: Updated,
        now_ms: int,
    ) -> None:
        """Send what has fired; only what an event made fire has that event's position and identity."""
        for compiled, cause, episode, at_ms, by_event, values in fired:
            rule = compiled.rule
            place = locate(self._run, position) if by_event and position >= 0 else ("", "", 0, 0)
            updated.hot.triggers.append(
                Trigger(
                    trigger_id(person, rule.id, rule.version, episode),
                    person,
                    rule.id,
                    rule.version,
                    rule.scene,
                    rule.purpose,
                    rule.priority,
                    cause,
                    episode,
                    at_ms,
                    now_ms,
                    rule.shadow,
                    *place,
                    event_id if by_event else 0,
                    values,
                    rule.payload,
                )
            )
        counts.fired += len(fired)

    def _merge(self, person: str, profile: Profile, partial: Partial, updated: Updated) -> None:
        """Take what an identifier had before it was known whose it is; not if it is from before the person's erasure.

        The history is told here and not at the door, because only the person's profile knows of an erasure.
        """
        more = state.decode(partial.profile)
        if profile.erased_ms and more.first_event_ms <= profile.erased_ms:
            updated.history.removals.append(Removal("erase", partial.identifier, time_ms=profile.erased_ms))
            return
        merge(profile, more, self._rules)
        # its rows count as having come now, not when an alarm of the person was raised without them
        updated.history.removals.append(Removal("move", partial.identifier, to=person, number=profile.n))
        denied = tuple(
            name
            for name in profile.groups
            if not allowed(profile.consents, self._rules.groups[name].purpose, self._rules)
        )
        if denied:
            for name in denied:
                del profile.groups[name]
            record_forgotten(person, denied, profile.last_event_ms, updated.history)
            forget_drift(profile, denied, self._rules)
        if self._triggers is not None:
            self._triggers.forget(profile)
        if profile.memory is not None:
            forget(profile.memory, lambda purpose: allowed(profile.consents, purpose, self._rules))
