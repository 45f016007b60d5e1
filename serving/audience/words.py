"""An operator's own words for expressions, from YAML files: ``works_in: work``, checked before any is used.

A file is one mapping of words to what each stands for, in the language of expressions and in the catalogue's own
names: a group, ``either(...)`` of several, a tag, a share or mean of one, or a whole condition. What can't be used is
said with file, line and word, all of it at once. The words that come with the project are in ``audience-words.yaml``;
where the operator's own dictionaries give one no meaning, that is said when it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from serving.audience.expression import check_word
from serving.audience.expression_error import ExpressionError
from serving.audience.names import TAKEN
from serving.audience.vocabulary import Vocabulary
from sources.core_yaml import CoreYaml, scalar_value
from sources.trigger_rules import Fault

MAX_FILE_BYTES = 1 << 18
_SHIPPED = "audience-words.yaml"


class WordsRefused(ValueError):
    """Words can't be used; the text has a line ``file:line: word: reason`` for everything that is wrong."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = sorted(faults, key=lambda fault: (str(fault.file), fault.line))
        super().__init__("\n".join(map(str, self.faults)))


class _Written(NamedTuple):
    file: Path
    line: int
    definition: str


def with_words(vocabulary: Vocabulary, files: Iterable[Path] = ()) -> Vocabulary:
    """The vocabulary with the words that come with the project, and those of the files.

    Raises
    ------
    WordsRefused
        When one can't be used: with what is wrong with any of them.
    """
    faults: list[Fault] = []
    written = dict(_read(shipped_words(), faults))
    for file in files:
        for word, each in _read(file, faults).items():
            first = written.get(word)
            if first is not None:
                reason = f"is in {first.file.name}:{first.line} already: expected each word once"
            else:
                reason = _why_not(word, each.definition, vocabulary)
                written[word] = each
            if reason:
                faults.append(Fault(file, each.line, word, reason))
    if faults:
        raise WordsRefused(faults)
    return Vocabulary(vocabulary.groups, vocabulary.rules, {word: each.definition for word, each in written.items()})


def shipped_words() -> Path:
    """The file of words that comes with the project."""
    return Path(__file__).with_name(_SHIPPED)


def _why_not(word: str, definition: str, vocabulary: Vocabulary) -> str:
    if not word.isidentifier() or len(word) > 48:
        return "expected a word of letters, digits and _, at most 48"
    if word in vocabulary.groups:
        return "is a group of the catalogue, which keeps its name: use another word"
    if word.lower() in TAKEN:
        return "is a word of the language: use another"
    try:
        check_word(definition, vocabulary)
    except ExpressionError as error:
        return str(error)
    return ""


def _read(file: Path, faults: list[Fault]) -> Mapping[str, _Written]:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        faults.append(Fault(file, 1, "", f"can't be read: {error.strerror}"))
        return {}
    if len(content) > MAX_FILE_BYTES:
        faults.append(Fault(file, 1, "", f"longer than {MAX_FILE_BYTES:,} bytes: use fewer words"))
        return {}
    try:
        node = _only_document(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        faults.append(Fault(file, content.count(b"\n", 0, error.start) + 1, "", "not UTF-8: save it in that encoding"))
        return {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        faults.append(Fault(file, mark.line + 1 if mark else 1, "", f"not YAML: {error.problem}"))
        return {}
    except yaml.reader.ReaderError as error:
        faults.append(Fault(file, 1, "", f"not YAML: {error.reason}"))
        return {}
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        faults.append(Fault(file, node.start_mark.line + 1, "", "expected words, such as works_in: work"))
        return {}
    return _words(file, node, faults)


def _only_document(text: str) -> yaml.Node | None:
    reader = CoreYaml(text)
    try:
        node: yaml.Node | None = reader.get_single_node()
    finally:
        reader.dispose()
    return node


def _words(file: Path, node: yaml.MappingNode, faults: list[Fault]) -> dict[str, _Written]:
    found: dict[str, _Written] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            faults.append(Fault(file, line, "", "expected a word before the colon"))
        elif key.value in found:
            reason = f"again, also in line {found[key.value].line}: delete one of the two"
            faults.append(Fault(file, line, key.value, reason))
        elif not isinstance(value, yaml.ScalarNode) or not isinstance(_scalar(value), str):
            faults.append(Fault(file, line, key.value, "expected what it stands for as text, such as work"))
        else:
            found[key.value] = _Written(file, line, value.value)
    return found


def _scalar(node: yaml.ScalarNode) -> object:
    try:
        return scalar_value(node)
    except ValueError:
        return None
