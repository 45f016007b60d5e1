"""Checking written rules: as documents, by compiling them, and against the tags there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from livetags.dictionary_updates import dictionaries_in_force
from schemas.dictionaries import Dictionaries
from schemas.known_tags import known_tags, why_unknown
from schemas.rules import GroupRule
from schemas.settings import Settings
from sources.trigger_rules import Fault, WrittenRule, read_rules
from udfs.tags import GROUPS
from udfs.triggers.compiled import RuleError, compile_rule


class RulesRefused(ValueError):
    """Rules can't be used; the text has a line ``file:line: field: reason`` for everything that is wrong with them."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = sorted(faults, key=lambda fault: (str(fault.file), fault.line))
        super().__init__("\n".join(map(str, self.faults)))


def checked_rules(paths: Iterable[Path], settings: Settings) -> list[WrittenRule]:
    """The rules of files and folders, every one of which can be used.

    Raises
    ------
    RulesRefused
        When one can't: with what is wrong with any of them.
    """
    read = read_rules(paths)
    faults = read.faults + compile_faults(read.rules, settings.rules(GROUPS).groups, dictionaries_in_force(settings))
    if faults:
        raise RulesRefused(faults)
    return read.rules


def compile_faults(
    rules: Iterable[WrittenRule], groups: Mapping[str, GroupRule], dictionaries: Dictionaries
) -> list[Fault]:
    """What keeps rules from being compiled, at the line of the field concerned; of each rule the first.

    And tags that no dictionary has: those a running job takes, because its dictionaries may change.
    """
    known = {name: known_tags(group, dictionaries) for name, group in GROUPS.items()}
    faults = []
    for each in rules:
        try:
            compiled = compile_rule(each.rule, groups)
        except RuleError as error:
            faults.append(each.fault(error.field, error.reason))
            continue
        for name, tag in compiled.tags.items():
            there_are = known[tag.group]
            if there_are is not None and tag.tag not in there_are:
                remedy = "; a new one is put into the dictionary first" if GROUPS[tag.group].more_tags else ""
                faults.append(each.fault(f"tags.{name}", why_unknown(tag.group, tag.tag, there_are) + remedy))
    return faults
