"""Why a trigger fired: the decision made once more from its receipt and its rule.

A receipt holds what the conditions read when the rule fired. What it can't tell is not claimed: of what time alone made
fire it has the event's variables as of the beginning, but tags and circumstances as of the end. `differences` compares
with the trigger of a replay, from which everything follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from math import exp2, isfinite, isnan

import cel
import msgspec
from msgspec import Struct, structs

from livetags.conjuncts import conjuncts
from schemas.outputs import Receipt, Trigger
from schemas.rules import Rules
from schemas.state import Profile
from schemas.trigger_rule import FOREVER_MS, TriggerRule
from udfs.triggers.compiled import CompiledRule, RuleError, compile_rule, variables_of
from udfs.triggers.period import period_of
from udfs.triggers.rule_set import matches
from udfs.triggers.situation import Situation
from udfs.triggers.trigger_id import trigger_id
from udfs.triggers.vocabulary import KINDS, Value

_CLOSE = 1e-9
"""Relative error allowed to the closed form of a fading, whose instant is worked out with logarithms."""
_OF_LOCAL_TIME = ("local_hour", "workday")
_CAUSES = {"pulse": "pulse", "fade": "fade", "absence": "absence", "count": "count"}


class Step(Struct, frozen=True):
    """One step of the decision: whether it holds, and what it says."""

    held: bool
    text: str


class Explanation(Struct, frozen=True):
    """A decision made once more.

    Attributes
    ----------
    steps
        In the order in which a person would tell them.
    emptied
        Whether the receipt has lost its values because a consent was withdrawn.
    made_again, taken_as_recorded
        What of the decision the steps have worked out anew, and what they believe the receipt: only a replay of the
        input makes that again.
    """

    steps: list[Step]
    emptied: bool = False
    made_again: tuple[str, ...] = ()
    taken_as_recorded: tuple[str, ...] = ()

    @property
    def confirmed(self) -> bool:
        """Whether every step holds, and none is missing."""
        return not self.emptied and all(step.held for step in self.steps)

    @property
    def verdict(self) -> str:
        """The end of the explanation, in one line."""
        failed = [step.text for step in self.steps if not step.held]
        if failed:
            return f"NOT confirmed: {'; '.join(failed)}"
        if self.emptied:
            return "NOT confirmed: its values were emptied when the person withdrew a consent"
        return "the decision is confirmed"


def explain(
    receipt: Receipt, rule: TriggerRule, rules: Rules, grace_ms: int, rebuilt_ms: Sequence[int] = ()
) -> Explanation:
    """Make the decision once more.

    Parameters
    ----------
    receipt
        What is to be explained.
    rule
        Of that version, as published.
    rules
        Tag groups with their half-lives, and local time.
    grace_ms
        What happens by itself waits so long for late records; a weight may be as of up to so much later.
    rebuilt_ms
        When the person's tags were rebuilt: a weight may have been cut then below the level of a fade.
    """
    trigger = receipt.trigger
    try:
        compiled = compile_rule(rule, rules.groups)
    except RuleError as error:
        return Explanation([Step(False, f"the rule can't be used any more: {error}")])
    by_event = _by_event(trigger, rule)
    emptied = not trigger.values and bool(_names(compiled, by_event))
    steps = [*_as_published(receipt, rule), *_place(trigger, by_event), *_valid(trigger, compiled)]
    if emptied:
        steps.append(Step(True, "its values were emptied when the person withdrew a consent"))
    else:
        values = list(_values(trigger, compiled, by_event, rules))
        steps += values
        if all(step.held for step in values):
            steps += _conditions(trigger, compiled, by_event, rules)
            if rule.shape == "fade":
                steps.append(_faded(trigger, compiled, rules, grace_ms, rebuilt_ms))
    steps += _episode(trigger, compiled, rules)
    expected = trigger_id(trigger.user, trigger.rule, trigger.version, trigger.episode)
    if trigger.id == expected:
        steps.append(Step(True, f"the id is that of person, rule, version and episode: {expected}"))
    else:
        text = (
            f"the id is {trigger.id}, that of person, rule, version and episode is {expected}: "
            "something was altered, or the person has another pseudonym since a key was rotated"
        )
        steps.append(Step(False, text))
    return Explanation(steps, emptied, _made_again(compiled, trigger, by_event), _recorded(compiled, trigger, by_event))


def _made_again(compiled: CompiledRule, trigger: Trigger, by_event: bool) -> tuple[str, ...]:
    rule = compiled.rule
    told = [
        "the rule's text",
        _conditions_made_again(compiled, trigger, by_event) if trigger.values else "",
        "the half-life's closed form, to a part in a billion" if rule.shape == "fade" else "",
        "the episode",
        "the id",
    ]
    return tuple(filter(None, told))


def _conditions_made_again(compiled: CompiledRule, trigger: Trigger, by_event: bool) -> str:
    """Empty: none."""
    rule = compiled.rule
    if rule.shape == "fade" or _before_the_event(trigger, rule):
        return ""
    if by_event:
        return "its conditions on the values of the receipt" if rule.when or rule.match or rule.until else ""
    if rule.when and compiled.select.when.of_event:
        return "its conditions on the event that began it"
    return "what `match` asks of the event that began it" if rule.match else ""


def _recorded(compiled: CompiledRule, trigger: Trigger, by_event: bool) -> tuple[str, ...]:
    rule = compiled.rule
    told = ["the values, as the job had worked them out"] if trigger.values else []
    if rule.shape == "fade":
        told.append("that the tag had been above before, with no evidence since")
    elif rule.shape == "absence":
        told.append("when it began, and that what it waited for did not come")
    elif rule.shape == "count":
        told.append("the events that were counted before the last one")
    elif _before_the_event(trigger, rule):
        told.append("the weights before the event, and when the situation began")
    elif rule.shape == "level":
        lasted = "" if by_event else ", and that it lasted"
        told.append("when the situation began" + lasted if trigger.cause == "exit" or lasted else "that it was new")
    if compiled.cooldown_ms or rule.once_per:
        told.append("that it had not fired too recently")
    return tuple(told)


def _before_the_event(trigger: Trigger, rule: TriggerRule) -> bool:
    """Whether the evaluator had taken the event's own evidence off, which the receipt doesn't have."""
    return trigger.cause == "exit" and rule.on == "tags"


def differences(recorded: Trigger, replayed: Trigger | None, *, same_logs: bool = True) -> list[str]:
    """What a replay says otherwise than a receipt, field by field; nothing: it is the very same trigger, bit for bit.

    When it was decided is not compared, and with `same_logs` false neither is where its record lies.
    """
    if replayed is None:
        return ["the replay fires no trigger of that id"]
    left_out = {"decided_ms", *(() if same_logs else ("feed", "log", "partition", "offset"))}
    told = []
    for name in structs.fields(Trigger):
        if name.name in left_out:
            continue
        was, is_ = getattr(recorded, name.name), getattr(replayed, name.name)
        if isinstance(was, dict):
            told += [
                f"{name.name}.{key} is {_shown(was.get(key))}, replayed {_shown(is_.get(key))}"
                for key in sorted({*was, *is_})
                if not _same(was.get(key), is_.get(key))
            ]
        elif not _same(was, is_):
            told.append(f"{name.name} is {_shown(was)}, replayed {_shown(is_)}")
    return told


def _as_published(receipt: Receipt, rule: TriggerRule) -> Iterator[Step]:
    trigger = receipt.trigger
    said = [
        ("rule", trigger.rule, rule.id),
        ("version", trigger.version, rule.version),
        ("scene", trigger.scene, rule.scene),
        ("purpose", trigger.purpose, rule.purpose),
        ("priority", trigger.priority, rule.priority),
        ("shadow", trigger.shadow, rule.shadow),
        ("payload", trigger.payload, rule.payload),
        ("cause", trigger.cause, _CAUSES.get(rule.shape, rule.fire)),
    ]
    wrong = [(name, was, expected) for name, was, expected in said if was != expected]
    for name, was, expected in wrong:
        yield Step(False, f"{name} is {_shown(was)}, of the rule as published {_shown(expected)}")
    if not wrong:
        yield Step(True, f"rule {rule.id} version {rule.version}, as published: {rule.shape} on {rule.on}")
    if receipt.sent_ms and trigger.shadow:
        yield Step(False, "it was sent, though the rule is in shadow")


def _by_event(trigger: Trigger, rule: TriggerRule) -> bool:
    """Whether it takes an event to fire for that cause, and not time alone."""
    waits = {"enter": bool(rule.hold), "exit": bool(rule.hold_exit), "fade": True, "absence": True}
    return not waits.get(trigger.cause, False)


def _place(trigger: Trigger, by_event: bool) -> Iterator[Step]:
    place = (trigger.log, trigger.partition, trigger.offset)
    if not by_event:
        if trigger.feed or any(place) or trigger.event_id:
            yield Step(False, "an event is named, though time alone makes this rule fire")
        else:
            yield Step(True, "time alone made it fire, no event")
    elif trigger.feed:
        told = f"feed {trigger.feed}, log {trigger.log}, partition {trigger.partition}, offset {trigger.offset}"
        yield Step(True, f"the event that made it fire: {told}, event {trigger.event_id:x}")
    elif any(place):
        yield Step(False, "a place without a feed")
    else:
        yield Step(True, f"the event that made it fire stands in no log: event {trigger.event_id:x}")


def _valid(trigger: Trigger, compiled: CompiledRule) -> Iterator[Step]:
    begin, end = compiled.valid_from_ms, compiled.valid_to_ms
    if not begin <= trigger.at_ms < end:
        yield Step(False, "the rule is not valid at that time")
    elif begin or end != FOREVER_MS:
        yield Step(True, "the rule is valid at that time")


def _names(compiled: CompiledRule, by_event: bool) -> set[str]:
    """What a receipt has: of what time alone made fire, no variables of the event that did not follow."""
    begun_by = KINDS[compiled.rule.on].variables
    return {name for name in compiled.reads if by_event or name not in compiled.of_event or name in begun_by}


def _values(trigger: Trigger, compiled: CompiledRule, by_event: bool, rules: Rules) -> Iterator[Step]:
    """The values are those that the conditions read, of their types; what the time alone says is worked out again."""
    expected = _names(compiled, by_event)
    for name in sorted(expected - set(trigger.values)):
        yield Step(False, f"{name} is missing among the values")
    for name in sorted(set(trigger.values) - expected):
        yield Step(False, f"{name} is among the values, though the rule does not read it")
    known = variables_of(compiled.rule.on, compiled.tags)
    for name, value in sorted(trigger.values.items()):
        if name not in expected or name not in known:
            continue
        example = known[name].example
        if type(value) is not type(example) or (isinstance(value, float) and not isfinite(value)):
            yield Step(False, f"{name} is {_shown(value)}, expected a value like {_shown(example)}")
        elif name in compiled.tags and not compiled.tags[name].part and isinstance(value, float) and value < 0.0:
            yield Step(False, f"{name} is {_shown(value)}, expected a weight")
        elif name in _OF_LOCAL_TIME and value != _local_time(name, trigger.at_ms, rules):
            yield Step(
                False, f"{name} is {_shown(value)}, at that time {_shown(_local_time(name, trigger.at_ms, rules))}"
            )


def _local_time(name: str, time_ms: int, rules: Rules) -> Value:
    return Situation({}, {}, Profile(), rules, time_ms)[name]


def _conditions(trigger: Trigger, compiled: CompiledRule, by_event: bool, rules: Rules) -> Iterator[Step]:
    """What `match`, `when` and `until` say of the values."""
    rule = compiled.rule
    if not by_event:
        if rule.shape != "fade":
            yield from _beginning(trigger, compiled)
        return
    if _before_the_event(trigger, rule):
        yield Step(True, "the end was seen with the weights before the event: a replay makes that decision again")
        return
    values = dict(trigger.values)
    if rule.shape == "count" and rule.once_per is None and (event_ms := _event_ms(trigger.episode)) is not None:
        # the event that completed the number may be late, and not the newest of them
        values |= {name: _local_time(name, event_ms, rules) for name in _OF_LOCAL_TIME if name in values}
    if trigger.cause == "exit" and rule.until:
        yield from _parts("until", rule.until, values)
        return
    if trigger.cause == "exit":
        over = not (matches(compiled.select, values) and compiled.select.when.holds(values))
        yield Step(over, "it no longer qualifies" if over else "it still qualifies, so the situation is not over")
        return
    yield from _matched(compiled, values)
    if rule.when:
        yield from _parts("when", rule.when, values)


def _matched(compiled: CompiledRule, values: Mapping[str, Value]) -> Iterator[Step]:
    for name, words in compiled.select.match.items():
        held = values[name] in words
        yield Step(
            held, f"{name} = {_shown(values[name])} is {'' if held else 'not '}one of {', '.join(sorted(words))}"
        )


def _beginning(trigger: Trigger, compiled: CompiledRule) -> Iterator[Step]:
    """What began is decided again as far as the event's own variables go."""
    begun = "it began" if compiled.rule.shape == "absence" else "the situation began"
    yield from _matched(compiled, trigger.values)
    if not compiled.rule.when:
        return
    if compiled.select.when.of_event:
        yield from _parts("when", compiled.rule.when, trigger.values)
    else:
        told = "reads tags or circumstances as they were then, which are not in the receipt"
        yield Step(True, f"whether {begun}, {told}: a replay makes that decision again")


