"""What a new version of a rule may not change: what it is an episode of, while people are in the middle of one.

An episode goes on to its end by the version it began with (`udfs.triggers.evaluate`), and the automaton that it is a
state of is that of the version's shape. A version of another shape, or one that looks at another kind of event, would
be shown a state it can't read, or never be shown what ends it. Nobody can tell from here who has an open episode, so
such a change takes a new id, also for a rule that is withdrawn.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from schemas.trigger_rule import TriggerRule


class Contradiction(NamedTuple):
    """A version can't follow those that are published: the field that is the matter, and why and what to do."""

    field: str
    reason: str


def contradiction(known: Collection[TriggerRule], rule: TriggerRule) -> Contradiction | None:
    """Why `rule` can't follow other versions of its id that are published; None: it can.

    What an absence waits for may change: the version it began with waits for its own. So may the tags of any rule but a
    level on tags, which is looked at when there is evidence for its tags, and would not be when it ends.
    """
    for before in known:
        for field, was, now in (("shape", before.shape, rule.shape), ("on", before.on, rule.on)):
            if was != now:
                return _of_another_kind(before, field, f"{field}: {now}", f"{field}: {was}")
        if rule.shape == "level" and rule.on == "tags" and before.version != rule.version:
            dropped = sorted(set(before.tags.values()) - set(rule.tags.values()))
            if dropped:
                expected = f"{', '.join(dropped)} among its tags"
                return _of_another_kind(before, "tags", "a level on other tags", expected)
    if any(before.version == rule.version and before != rule for before in known):
        newest = max(before.version for before in known)
        reason = f"version {rule.version} is published with another content: raise version to {newest + 1}"
        return Contradiction("version", reason)
    return None


def _of_another_kind(before: TriggerRule, field: str, got: str, expected: str) -> Contradiction:
    return Contradiction(
        field,
        f"got {got}, expected {expected} as in version {before.version}, by which episodes of people may still be "
        "open: give it a new id, and retire this one",
    )
