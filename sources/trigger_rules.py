"""Reading rules of scene triggers from YAML files: one or several documents, each a rule or a list of rules.

What can't be used is said with file, line and field, all of it at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from schemas.trigger_rule import Selection, TriggerRule
from sources.core_yaml import CoreYaml, scalar_value

MAX_FILE_BYTES = 1 << 20
SUFFIXES = (".yaml", ".yml")
_CUT = 80


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


class ReadRules(NamedTuple):
    """Rules that can be used, and what is wrong with the others."""

    rules: list[WrittenRule]
    faults: list[Fault]


def read_rules(paths: Iterable[Path]) -> ReadRules:
    """Rules of files and of folders, in which every ``.yaml`` and ``.yml`` is one of rules.

    Never raises for what stands in them: it is among the faults. Two rules of one id are a fault of the second.
    """
    rules: list[WrittenRule] = []
    faults: list[Fault] = []
    first: dict[str, WrittenRule] = {}
    for file in _files(paths, faults):
        found = _read_file(file)
        faults += found.faults
        for each in found.rules:
            same = first.setdefault(each.rule.id, each)
            if same is each:
                rules.append(each)
            else:
                where = f"{same.file}:{same.lines['id']}"
                faults.append(each.fault("id", f"{each.rule.id} is in {where} already: expected one rule of each id"))
    return ReadRules(rules, faults)


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
        return ReadRules([], [Fault(file, 1, "", f"can't be read: {error.strerror}")])
    if len(content) > MAX_FILE_BYTES:
        reason = f"longer than {MAX_FILE_BYTES:,} bytes: split it into several files"
        return ReadRules([], [Fault(file, 1, "", reason)])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return ReadRules([], [Fault(file, line, "", "not UTF-8: save the file in that encoding")])
    found = ReadRules([], [])
    reader = CoreYaml(text)
    try:
        while reader.check_node():
            _take_document(file, reader.get_node(), found)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        found.faults.append(Fault(file, mark.line + 1 if mark else 1, "", f"not YAML: {error.problem}"))
    except yaml.reader.ReaderError as error:
        line = text.encode().count(b"\n", 0, error.position) + 1
        found.faults.append(Fault(file, line, "", f"not YAML: {error.reason}"))
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
            faults += [_fault(file, lines, *_said(each)) for each in error.errors(include_url=False)]
    found.faults.extend(faults)


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
        faults.append(Fault(file, node.start_mark.line + 1, path, _shortened(str(error))))
        return None


def _fault(file: Path, lines: Mapping[str, int], field: str, reason: str) -> Fault:
    holder = field
    while holder not in lines:
        holder = holder.rpartition(".")[0]
    return Fault(file, lines[holder], field, reason)


def _said(error: Any) -> tuple[str, str]:
    """Field and reason of what pydantic found."""
    places = [str(each) for each in error["loc"] if each != "[key]"]
    field, name = ".".join(places), places[-1] if places else ""
    fields = (Selection if places[:1] == ["unless"] and len(places) > 1 else TriggerRule).model_fields
    if error["type"] == "missing":
        return field, f"missing: {fields[name].description or 'needed'}"
    if error["type"] == "extra_forbidden":
        near = get_close_matches(name, fields, n=1)
        return field, f"unknown: did you mean {near[0]}?" if near else f"unknown: expected some of {', '.join(fields)}"
    reason = str(error["msg"]).removeprefix("Value error, ")
    if not places:  # of the rule as a whole: the reason begins with the field it is about
        field, _, reason = reason.partition(": ")
        return field, reason
    got = error["input"]
    if error["type"] != "value_error" and isinstance(got, str | int | float | bool | None):
        reason += f", got {_shortened(repr(got))}"
    return field, reason[:1].lower() + reason[1:]


def _shortened(text: str) -> str:
    return text if len(text) <= _CUT else text[: _CUT - 3] + "..."
