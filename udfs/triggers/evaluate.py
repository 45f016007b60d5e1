"""Scene triggers of one person: what fires when an event was folded, and what fires by time alone.

Every rule is a small automaton per person (docs/rules.md): its memory is part of the person's state, exact through
failures. Decisions are in event time: of what happens by itself (a stay that has lasted, a tag that has faded,
something that did not follow) the exact instant counts, whoever notices it and when.

Order of arrival: what is older than what a rule has already looked at changes nothing, and no situation begins with an
event older than the newest of its kind. So a late record neither ends a situation that later records have shown to go
on, nor brings one back that is over. What happens by itself waits until the
feeds that could prevent it have come up to `grace_ms` beyond its instant, so records that are late by less are in time.

The rule's memory holds one open episode per person. Rules with nothing to remember (a pulse without cool-down) keep no
memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from math import ceil, inf
from typing import NamedTuple

from schemas.events import Consent, Event
from schemas.outputs import Cause, Evidence
from schemas.rules import Rules
from schemas.state import Profile
from schemas.tag_group import MS_PER_DAY
from schemas.trigger_memory import ACTIVE, HOLDING, IDLE, LEAVING, RuleMemory, TriggerMemory
from udfs.privacy.consent import allowed, allowed_purposes
from udfs.profile.decay import expires_at_ms
from udfs.profile.output import Folded
from udfs.triggers.compiled import CompiledRule, Selected
from udfs.triggers.period import period_of
from udfs.triggers.rule_set import RuleSet, matches
from udfs.triggers.situation import Situation, alarm_values, event_values, kind_of, tag_weight
from udfs.triggers.vocabulary import Value
from udfs.triggers.watermarks import REPLAYED, Watermarks

_LATE_AT_MOST_MS = 2 * MS_PER_DAY
"""Memory of a rule that is idle is kept so long: what is later than that was refused at the door."""
_LONGEST_PERIOD_MS = 31 * MS_PER_DAY


class Fired(NamedTuple):
    """A rule has fired.

    Attributes
    ----------
    compiled
        The rule, in the version that fired.
    cause, episode, at_ms
        See `schemas.outputs.Trigger`.
    by_event
        Whether an event made it fire, and not time alone.
    values
        What the rule's conditions read; where time alone made it fire, what they read of the event it began with, and
        tags and circumstances as of now.
    """

    compiled: CompiledRule
    cause: Cause
    episode: str
    at_ms: int
    by_event: bool
    values: dict[str, Value]


class Triggers:
    """Evaluates the rules of a set.

    Parameters
    ----------
    rules
        Tag groups, consents and local time.
    rule_set
        The rules in force; may be replaced while this is used.
    grace_ms
        What happens by itself waits so long for late records.
    """

    def __init__(self, rules: Rules, rule_set: RuleSet, grace_ms: int) -> None:
        self._rules = rules
        self._set = rule_set
        self._grace_ms = grace_ms

    def before(self, profile: Profile, time_ms: int, watermarks: Watermarks = REPLAYED, feed: str = "") -> list[Fired]:
        """What has happened by itself up to an event, of that feed, that is about to be folded.

        A fading does not wait for the grace: the event may be new evidence, with which it would not have happened.
        """
        memory = profile.triggers
        if memory is None:
            return []
        if time_ms - time_ms % MS_PER_DAY > profile.last_event_ms:  # the person's first event of a day
            self._drop_idle(memory, time_ms)
        # the very instant is the event's; and what comes says itself how far its feed is
        return self._settle(profile, memory, time_ms - 1, watermarks, feed, fade_grace_ms=0)

    def settle(self, profile: Profile, watermarks: Watermarks) -> list[Fired]:
        """What has happened by itself, in order of time, and can't be prevented by anything that is still to come.

        Called for the same person with growing watermarks; repeating it changes nothing.
        """
        memory = profile.triggers
        if memory is None:
            return []
        return self._settle(profile, memory, watermarks.now_ms, watermarks, "", fade_grace_ms=self._grace_ms)

    def _settle(
        self,
        profile: Profile,
        memory: TriggerMemory,
        until_ms: int,
        watermarks: Watermarks,
        own_feed: str,
        *,
        fade_grace_ms: int,
    ) -> list[Fired]:
        fired: list[Fired] = []
        while due := sorted((one.due_ms, rule) for rule, one in memory.rules.items() if 0 < one.due_ms <= until_ms):
            for due_ms, rule in due:
                compiled = self._known(memory, rule, memory.rules[rule])
                if compiled is None:
                    break  # it is forgotten
                grace_ms = fade_grace_ms if compiled.rule.shape == "fade" else self._grace_ms
                come_ms = watermarks.of(compiled.feeds - {own_feed}) - self._grace_ms
                if due_ms <= until_ms - grace_ms and due_ms <= come_ms:
                    self._happen(profile, memory, rule, fired)
                    break
            else:
                break
        return fired

    def after(self, profile: Profile, event: Event, output: Folded) -> list[Fired]:
        """What an event makes fire that has just been folded."""
        memory = profile.triggers
        if memory is None and not self._set.current:
            return []
        if isinstance(event, Consent):
            self.forget(profile)
            return []
        if memory is None:
            memory = TriggerMemory()
        fired: list[Fired] = []
        kind = kind_of(event)
        purposes = allowed_purposes(profile.consents, self._rules)
        if self._set.looks_at(kind):
            values = event_values(event, kind, profile, memory, self._rules)
            self._look(profile, memory, event, kind, values, purposes, fired)
        if output.evidence:
            self._look_at_tags(profile, memory, event, output.evidence, purposes, fired)
        for alarm in output.alarms:
            self._look(profile, memory, event, "drift", alarm_values(alarm), purposes, fired)
            self._fade_anew(profile, memory)
        profile.triggers = memory if memory.rules or memory.newest_ms or memory.traffic is not None else None
        return fired

    def due(self, profile: Profile) -> dict[str, int]:
        """When something will next happen by itself, records that are late allowed for: of each queue that waits.

        A queue is named by the feeds that are waited for (`queue_of`).
        """
        memory = profile.triggers
        found: dict[str, int] = {}
        if memory is None:
            return found
        for rule, one in list(memory.rules.items()):
            if one.due_ms:
                compiled = self._known(memory, rule, one)
                if compiled is not None:
                    queue = queue_of(compiled.feeds)
                    due_ms = one.due_ms + self._grace_ms
                    found[queue] = min(found.get(queue, due_ms), due_ms)
        return found

    def still_waits(self, profile: Profile, now_ms: int) -> bool:
        """Whether the person's memory matters although nothing is heard of them: something is due, or a cool-down runs.

        A situation that is simply open does not: who never comes back would be kept for ever.
        """
        memory = profile.triggers
        if memory is None:
            return False
        return any(
            one.due_ms or (one.fired_ms and self._matters(rule, one, now_ms)) for rule, one in memory.rules.items()
        )

    def forget(self, profile: Profile) -> None:
        """A decision about consent has come: forget what is no longer covered."""
        memory = profile.triggers
        if memory is None:
            return
        for rule, one in list(memory.rules.items()):
            compiled = self._known(memory, rule, one)
            if compiled is None or not self._permitted(profile, compiled):
                memory.rules.pop(rule, None)
        if not allowed(profile.consents, "profiling", self._rules):
            memory.newest_ms = {}
            if memory.traffic is not None:
                memory.traffic.recent = []
                memory.traffic.window_ms = memory.traffic.usual_ms = 0
                memory.traffic.window_mb = memory.traffic.usual_mb = memory.traffic.usual_weight = 0.0

    def _look(
        self,
        profile: Profile,
        memory: TriggerMemory,
        event: Event,
        kind: str,
        values: Mapping[str, Value],
        purposes: set[str],
        fired: list[Fired],
    ) -> None:
        """Show the rules an event of a kind: those in an episode first, then those that it may concern."""
        seen = set()
        for rule, one in list(memory.rules.items()):
            if one.phase == IDLE:
                continue
            compiled = self._known(memory, rule, one)
            if compiled is None:
                continue
            if compiled.unless is not None and compiled.unless.on == kind:
                self._may_stop(profile, compiled, one, event.event_time_ms, values)
            if compiled.select.on == kind and compiled.rule.shape == "level":
                seen.add(rule)
                holds = matches(compiled.select, values) and self._holds(
                    profile, compiled, compiled.select, values, event
                )
                self._level(profile, memory, compiled, event, values, fired, holds=holds)
        for compiled in self._set.about_event(kind, values):
            if compiled.rule.id in seen or not purposes.issuperset(compiled.purposes):
                continue
            if self._holds(profile, compiled, compiled.select, values, event):
                self._qualified(profile, memory, compiled, event, values, fired)
        if self._set.levels_of(kind):
            memory.newest_ms[kind] = max(memory.newest_ms.get(kind, 0), event.event_time_ms)

    def _look_at_tags(
        self,
        profile: Profile,
        memory: TriggerMemory,
        event: Event,
        evidence: Sequence[Evidence],
        purposes: set[str],
        fired: list[Fired],
    ) -> None:
        """Show the rules on tags what an event was evidence for."""
        concerned = {
            compiled.rule.id: compiled for group, tag, _ in evidence for compiled in self._set.about_tag(group, tag)
        }
        for rule, compiled in concerned.items():
            if not purposes.issuperset(compiled.purposes):
                continue
            one = memory.rules.get(rule)
            open_version = self._known(memory, rule, one) if one is not None and one.phase != IDLE else None
            if open_version is not None:
                if open_version.select.on != "tags":
                    continue  # an earlier version's episode, which ends by what that looks at
                compiled = open_version  # the episode goes on by its own version
            if compiled.rule.shape == "fade":
                self._fade(profile, memory, compiled, event)
                continue
            holds = self._holds(profile, compiled, compiled.select, {}, event)
            if compiled.rule.shape != "level":
                if holds:
                    self._qualified(profile, memory, compiled, event, {}, fired)
                continue
            less = {(group, tag): value for group, tag, value in evidence}
            if open_version is not None and self._is_over(profile, compiled, {}, event, less, holds=False):
                self._level(profile, memory, compiled, event, {}, fired, holds=False, less=less)
            if holds:
                self._qualified(profile, memory, compiled, event, {}, fired)

    def _qualified(
        self,
        profile: Profile,
        memory: TriggerMemory,
        compiled: CompiledRule,
        event: Event,
        values: Mapping[str, Value],
        fired: list[Fired],
    ) -> None:
        shape, time_ms = compiled.rule.shape, event.event_time_ms
        if shape == "pulse":
            self._fire(profile, memory, compiled, "pulse", _episode(event), time_ms, values, fired, by_event=True)
        elif shape == "level":
            self._level(profile, memory, compiled, event, values, fired, holds=True)
        elif shape == "count":
            self._count(profile, memory, compiled, event, values, fired)
        elif shape == "absence":
            one = self._memory_of(memory, compiled)
            if time_ms <= one.newest_ms:
                return
            if one.phase == IDLE:
                _await(one, compiled, time_ms, _began(compiled, values))
            elif time_ms > one.due_ms and (not one.later or time_ms > one.later[-1][0] + compiled.within_ms):
                one.later.append((time_ms, _began(compiled, values)))

    def _level(
        self,
        profile: Profile,
        memory: TriggerMemory,
        compiled: CompiledRule,
        event: Event,
        values: Mapping[str, Value],
        fired: list[Fired],
        *,
        holds: bool,
        less: Mapping[tuple[str, str], float] | None = None,
    ) -> None:
        """A step of a level: the event says that the situation is there, or that it is over, or nothing."""
        one = self._memory_of(memory, compiled)
        time_ms = event.event_time_ms
        if one.phase != IDLE and one.due_ms and time_ms >= one.due_ms:
            self._happen(profile, memory, compiled.rule.id, fired)
        if time_ms <= one.newest_ms:
            return
        if one.phase == IDLE:
            if not holds or time_ms < memory.newest_ms.get(compiled.select.on, 0):
                return
            one.version, one.since_ms, one.newest_ms = compiled.rule.version, time_ms, time_ms
            if compiled.hold_ms or (compiled.hold_exit_ms and compiled.rule.fire == "exit"):
                one.began = _began(compiled, values)
            if compiled.hold_ms:
                one.phase, one.due_ms = HOLDING, time_ms + compiled.hold_ms
            else:
                self._begin(profile, memory, compiled, one, time_ms, values, fired, by_event=True)
            return
        if self._is_over(profile, compiled, values, event, less, holds=holds):
            if one.phase == HOLDING:
                one.phase, one.due_ms, one.newest_ms, one.began = IDLE, 0, time_ms, {}
            elif one.phase == ACTIVE:
                one.newest_ms = time_ms
                if compiled.hold_exit_ms:
                    one.phase, one.due_ms = LEAVING, time_ms + compiled.hold_exit_ms
                else:
                    self._end(profile, memory, compiled, one, time_ms, values, fired, by_event=True)
        elif holds:
            one.newest_ms = time_ms
            if one.phase == LEAVING:
                one.phase, one.due_ms = ACTIVE, 0

    def _is_over(
        self,
        profile: Profile,
        compiled: CompiledRule,
        values: Mapping[str, Value],
        event: Event,
        less: Mapping[tuple[str, str], float] | None,
        *,
        holds: bool,
    ) -> bool:
        if compiled.until is None:
            if less is None:
                return not holds
            now = Situation(values, compiled.tags, profile, self._rules, event.event_time_ms, less)
            return not compiled.select.when.holds(now)
        now = Situation(values, compiled.tags, profile, self._rules, event.event_time_ms, less)
        return compiled.until.holds(now)

    def _begin(
        self,
        profile: Profile,
        memory: TriggerMemory,
        compiled: CompiledRule,
        one: RuleMemory,
        at_ms: int,
        values: Mapping[str, Value],
        fired: list[Fired],
        *,
        by_event: bool,
    ) -> None:
        one.phase, one.due_ms = ACTIVE, 0
        if compiled.rule.fire == "enter":
            self._fire(profile, memory, compiled, "enter", str(one.since_ms), at_ms, values, fired, by_event=by_event)
        if compiled.rule.fire == "enter" or not compiled.hold_exit_ms:
            one.began = {}

    def _end(
        self,
        profile: Profile,
        memory: TriggerMemory,
        compiled: CompiledRule,
        one: RuleMemory,
        at_ms: int,
        values: Mapping[str, Value],
        fired: list[Fired],
        *,
        by_event: bool,
    ) -> None:
        one.phase, one.due_ms = IDLE, 0
        if compiled.rule.fire == "exit":
            self._fire(profile, memory, compiled, "exit", str(one.since_ms), at_ms, values, fired, by_event=by_event)
        one.began = {}

    def _count(
        self,
        profile: Profile,
        memory: TriggerMemory,
        compiled: CompiledRule,
        event: Event,
        values: Mapping[str, Value],
        fired: list[Fired],
    ) -> None:
        one = self._memory_of(memory, compiled)
        time_ms = event.event_time_ms
        if time_ms <= one.newest_ms:  # counted already in what has fired
            return
        times = sorted([*one.times_ms, time_ms])
        one.times_ms = [each for each in times if each > times[-1] - compiled.within_ms]
        one.version = compiled.rule.version
        if len(one.times_ms) >= compiled.rule.times:
            at_ms = one.times_ms[-1]
            one.times_ms, one.newest_ms = [], at_ms
            self._fire(profile, memory, compiled, "count", _episode(event), at_ms, values, fired, by_event=True)

    def _fade(self, profile: Profile, memory: TriggerMemory, compiled: CompiledRule, event: Event) -> None:
        """Arm a fade whose tag is heavy enough, and work out when the tag will have faded."""
        now = max(event.event_time_ms, profile.last_event_ms)
        [tag] = compiled.tags.values()
        above, below = compiled.rule.above, compiled.rule.below
        assert above is not None
        assert below is not None
        one = memory.rules.get(compiled.rule.id)
        if one is None or one.phase == IDLE:
            if tag_weight(profile, tag, now) < above:
                return
            one = self._memory_of(memory, compiled)
            one.phase, one.since_ms = ACTIVE, now
        one.due_ms = max(_crossing_ms(profile, compiled), now)
        one.newest_ms = now

    def _fade_anew(self, profile: Profile, memory: TriggerMemory) -> None:
        """A rebuild has changed the weights: fades come at other times now."""
        for rule, one in list(memory.rules.items()):
            compiled = self._known(memory, rule, one)
            if compiled is not None and compiled.rule.shape == "fade" and one.phase == ACTIVE:
                one.due_ms = max(_crossing_ms(profile, compiled), profile.last_event_ms)

    def _happen(self, profile: Profile, memory: TriggerMemory, rule: str, fired: list[Fired]) -> None:
        """Let the episode's due time come."""
        one = memory.rules[rule]
        compiled = self._known(memory, rule, one)
        if compiled is None or not self._permitted(profile, compiled):
            memory.rules.pop(rule, None)
            return
        at_ms = one.due_ms
        shape = compiled.rule.shape
        if shape == "absence":
            since_ms, began = one.since_ms, one.began
            one.newest_ms = max(one.newest_ms, at_ms)
            _end_absence(one, compiled)
            self._fire(profile, memory, compiled, "absence", str(since_ms), at_ms, began, fired, by_event=False)
        elif shape == "fade":
            later_ms = _crossing_ms(profile, compiled)
            if later_ms > at_ms:  # a rebuild gave weight back
                one.due_ms = later_ms
                return
            one.phase, one.due_ms = IDLE, 0
            self._fire(profile, memory, compiled, "fade", str(at_ms), at_ms, {}, fired, by_event=False)
        elif one.phase == HOLDING:
            self._begin(profile, memory, compiled, one, at_ms, one.began, fired, by_event=False)
        else:
            self._end(profile, memory, compiled, one, at_ms, one.began, fired, by_event=False)

    def _may_stop(
        self,
        profile: Profile,
        compiled: CompiledRule,
        one: RuleMemory,
        time_ms: int,
        values: Mapping[str, Value],
    ) -> None:
        """What an absence waits for may have come."""
        unless = compiled.unless
        assert unless is not None
        within_ms = compiled.within_ms
        stops = one.since_ms <= time_ms <= one.due_ms
        later = [each for each in one.later if not each[0] <= time_ms <= each[0] + within_ms]
        if not stops and len(later) == len(one.later):
            return
        if not matches(unless, values):
            return
        if unless.when.holds(Situation(values, compiled.tags, profile, self._rules, time_ms)):
            one.later = later
            if stops:
                one.newest_ms = time_ms
                _end_absence(one, compiled)

    def _holds(
        self,
        profile: Profile,
        compiled: CompiledRule,
        selected: Selected,
        values: Mapping[str, Value],
        event: Event,
    ) -> bool:
        if selected.when.of_event:
            return selected.when.holds(values)
        return selected.when.holds(Situation(values, compiled.tags, profile, self._rules, event.event_time_ms))

    def _fire(
        self,
        profile: Profile,
        memory: TriggerMemory,
        compiled: CompiledRule,
        cause: Cause,
        episode: str,
        at_ms: int,
        values: Mapping[str, Value],
        fired: list[Fired],
        *,
        by_event: bool,
    ) -> None:
        """Fire, unless the rule is not valid then, lacks consent, is in its cool-down, or has fired in the period."""
        rule = compiled.rule
        if not compiled.valid_from_ms <= at_ms < compiled.valid_to_ms or not self._permitted(profile, compiled):
            return
        if rule.once_per is not None or compiled.cooldown_ms:
            one = self._memory_of(memory, compiled)
            if one.fired_ms and abs(at_ms - one.fired_ms) < compiled.cooldown_ms:
                return
            if rule.once_per is not None:
                offset_ms = self._rules.utc_offset_ms
                period = period_of(rule.once_per, at_ms, offset_ms)
                if one.fired_ms and period <= period_of(rule.once_per, one.fired_ms, offset_ms):
                    return
                episode = f"{rule.once_per}-{period}"
            one.fired_ms = max(at_ms, one.fired_ms)
        now = Situation(values, compiled.tags, profile, self._rules, at_ms)
        known = {name: now[name] for name in compiled.reads if name in values or name not in compiled.of_event}
        fired.append(Fired(compiled, cause, episode, at_ms, by_event, known))

    def _permitted(self, profile: Profile, compiled: CompiledRule) -> bool:
        consents = profile.consents
        return all(allowed(consents, purpose, self._rules) for purpose in compiled.purposes)

    def _known(self, memory: TriggerMemory, rule: str, one: RuleMemory) -> CompiledRule | None:
        """The version of the rule that the episode goes on by; what is retired is forgotten, but when it last fired."""
        if one.phase == IDLE:
            return self._set.current.get(rule)
        compiled = self._set.version(rule, one.version)
        if compiled is None:
            if one.fired_ms:
                memory.rules[rule] = RuleMemory(one.version, fired_ms=one.fired_ms)
            else:
                memory.rules.pop(rule, None)
        return compiled

    def _memory_of(self, memory: TriggerMemory, compiled: CompiledRule) -> RuleMemory:
        rule = compiled.rule
        one = memory.rules.get(rule.id)
        if one is None:
            one = memory.rules[rule.id] = RuleMemory(rule.version)
        elif one.phase == IDLE:
            one.version = rule.version
        return one

    def _drop_idle(self, memory: TriggerMemory, time_ms: int) -> None:
        """Forget rules that are retired, or have nothing left that matters."""
        for rule, one in list(memory.rules.items()):
            if one.phase == IDLE and not self._matters(rule, one, time_ms):
                del memory.rules[rule]

    def _matters(self, rule: str, one: RuleMemory, now_ms: int) -> bool:
        """Whether what an idle rule remembers can still change what it does."""
        compiled = self._set.current.get(rule)
        if compiled is None:  # a retired rule that comes back must not fire again at once
            return one.fired_ms + _LONGEST_PERIOD_MS >= now_ms
        kept_ms = max(compiled.cooldown_ms, compiled.within_ms)
        if compiled.rule.once_per is not None:
            kept_ms = max(kept_ms, _LONGEST_PERIOD_MS)
        kept_ms += _LATE_AT_MOST_MS
        return max(one.newest_ms, one.fired_ms, *one.times_ms) + kept_ms >= now_ms


