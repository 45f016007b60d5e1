"""Rules made ready for evaluation: conditions compiled, names resolved, purposes gathered; or refused with the reason.

Conditions are written in CEL, the Common Expression Language (cel.dev), without its loops: no side effects, and a
bounded cost (`udfs.triggers.condition_cost`). Each is tried out on examples of all types before a rule is accepted, so
what is wrong with it is said then and not at night.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import NamedTuple

import cel
from msgspec import Struct

from schemas.known_tags import why_unknown
from schemas.nearest import did_you_mean
from schemas.rules import GroupRule
from schemas.trigger_rule import FOREVER_MS, Match, TriggerRule
from udfs.triggers.condition_cost import why_too_dear
from udfs.triggers.condition_faults import result_fault, syntax_fault, type_fault
from udfs.triggers.vocabulary import CIRCUMSTANCES, KINDS, Value, Variable

_NEXT_TO_ZERO = 1e-9
NUMERIC_PARTS = ("mean", "std")
_NOT_WORKED_OUT = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)


class RuleError(ValueError):
    """A rule can't be used: `field` of it, and what was got and what was expected."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class TagName(NamedTuple):
    """A tag that conditions refer to; `part` is ``mean`` or ``std`` of a numeric one, else empty."""

    group: str
    tag: str
    part: str = ""


class Condition(NamedTuple):
    """A compiled condition with the variables it reads; no program: always true.

    `of_event` says that all of them come with an event: neither tags nor circumstances are read.
    """

    program: cel.Program | None
    variables: tuple[str, ...] = ()
    of_event: bool = True

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether it is true of these values; all its variables must be among them.

        What can't be worked out (a division by zero, a pattern made of what a person typed) is not true: a condition
        must not stop a job.
        """
        if self.program is None:
            return True
        try:
            return bool(self.program.execute({name: values[name] for name in self.variables}))
        except _NOT_WORKED_OUT:
            return False


class Selected(NamedTuple):
    """Events of a kind, narrowed by values and a condition."""

    on: str
    match: Mapping[str, frozenset[str]]
    when: Condition


class CompiledRule(Struct, frozen=True):
    """A rule as it is evaluated.

    Attributes
    ----------
    rule
        As written.
    select
        When it is looked at, and its condition.
    until
        When a level ends; None: when `select` no longer holds.
    unless
        Of an absence, what must not follow.
    tags
        Name in the conditions -> tag.
    purposes
        A person must have consented to all of them.
    reads
        Variables of all its conditions: what a receipt holds.
    of_event
        Those that come with an event: of what happens by itself, those of the event it began with.
    feeds
        Whose records could still prevent what happens by itself.
    """

    rule: TriggerRule
    select: Selected
    until: Condition | None
    unless: Selected | None
    tags: dict[str, TagName]
    purposes: tuple[str, ...]
    reads: tuple[str, ...]
    of_event: frozenset[str]
    feeds: frozenset[str]
    valid_from_ms: int = 0
    valid_to_ms: int = FOREVER_MS
    hold_ms: int = 0
    hold_exit_ms: int = 0
    within_ms: int = 0
    cooldown_ms: int = 0


_ALWAYS = Condition(None)


def compile_rule(rule: TriggerRule, groups: Mapping[str, GroupRule]) -> CompiledRule:
    """Compile a rule.

    Parameters
    ----------
    groups
        Tag groups there are.

    Raises
    ------
    RuleError
        For a condition that can't be parsed, doesn't give true or false, reads what is not there, or may cost too much;
        and for a tag that is not there, of what can be told without dictionaries. Of several it is the first.
    """
    faults: list[RuleError] = []
    compiled = _compiled(rule, groups, faults)
    if faults:
        raise faults[0]
    return compiled


def compiled_or_faults(rule: TriggerRule, groups: Mapping[str, GroupRule]) -> tuple[CompiledRule, list[RuleError]]:
    """The rule, and all that keeps it from being used: what is wrong is left out of it."""
    faults: list[RuleError] = []
    return _compiled(rule, groups, faults), faults


def _compiled(rule: TriggerRule, groups: Mapping[str, GroupRule], faults: list[RuleError]) -> CompiledRule:
    tags = _tags(rule, groups, faults)
    # a tag that is wrong is said once: for the conditions its name is one
    named = {name: tags.get(name, TagName("", "")) for name in rule.tags}
    select = _selected("", rule.on, rule.match, rule.when, named, faults)
    until = _condition("until", rule.until, rule.on, named, faults) if rule.until else None
    unless = (
        _selected("unless.", rule.unless.on, rule.unless.match, rule.unless.when, named, faults)
        if rule.unless
        else None
    )
    conditions = [select.when, *([until] if until else []), *([unless.when] if unless else [])]
    reads = {name for condition in conditions for name in condition.variables} | set(rule.match) | set(tags)
    purposes = {rule.purpose, KINDS[rule.on].purpose, *(groups[tag.group].purpose for tag in tags.values())}
    if unless is not None:
        reads |= set(unless.match)
        purposes.add(KINDS[unless.on].purpose)
    purposes |= {CIRCUMSTANCES[name].purpose for name in reads if name in CIRCUMSTANCES}
    valid_from_ms, valid_to_ms = rule.valid_ms
    return CompiledRule(
        rule,
        select,
        until,
        unless,
        tags,
        tuple(sorted(purposes - {""})),
        tuple(sorted(reads)),
        frozenset(reads - set(tags) - set(CIRCUMSTANCES)),
        _feeds(rule, tags, groups),
        valid_from_ms,
        valid_to_ms,
        *(round(each.total_seconds() * 1_000) for each in (rule.hold, rule.hold_exit, rule.within, rule.cooldown)),
    )


def _feeds(rule: TriggerRule, tags: Mapping[str, TagName], groups: Mapping[str, GroupRule]) -> frozenset[str]:
    feeds = set(KINDS[rule.on].feeds)
    if rule.unless is not None:
        feeds.update(KINDS[rule.unless.on].feeds)
    if rule.on == "tags":
        for tag in tags.values():
            feeds.update(groups[tag.group].feeds)
    return frozenset(feeds)


def variables_of(on: str, tags: Mapping[str, TagName]) -> dict[str, Variable]:
    """Variables that conditions about a kind of event may use."""
    weights = {name: Variable(1.5, f"weight of {tag.group}:{tag.tag}") for name, tag in tags.items()}
    return {**KINDS[on].variables, **CIRCUMSTANCES, **weights}


def _selected(
    path: str, on: str, match: Match, when: str, tags: Mapping[str, TagName], faults: list[RuleError]
) -> Selected:
    words = [each for each, known in KINDS[on].variables.items() if isinstance(known.example, str)]
    for name in match:
        if name not in words:
            meant = did_you_mean(name, words)
            reason = f"expected one of {', '.join(words) or 'none'} for {on}, got {name}"
            faults.append(RuleError(f"{path}match.{name}", reason + (f": {meant}" if meant else "")))
    values = {name: frozenset(words) for name, words in match.items()}
    return Selected(on, values, _condition(f"{path}when", when, on, tags, faults))


def _condition(field: str, source: str, on: str, tags: Mapping[str, TagName], faults: list[RuleError]) -> Condition:
    if not source:
        return _ALWAYS
    try:
        program = cel.compile(source)
    except ValueError as error:
        faults.append(RuleError(field, syntax_fault(source, str(error))))
        return _ALWAYS
    used = program.variables()
    reason = _why_not(program, source, used, on, tags)
    if reason:
        faults.append(RuleError(field, reason))
        return _ALWAYS
    return Condition(program, tuple(used), all(name in KINDS[on].variables for name in used))


def _why_not(program: cel.Program, source: str, used: list[str], on: str, tags: Mapping[str, TagName]) -> str:
    """Why a condition that was parsed can't be used; empty: it can."""
    too_dear = why_too_dear(program, source)
    if too_dear:
        return too_dear
    known = variables_of(on, tags)
    unknown = [name for name in used if name not in known]
    if unknown:
        near = [match for name in unknown for match in get_close_matches(name, known, n=1)]
        remedy = f"did you mean {', '.join(near)}? " if near else ""
        return f"unknown {', '.join(unknown)}: {remedy}a rule on {on} knows {', '.join(sorted(known))}"
    read = {name: known[name] for name in used}
    for values in _examples(read, divides=not {"_/_", "_%_"}.isdisjoint(program.functions())):
        try:
            result = program.execute(values)
        except _NOT_WORKED_OUT as error:
            return type_fault(source, str(error), read)
        if not isinstance(result, bool):
            return result_fault(result, read)
    return ""


