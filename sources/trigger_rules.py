"""Reading rules of scene triggers from YAML files: one or several documents, each a rule or a list of rules.

What can't be used is said with file, line and field, all of it at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from schemas.rule_faults import got, said
from schemas.trigger_rule import Inconsistent, TriggerRule
from sources.core_yaml import CoreYaml, scalar_value

MAX_FILE_BYTES = 1 << 20
SUFFIXES = (".yaml", ".yml")


class Fault(NamedTuple):
    """What is wrong with a rule, and where; `field` is empty when it is about no field."""

    file: Path
    line: int
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: " + (f"{self.field}: " if self.field else "") + self.reason


class WrittenRule(NamedTuple):
    """A rule, the file it stands in, and the line of each of its fields by path; ``""`` is the rule itself."""

    rule: TriggerRule
    file: Path
    lines: Mapping[str, int]

    def fault(self, field: str, reason: str) -> Fault:
        """What is wrong with a field, at its line: that of what holds it if it is not there."""
        return _fault(self.file, self.lines, field, reason)


class Draft(NamedTuple):
    """What can be told of a rule that has faults: `unknown` are its fields that say something else than was meant."""

    written: WrittenRule
    unknown: frozenset[str]


class ReadRules(NamedTuple):
    """Rules that can be used, what is wrong with the others, and those for what else is wrong with them."""

    rules: list[WrittenRule]
    faults: list[Fault]
    drafts: list[Draft]


def read_rules(paths: Iterable[Path]) -> ReadRules:
    """Rules of files and of folders, in which every ``.yaml`` and ``.yml`` is one of rules.

    Never raises for what stands in them: it is among the faults. Two rules of one id are a fault of the second.
    """
    rules: list[WrittenRule] = []
    faults: list[Fault] = []
    drafts: list[Draft] = []
    first: dict[str, WrittenRule] = {}
    for file in _files(paths, faults):
        found = _read_file(file)
        faults += found.faults
        drafts += found.drafts
        for each in found.rules:
            same = first.setdefault(each.rule.id, each)
            if same is each:
                rules.append(each)
            else:
                where = f"{same.file}:{same.lines['id']}"
                faults.append(each.fault("id", f"{each.rule.id} is in {where} already: expected one rule of each id"))
    return ReadRules(rules, faults, drafts)


def _files(paths: Iterable[Path], faults: list[Fault]) -> list[Path]:
    files: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(
                file
                for file in path.rglob("*")
                if file.suffix in SUFFIXES
                and file.is_file()
                and not any(part.startswith(".") for part in file.relative_to(path).parts)
            )
            if not inside:
                faults.append(Fault(path, 0, "", f"a folder without rules: expected files *{' or *'.join(SUFFIXES)}"))
        elif path.is_file():
            inside = [path]
        else:
            faults.append(Fault(path, 0, "", "not there: expected a YAML file of rules, or a folder of such files"))
            continue
        for file in inside:
            files.setdefault(file.resolve(), file)
    return list(files.values())


def _read_file(file: Path) -> ReadRules:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return ReadRules([], [Fault(file, 1, "", f"can't be read: {error.strerror}")], [])
    if len(content) > MAX_FILE_BYTES:
        reason = f"longer than {MAX_FILE_BYTES:,} bytes: split it into several files"
        return ReadRules([], [Fault(file, 1, "", reason)], [])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return ReadRules([], [Fault(file, line, "", "not UTF-8: save the file in that encoding")], [])
    found = ReadRules([], [], [])
    reader = CoreYaml(text)
    try:
        while reader.check_node():
            _take_document(file, reader.get_node(), found)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        found.faults.append(Fault(file, mark.line + 1 if mark else 1, "", _not_yaml(error)))
    except yaml.reader.ReaderError as error:
        line = text.encode().count(b"\n", 0, error.position) + 1
        found.faults.append(Fault(file, line, "", f"not YAML: {error.reason}: delete that character"))
    finally:
        reader.dispose()
    if not found.rules and not found.faults:
        found.faults.append(Fault(file, 1, "", "no rule in it: expected documents that are rules, or lists of rules"))
    return found


def _take_document(file: Path, node: Any, found: ReadRules) -> None:
    if isinstance(node, yaml.ScalarNode) and not node.value:
        return  # nothing between two marks of a document
    for item in node.value if isinstance(node, yaml.SequenceNode) else [node]:
        if not isinstance(item, yaml.MappingNode):
            reason = "expected a rule, which begins with id:, or a list of rules"
            found.faults.append(Fault(file, item.start_mark.line + 1, "", reason))
            continue
        _take_rule(file, item, found)


def _take_rule(file: Path, node: yaml.MappingNode, found: ReadRules) -> None:
    lines = {"": node.start_mark.line + 1}
    faults: list[Fault] = []
    document = _plain(node, "", file, lines, faults)
    if not faults:
        try:
            found.rules.append(WrittenRule(TriggerRule.model_validate(document), file, lines))
        except ValidationError as error:
            own = said(error)
            faults += [_fault(file, lines, *each) for each in own]
            rule, unknown, more = _draft(document, error, {field.partition(".")[0] for field, _ in own})
            faults += [_fault(file, lines, *each) for each in more]
            if rule is not None:
                found.drafts.append(Draft(WrittenRule(rule, file, lines), unknown))
    found.faults.extend(faults)


_STANDING_IN = {
    "id": "a",
    "version": 1,
    "owner": "o",
    "purpose": "service",
    "scene": "s",
    "shape": "pulse",
    "on": "app_use",
}
"""For needed fields that are missing or wrong, so that what else is wrong can be said as well."""


def _draft(
    document: dict[str, Any], error: ValidationError, wrong: set[str]
) -> tuple[TriggerRule | None, frozenset[str], list[tuple[str, str]]]:
    """The rule but for its wrong fields, those fields, and in what those that are right don't go together."""
    own = _inconsistent(error)
    if own is not None:
        return own.rule, frozenset(), []
    right = {
        field: value for field, value in document.items() if field not in wrong and field in TriggerRule.model_fields
    }
    unknown = frozenset((wrong & TriggerRule.model_fields.keys()) | (_STANDING_IN.keys() - right.keys()))
    try:
        return TriggerRule.model_validate(_STANDING_IN | right), unknown, []
    except ValidationError as again:
        found = _inconsistent(again)
    if found is None:
        return None, unknown, []
    faults = [] if "shape" in unknown else found.faults
    if "on" in unknown:
        faults = [each for each in faults if each[0] not in ("on", "tags")]
    return found.rule, unknown, [each for each in faults if each[0] not in unknown]


