"""Checking written rules: as documents, and by compiling them against the tags there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

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
    faults = read.faults + compile_faults(read.rules, settings.rules(GROUPS).groups)
    if faults:
        raise RulesRefused(faults)
    return read.rules


def compile_faults(rules: Iterable[WrittenRule], groups: Mapping[str, GroupRule]) -> list[Fault]:
    """What keeps rules from being compiled, at the line of the field concerned; of each rule the first."""
    faults = []
    for each in rules:
        try:
            compile_rule(each.rule, groups)
        except RuleError as error:
            faults.append(each.fault(error.field, error.reason))
    return faults