def _examples(variables: Mapping[str, Variable], *, divides: bool) -> list[dict[str, Value]]:
    """Each variable's example, and its zero (next to it where it may be divided by): both sides of most are tried."""
    small: dict[type[Value], Value] = {str: "", bool: False, float: _NEXT_TO_ZERO if divides else 0.0}
    zero = {name: small[type(variable.example)] for name, variable in variables.items()}
    return [{name: variable.example for name, variable in variables.items()}, zero]


def _tags(rule: TriggerRule, groups: Mapping[str, GroupRule], faults: list[RuleError]) -> dict[str, TagName]:
    tags = {}
    for name, text in rule.tags.items():
        field = f"tags.{name}"
        if name in KINDS[rule.on].variables or name in CIRCUMSTANCES:
            faults.append(RuleError(field, "the name is that of a variable already: choose another"))
        group, _, tag = text.partition(":")
        if not tag:
            faults.append(RuleError(field, f"expected <group>:<tag>, such as content:video, got {text!r}"))
            continue
        rule_of_group = groups.get(group)
        if rule_of_group is None:
            remedy = did_you_mean(group, groups) or f"expected one of {', '.join(sorted(groups))}"
            faults.append(RuleError(field, f"unknown tag group {group!r}: {remedy}"))
            continue
        head, dot, part = tag.rpartition(".")
        of_part = rule_of_group.numeric and dot and part in NUMERIC_PARTS
        found = TagName(group, head, part) if of_part else TagName(group, tag)
        if rule_of_group.tags is not None and found.tag not in rule_of_group.tags:
            faults.append(RuleError(field, why_unknown(group, found.tag, rule_of_group.tags)))
            continue
        if found.part and rule.shape == "fade":
            reason = f"a {found.part} does not fade: expected a weight, such as {group}:{found.tag}"
            faults.append(RuleError(field, reason))
        tags[name] = found
    return tags