def _inconsistent(error: ValidationError) -> Inconsistent | None:
    [first, *others] = error.errors(include_url=False)
    found = first.get("ctx", {}).get("error")
    return found if isinstance(found, Inconsistent) and not others else None


def _not_yaml(error: yaml.MarkedYAMLError) -> str:
    """What is wrong with the file as YAML: what is usually behind it, and what the reader of YAML found."""
    problem = error.problem or "it can't be read"
    for part, remedy in _REMEDIES.items():
        if part in problem:
            return f"not YAML: {remedy}" + (f" ({problem})" if part != problem else "")
    return f"not YAML: {problem}"


_REMEDIES = {
    "tab character": "expected spaces at the beginning of the line, not a tab",
    "mapping values are not allowed": "expected one `name: value` a line; text that has a colon goes in quotes",
    "did not find expected key": "expected `name: value` as far to the right as the lines above; text with quotes in "
    "it goes in other quotes as a whole",
    "could not find expected ':'": "expected `name: value`, with a colon and a space",
    "cannot start any token": "expected spaces at the beginning of the line, not a tab, and text in quotes if it "
    "begins with @, % or `",
    "did not find expected ',' or ']'": "a list that begins with [ has no ] at its end, or no comma between two values",
    "did not find expected ',' or '}'": "what begins with { has no } at its end, or no comma between two values",
    "unexpected end of stream": "quotes that are opened and not closed",
    "did not find expected tag": "text that begins with ! goes in quotes",
    "did not find expected whitespace or line break": "text that begins with ! goes in quotes",
    "did not find expected alphabetic or numeric character": "text that begins with !, & or * goes in quotes",
    "did not find expected comment or line break": "text that begins with > or | goes in quotes",
    "did not find expected '-' indicator": "expected items of a list, each with a - as far to the right as the others",
    "block sequence entries are not allowed": "a list begins on a line of its own, below its name",
}


def _plain(node: Any, path: str, file: Path, lines: dict[str, int], faults: list[Fault]) -> Any:
    """Value of a node; notes the line of everything in it, and what YAML allows but rules don't."""
    if isinstance(node, yaml.SequenceNode):
        values = []
        for number, item in enumerate(node.value):
            inner = f"{path}.{number}"
            lines[inner] = item.start_mark.line + 1
            values.append(_plain(item, inner, file, lines, faults))
        return values
    if isinstance(node, yaml.MappingNode):
        fields: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                faults.append(Fault(file, line, path, "expected a name before the colon"))
                continue
            inner = f"{path}.{key.value}" if path else key.value
            if key.value in fields:
                faults.append(Fault(file, line, inner, f"again, also in line {lines[inner]}: delete one of the two"))
                continue
            lines[inner] = line
            fields[key.value] = _plain(value, inner, file, lines, faults)
        return fields
    try:
        return scalar_value(node)
    except ValueError as error:
        faults.append(Fault(file, node.start_mark.line + 1, path, _value_fault(node, error)))
        return None


def _fault(file: Path, lines: Mapping[str, int], field: str, reason: str) -> Fault:
    holder = field
    while holder not in lines:
        holder = holder.rpartition(".")[0]
    return Fault(file, lines[holder], field, reason)


def _value_fault(node: yaml.ScalarNode, error: ValueError) -> str:
    text = str(error)
    if not text.startswith("expected"):
        return f"expected a shorter number, got {got(node.value)}"
    return text + (": text that begins with ! goes in quotes" if node.tag.startswith("!") else "")
