"""The rules in force, compiled, and indexed by what they look at: an event costs only the rules that it may concern."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from schemas.rules import GroupRule
from schemas.trigger_rule import TriggerRule
from udfs.triggers.compiled import CompiledRule, RuleError, compile_rule
from udfs.triggers.vocabulary import Value

Refused = tuple[TriggerRule, RuleError]
_Indexed = tuple[CompiledRule, tuple[tuple[str, frozenset[str]], ...]]


class RuleSet:
    """Rules that may fire, and earlier versions whose episodes may still go on.

    Parameters
    ----------
    groups
        Tag groups that rules may refer to.
    """

    def __init__(self, groups: Mapping[str, GroupRule]) -> None:
        self._groups = groups
        self._compiled: dict[tuple[str, int], CompiledRule] = {}
        self.current: dict[str, CompiledRule] = {}
        # kind -> variable -> value -> rules, each with what else it asks for; rules without `match` under ("", "")
        self._by_kind: dict[str, dict[str, dict[Value, list[_Indexed]]]] = {}
        self._by_tag: dict[tuple[str, str], list[CompiledRule]] = {}
        self._kinds: frozenset[str] = frozenset()
        self._level_kinds: frozenset[str] = frozenset()

    def replace(self, rules: Iterable[TriggerRule], older: Iterable[TriggerRule] = ()) -> list[Refused]:
        """Put these rules in force, and no others; returns those that can't be used, of which an earlier version stays.

        `older` are earlier versions, which begin nothing: people who are in the middle of an episode end it by them.
        """
        for rule in older:
            with suppress(RuleError):
                self._compiled[rule.id, rule.version] = compile_rule(rule, self._groups)
        refused: list[Refused] = []
        current: dict[str, CompiledRule] = {}
        for rule in rules:
            key = (rule.id, rule.version)
            compiled = self._compiled.get(key)
            if compiled is None or compiled.rule != rule:
                try:
                    compiled = compile_rule(rule, self._groups)
                except RuleError as error:
                    refused.append((rule, error))
                    if rule.id in self.current:
                        current[rule.id] = self.current[rule.id]
                    continue
                self._compiled[key] = compiled
            current[rule.id] = compiled
        self.current = current
        self._index()
        return refused

    def __len__(self) -> int:
        return len(self.current)

    def version(self, rule: str, version: int) -> CompiledRule | None:
        """A rule as it was or is in that version; None when it is retired or not known."""
        return self._compiled.get((rule, version)) if rule in self.current else None

    def about_event(self, kind: str, values: Mapping[str, Value]) -> Iterator[CompiledRule]:
        """Rules on that kind of event whose `match` the values meet; whether the condition holds is not looked at."""
        for variable, by_value in self._by_kind.get(kind, {}).items():
            for rule, others in by_value.get(values[variable] if variable else "", ()):
                for name, words in others:
                    if values[name] not in words:
                        break
                else:
                    yield rule

    def looks_at(self, kind: str) -> bool:
        """Whether any rule looks at that kind of event, be it to end an episode."""
        return kind in self._kinds

    def levels_of(self, kind: str) -> bool:
        """Whether any rule watches for a situation that begins and ends with that kind of event."""
        return kind in self._level_kinds

    def about_tag(self, group: str, tag: str) -> Iterable[CompiledRule]:
        """Rules on tags that name this tag."""
        return self._by_tag.get((group, tag), ())

    def _index(self) -> None:
        self._by_kind, self._by_tag = {}, {}
        self._kinds = frozenset(
            selected.on
            for compiled in self._compiled.values()
            for selected in (compiled.select, compiled.unless)
            if selected is not None and compiled.rule.id in self.current
        )
        self._level_kinds = frozenset(
            compiled.select.on for compiled in self.current.values() if compiled.rule.shape == "level"
        ) - {"tags", "drift"}
        for compiled in self.current.values():
            on, match = compiled.select.on, compiled.select.match
            if on == "tags":
                for tag in {(tag.group, tag.tag) for tag in compiled.tags.values()}:
                    self._by_tag.setdefault(tag, []).append(compiled)
                continue
            # by the variable with the fewest values: the others are compared
            variable = min(match, key=lambda name: (len(match[name]), name), default="")
            by_value = self._by_kind.setdefault(on, {}).setdefault(variable, {})
            others = tuple((name, words) for name, words in match.items() if name != variable)
            for value in sorted(match[variable]) if variable else ("",):
                by_value.setdefault(value, []).append((compiled, others))


def matches(rule: CompiledRule, values: Mapping[str, Value]) -> bool:
    """Whether the values meet the rule's `match`."""
    return all(values[name] in words for name, words in rule.select.match.items())