def _parts(field: str, condition: str, values: Mapping[str, Value]) -> list[Step]:
    """A condition part by part; as a whole if its parts don't say the same as it does."""
    parts = conjuncts(condition)
    try:
        steps = [_part(field, part, values) for part in parts]
    except (ValueError, TypeError, RuntimeError):
        steps = []
    whole = _part(field, condition, values)
    return steps if steps and all(step.held for step in steps) == whole.held else [whole]


def _part(field: str, condition: str, values: Mapping[str, Value]) -> Step:
    program = cel.compile(condition)
    held = bool(program.execute({name: values[name] for name in program.variables()}))
    read = ", ".join(f"{name} = {_shown(values[name])}" for name in program.variables())
    told = f"{field}: {' '.join(condition.split())} is {'true' if held else 'false'}"
    return Step(held, f"{told}, with {read}" if read else told)


def _faded(trigger: Trigger, compiled: CompiledRule, rules: Rules, grace_ms: int, rebuilt_ms: Sequence[int]) -> Step:
    """The weight has just come down to the level; or below it at once, when a rebuild had cut it."""
    [(name, tag)] = compiled.tags.items()
    below = compiled.rule.below
    weight = trigger.values[name]
    assert below is not None
    assert isinstance(weight, float)
    half_life_ms = rules.groups[tag.group].half_life_ms
    told = f"{name} = {weight:.9g}, and below is {below:g}"
    if weight > below * (1.0 + _CLOSE):
        return Step(False, f"the tag has not faded: {told}")
    if weight * exp2((1.0 + grace_ms) / half_life_ms) >= below * (1.0 - _CLOSE):
        half_life_days = half_life_ms / 86_400_000
        return Step(True, f"the tag has just faded, as its half-life of {half_life_days:g} d says: {told}")
    if rules.groups[tag.group].rebuilt and any(at_ms <= trigger.at_ms for at_ms in rebuilt_ms):
        return Step(True, f"the tag was below the level when a change of behaviour had cut it: {told}")
    return Step(False, f"the tag would have faded earlier, as its half-life says: {told}")


