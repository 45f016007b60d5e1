"""The rules in force, compiled, and indexed by what they look at: an event costs only the rules that it may concern."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from schemas.rules import GroupRule
from schemas.trigger_rule import TriggerRule
from udfs.triggers.compiled import CompiledRule, RuleError, Selected, compile_rule
from udfs.triggers.vocabulary import Value

Refused = tuple[TriggerRule, RuleError]
_Indexed = tuple[CompiledRule, tuple[tuple[str, frozenset[str]], ...]]


class RuleSet:
    """Rules that may fire, and earlier versions whose episodes may still go on.

    A change costs what changes: other rules are neither compiled nor indexed anew, and an earlier version is compiled
    when the first person is met who is in an episode of it.

    Parameters
    ----------
    groups
        Tag groups that rules may refer to.
    """

    def __init__(self, groups: Mapping[str, GroupRule]) -> None:
        self._groups = groups
        self._versions: dict[tuple[str, int], TriggerRule] = {}
        self._compiled: dict[tuple[str, int], CompiledRule | None] = {}  # None: it can't be used
        self.current: dict[str, CompiledRule] = {}
        # kind -> variable -> value -> rules, each with what else it asks for; rules without `match` under ("", "")
        self._by_kind: dict[str, dict[str, dict[Value, list[_Indexed]]]] = {}
        self._by_tag: dict[tuple[str, str], list[CompiledRule]] = {}
        self._kinds_of: defaultdict[str, set[str]] = defaultdict(set)  # rule -> what any of its versions looks at
        self._kinds: Counter[str] = Counter()
        self._level_kinds: Counter[str] = Counter()

    def replace(self, rules: Iterable[TriggerRule], older: Iterable[TriggerRule] = ()) -> list[Refused]:
        """Put these rules in force, and no others; returns those that can't be used, of which an earlier version stays.

        `older` are earlier versions, which begin nothing: people who are in the middle of an episode end it by them.
        """
        wanted = {rule.id: rule for rule in rules}
        earlier: defaultdict[str, list[TriggerRule]] = defaultdict(list)
        for rule in older:
            earlier[rule.id].append(rule)
        for id_ in self.current.keys() - wanted.keys():
            self.withdraw(id_)
        found = (self.change(rule, earlier[id_]) for id_, rule in wanted.items())
        return [refused for refused in found if refused is not None]

    def change(self, rule: TriggerRule, older: Iterable[TriggerRule] = ()) -> Refused | None:
        """Put one rule in force, leave all others; returns why it can't be used: then the version before stays."""
        for each in older:
            self._note(each)
        self._note(rule)
        refused: Refused | None = None
        try:
            compiled = self._compiled.get((rule.id, rule.version)) or compile_rule(rule, self._groups)
            self._compiled[rule.id, rule.version] = compiled
        except RuleError as error:
            refused = (rule, error)
            before = self.current.get(rule.id) or self._newest_before(rule)
            if before is None:
                return refused
            compiled = before
        self.withdraw(rule.id)
        self.current[rule.id] = compiled
        self._index(compiled)
        return refused

    def withdraw(self, id_: str) -> None:
        """Let a rule fire no more; nothing, if it is not in force."""
        compiled = self.current.pop(id_, None)
        if compiled is not None:
            self._unindex(compiled)

    def __len__(self) -> int:
        return len(self.current)

    def version(self, rule: str, version: int) -> CompiledRule | None:
        """A rule as it was or is in that version; None when it is retired or not known."""
        return self._version(rule, version) if rule in self.current else None

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
        return self._kinds[kind] > 0

    def levels_of(self, kind: str) -> bool:
        """Whether any rule watches for a situation that begins and ends with that kind of event."""
        return self._level_kinds[kind] > 0

    def about_tag(self, group: str, tag: str) -> Iterable[CompiledRule]:
        """Rules on tags that name this tag."""
        return self._by_tag.get((group, tag), ())

    def _version(self, rule: str, version: int) -> CompiledRule | None:
        key = (rule, version)
        if key not in self._compiled and key in self._versions:
            try:
                self._compiled[key] = compile_rule(self._versions[key], self._groups)
            except RuleError:
                self._compiled[key] = None
        return self._compiled.get(key)

    def _newest_before(self, rule: TriggerRule) -> CompiledRule | None:
        """Of a rule that was not in force yet, as after a restart: the highest earlier version that can be used."""
        versions = sorted((version for id_, version in self._versions if id_ == rule.id and version < rule.version))
        found = (self._version(rule.id, version) for version in reversed(versions))
        return next((compiled for compiled in found if compiled is not None), None)

    def _note(self, rule: TriggerRule) -> None:
        """Know a version; of one that was known with another content the newer counts."""
        key = (rule.id, rule.version)
        known = self._versions.get(key)
        if known is rule:
            return
        if known is not None and known != rule:
            self._compiled.pop(key, None)
        self._versions[key] = rule
        kinds = {selected.on for selected in (rule, rule.unless) if selected is not None} - self._kinds_of[rule.id]
        self._kinds_of[rule.id] |= kinds
        if rule.id in self.current:
            self._kinds.update(kinds)

    def _index(self, compiled: CompiledRule) -> None:
        on = compiled.select.on
        self._kinds.update(self._kinds_of[compiled.rule.id])
        if compiled.rule.shape == "level" and on not in ("tags", "drift"):
            self._level_kinds[on] += 1
        if on == "tags":
            for tag in _tags_of(compiled):
                self._by_tag.setdefault(tag, []).append(compiled)
            return
        variable, values, others = _key_of(compiled)
        by_value = self._by_kind.setdefault(on, {}).setdefault(variable, {})
        for value in values:
            by_value.setdefault(value, []).append((compiled, others))

    def _unindex(self, compiled: CompiledRule) -> None:
        on = compiled.select.on
        self._kinds.subtract(self._kinds_of[compiled.rule.id])
        if compiled.rule.shape == "level" and on not in ("tags", "drift"):
            self._level_kinds[on] -= 1
        if on == "tags":
            for tag in _tags_of(compiled):
                self._by_tag[tag] = [each for each in self._by_tag[tag] if each is not compiled]
            return
        variable, values, _ = _key_of(compiled)
        by_value = self._by_kind[on][variable]
        for value in values:
            by_value[value] = [each for each in by_value[value] if each[0] is not compiled]
            if not by_value[value]:
                del by_value[value]


def _tags_of(compiled: CompiledRule) -> set[tuple[str, str]]:
    return {(tag.group, tag.tag) for tag in compiled.tags.values()}


def _key_of(compiled: CompiledRule) -> tuple[str, list[str], tuple[tuple[str, frozenset[str]], ...]]:
    """Variable and values by which a rule is found, and what else it asks for."""
    match = compiled.select.match
    # by the variable with the fewest values: the others are compared
    variable = min(match, key=lambda name: (len(match[name]), name), default="")
    others = tuple((name, words) for name, words in match.items() if name != variable)
    return variable, sorted(match[variable]) if variable else [""], others


def matches(selected: Selected, values: Mapping[str, Value]) -> bool:
    """Whether the values are among those it asks for."""
    return all(values[name] in words for name, words in selected.match.items())
