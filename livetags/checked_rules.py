"""Checking written rules: as documents, by compiling them, and against the tags there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from livetags.dictionary_updates import dictionaries_in_force
from schemas.dictionaries import Dictionaries
from schemas.known_tags import known_tags, why_unknown
from schemas.rules import GroupRule
from schemas.settings import Settings
from sources import FEEDS
from sources.trigger_rules import Draft, Fault, WrittenRule, read_rules
from udfs.tags import GROUPS
from udfs.triggers.compiled import compiled_or_faults


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
        When one can't: with everything that is wrong with any of them.
    """
    read = read_rules(paths)
    whole = [Draft(each, frozenset()) for each in read.rules]
    groups, dictionaries = settings.rules(GROUPS).groups, dictionaries_in_force(settings)
    faults = read.faults + compile_faults([*whole, *read.drafts], groups, dictionaries)
    if faults:
        raise RulesRefused(faults)
    return read.rules


def compile_faults(drafts: Iterable[Draft], groups: Mapping[str, GroupRule], dictionaries: Dictionaries) -> list[Fault]:
    """What keeps rules from being compiled, at the line of the field concerned.

    And tags that no dictionary has: those a running job takes, because its dictionaries may change.
    """
    known = {name: known_tags(group, dictionaries) for name, group in GROUPS.items()}
    faults = []
    for each, unknown in drafts:
        if not unknown.isdisjoint(("on", "tags")):  # they say which words its conditions know
            continue
        compiled, errors = compiled_or_faults(each.rule, groups)
        faults += [each.fault(error.field, error.reason) for error in errors if _part_of(error.field) not in unknown]
        for name, tag in compiled.tags.items():
            there_are = known[tag.group]
            if there_are is not None and tag.tag not in there_are:
                remedy = "; a new one is put into the dictionary first" if GROUPS[tag.group].more_tags else ""
                faults.append(each.fault(f"tags.{name}", why_unknown(tag.group, tag.tag, there_are) + remedy))
    return faults


def rule_warnings(rules: Iterable[WrittenRule]) -> list[Fault]:
    """What can be used and will never fire: rules on tags of feeds whose ids are nobody's that rules look at."""
    warnings = []
    for each in rules:
        if each.rule.on != "tags":
            continue
        feeds = {
            name: GROUPS[group].sources for name, group in ((n, t.partition(":")[0]) for n, t in each.rule.tags.items())
        }
        for name, sources in feeds.items():
            if sources and not any(FEEDS[feed].linked for feed in sources):
                reason = (
                    f"never fires: {each.rule.tags[name]} is of the feed {', '.join(sources)}, whose ids are never "
                    "linked to a person; expected a tag of another feed, see docs/tags.md"
                )
                warnings.append(each.fault(f"tags.{name}", reason))
    return warnings


def _part_of(field: str) -> str:
    return field.partition(".")[0]