def _episode(trigger: Trigger, compiled: CompiledRule, rules: Rules) -> Iterator[Step]:
    """The episode names the situation, and its time is the one at which the rule fires."""
    rule, episode, at_ms = compiled.rule, trigger.episode, trigger.at_ms
    if rule.once_per is not None:
        expected = f"{rule.once_per}-{period_of(rule.once_per, at_ms, rules.utc_offset_ms)}"
        yield _equal(episode, expected, f"at most once per local {rule.once_per}")
    elif rule.shape == "pulse":
        yield _equal(episode, f"{at_ms}-{trigger.event_id:x}", "the event itself")
    elif rule.shape == "count":
        event_ms = _event_ms(episode)
        within = event_ms is not None and at_ms - compiled.within_ms < event_ms <= at_ms
        held = within and episode == f"{event_ms}-{trigger.event_id:x}"
        yield Step(held, f"episode {episode}: the event that completed the number" + ("" if held else ", expected"))
    elif rule.shape == "fade":
        yield _equal(episode, f"{at_ms}", "the instant of fading")
    else:
        yield _since(trigger, compiled)
    if compiled.cooldown_ms:
        yield Step(True, f"then silent for {rule.document()['cooldown']}; whether it was, a replay tells")


def _since(trigger: Trigger, compiled: CompiledRule) -> Step:
    """Of what begins and lasts: fired so long after it began as the rule says."""
    episode, at_ms = trigger.episode, trigger.at_ms
    if not (episode.isascii() and episode.isdigit() and str(int(episode)) == episode):
        return Step(False, f"episode is {episode!r}, expected when the situation began")
    lasted_ms = at_ms - int(episode)
    if compiled.rule.shape == "absence":
        held, told = lasted_ms == compiled.within_ms, _lasting(compiled.within_ms)
    elif trigger.cause == "enter":
        held, told = lasted_ms == compiled.hold_ms, _lasting(compiled.hold_ms)
    else:
        least_ms = compiled.hold_ms + compiled.hold_exit_ms
        held, told = lasted_ms >= max(least_ms, 1), f"{_lasting(least_ms)} or more"
    return Step(held, f"fired {_lasting(lasted_ms)} after episode {episode} began, by the rule {told} after it")


def _lasting(duration_ms: int) -> str:
    """A duration for people, exact: ``0:30:00``, or ``1 day, 0:00:00.250000``."""
    return str(timedelta(milliseconds=duration_ms))


def _equal(episode: str, expected: str, meaning: str) -> Step:
    if episode == expected:
        return Step(True, f"episode {episode}: {meaning}")
    return Step(False, f"episode is {episode!r}, expected {expected}: {meaning}")


def _event_ms(episode: str) -> int | None:
    """Event time in the name of an episode that is an event."""
    time, separator, _ = episode.partition("-")
    return int(time) if separator and time.isascii() and time.isdigit() else None


def _same(was: object, is_: object) -> bool:
    if isinstance(was, float) and isinstance(is_, float):
        return was.hex() == is_.hex() or (isnan(was) and isnan(is_))
    return type(was) is type(is_) and was == is_


def _shown(value: object) -> str:
    return "nothing" if value is None else msgspec.json.encode(value).decode()