@cache
def queue_of(feeds: frozenset[str]) -> str:
    """Name of the queue of rules that wait for these feeds."""
    return "+".join(sorted(feeds))


def feeds_of(queue: str) -> list[str]:
    """Inverse of `queue_of`."""
    return queue.split("+") if queue else []


def _began(compiled: CompiledRule, values: Mapping[str, Value]) -> dict[str, Value]:
    """Of an event that an episode begins with, what the rule reads."""
    return {name: values[name] for name in compiled.reads if name in compiled.of_event and name in values}


def _await(one: RuleMemory, compiled: CompiledRule, since_ms: int, began: dict[str, Value]) -> None:
    """Begin to wait for what must not fail to come."""
    one.phase, one.since_ms, one.newest_ms, one.began = HOLDING, since_ms, since_ms, began
    one.due_ms = since_ms + compiled.within_ms


def _end_absence(one: RuleMemory, compiled: CompiledRule) -> None:
    """It has been decided; the next one that began in the meantime is waited for."""
    one.phase, one.due_ms, one.began = IDLE, 0, {}
    if one.later:
        _await(one, compiled, *one.later.pop(0))


def _episode(event: Event) -> str:
    return f"{event.event_time_ms}-{event.event_id:x}"


def _crossing_ms(profile: Profile, compiled: CompiledRule) -> int:
    """The instant at which the tag's weight falls to the lower level: closed form; at once if it is below already."""
    [tag] = compiled.tags.values()
    below = compiled.rule.below
    assert below is not None
    group = profile.groups.get(tag.group)
    cell = group.cells.get(tag.tag) if group is not None else None
    if group is None or cell is None:
        return 0
    at_ms = expires_at_ms(cell[0], group.half_life_ms, group.landmark, below)
    return ceil(at_ms) if at_ms > -inf else 0
