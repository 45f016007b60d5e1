"""Rules made ready for evaluation: conditions compiled, names resolved, purposes gathered; or refused with the reason.

Conditions are written in CEL, the Common Expression Language (cel.dev): no loops but over lists, no side effects. Each
is tried out on examples of all types before a rule is accepted, so what is wrong with it is said then and not at night.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, NoReturn

import cel
from msgspec import Struct

from schemas.known_tags import why_unknown
from schemas.rules import GroupRule
from schemas.trigger_rule import FOREVER_MS, Match, TriggerRule
from udfs.triggers.vocabulary import CIRCUMSTANCES, KINDS, Value, Variable

NUMERIC_PARTS = ("mean", "std")
_CUT = 200
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


def compile_rule(rule: TriggerRule, groups: Mapping[str, GroupRule]) -> CompiledRule:
    """Compile a rule.

    Parameters
    ----------
    groups
        Tag groups there are.

    Raises
    ------
    RuleError
        For a condition that can't be parsed, doesn't give true or false, or reads what is not there; and for a tag that
        is not there, of what can be told without dictionaries.
    """
    tags = {name: _tag(f"tags.{name}", text, groups) for name, text in rule.tags.items()}
    for name, tag in tags.items():
        if tag.part and rule.shape == "fade":
            _refuse(f"tags.{name}", f"a {tag.part} does not fade: expected a weight, such as {tag.group}:{tag.tag}")
        if name in KINDS[rule.on].variables or name in CIRCUMSTANCES:
            _refuse(f"tags.{name}", "the name is that of a variable already: choose another")
    select = _selected("", rule.on, rule.match, rule.when, tags)
    until = _condition("until", rule.until, rule.on, tags) if rule.until else None
    unless = _selected("unless.", rule.unless.on, rule.unless.match, rule.unless.when, tags) if rule.unless else None
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


def _selected(path: str, on: str, match: Match, when: str, tags: Mapping[str, TagName]) -> Selected:
    for name in match:
        variable = KINDS[on].variables.get(name)
        if variable is None or not isinstance(variable.example, str):
            words = [each for each, known in KINDS[on].variables.items() if isinstance(known.example, str)]
            _refuse(f"{path}match.{name}", f"expected one of {', '.join(words) or 'none'} for {on}, got {name}")
    values = {name: frozenset(words) for name, words in match.items()}
    return Selected(on, values, _condition(f"{path}when", when, on, tags))


def _condition(field: str, source: str, on: str, tags: Mapping[str, TagName]) -> Condition:
    if not source:
        return Condition(None)
    try:
        program = cel.compile(source)
    except ValueError as error:
        _refuse(field, _shortened(str(error)))
    known = variables_of(on, tags)
    used = program.variables()
    unknown = [name for name in used if name not in known]
    if unknown:
        _refuse(field, f"unknown {', '.join(unknown)}: a rule on {on} knows {', '.join(sorted(known))}")
    for values in _examples({name: known[name] for name in used}):
        try:
            result = program.execute(values)
        except (TypeError, ValueError, RuntimeError) as error:
            _refuse(field, _shortened(str(error)))
        if not isinstance(result, bool):
            _refuse(field, f"expected true or false, got a {type(result).__name__}")
    return Condition(program, tuple(used), all(name in KINDS[on].variables for name in used))


def _examples(variables: Mapping[str, Variable]) -> list[dict[str, Value]]:
    """Each variable's example, and its zero: both sides of most conditions are tried."""
    zero = {name: type(variable.example)() for name, variable in variables.items()}
    return [{name: variable.example for name, variable in variables.items()}, zero]


def _tag(field: str, text: str, groups: Mapping[str, GroupRule]) -> TagName:
    group, separator, tag = text.partition(":")
    if not separator or not tag:
        _refuse(field, f"expected <group>:<tag>, got {text!r}")
    rule = groups.get(group)
    if rule is None:
        _refuse(field, f"unknown tag group {group!r}: expected one of {', '.join(sorted(groups))}")
    name, dot, part = tag.rpartition(".")
    found = TagName(group, name, part) if rule.numeric and dot and part in NUMERIC_PARTS else TagName(group, tag)
    if rule.tags is not None and found.tag not in rule.tags:
        _refuse(field, why_unknown(group, found.tag, rule.tags))
    return found


def _refuse(field: str, reason: str) -> NoReturn:
    raise RuleError(field, reason) from None


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _CUT else line[: _CUT - 3] + "..."
