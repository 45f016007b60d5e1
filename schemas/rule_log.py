"""The rules in force, folded from updates in whatever order they arrive."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import ValidationError

from schemas.rule_update import DamagedRules, RuleUpdate, from_message
from schemas.trigger_rule import TriggerRule


class _Word(NamedTuple):
    """The newest that was said; of what was said at once, a retirement counts, then the higher version."""

    published_ms: int
    retired: bool
    version: int = 0
    document: str = ""


class RuleLog:
    """Of each rule the newest word counts, by when it was published.

    Guarantee: any order of the updates, with any repeats, gives the same. Nothing is forgotten: versions that are no
    longer in force are kept for the episodes that still go on by them.
    """

    def __init__(self) -> None:
        self._words: dict[str, _Word] = {}
        self._versions: dict[str, dict[int, _Word]] = {}
        self._parsed: dict[str, TriggerRule] = {}
        self._refused: set[str] = set()
        self._newest_ms = 0

    def take(self, update: RuleUpdate) -> tuple[str, ...]:
        """Take an update over; returns why documents in it are no rules. What was in force of those stays."""
        self._newest_ms = max(self._newest_ms, update.published_ms)
        refused = []
        for document in update.rules:
            try:
                rule = self._rule(document)
            except ValidationError as error:
                refused.append(_reason(error))
                continue
            word = _Word(update.published_ms, False, rule.version, document)
            self._say(rule.id, word)
            known = self._versions.setdefault(rule.id, {})
            known[rule.version] = max(word, known.get(rule.version, word))
        for id_ in update.retired:
            self._say(id_, _Word(update.published_ms, True))
        self._refused.update(refused)
        return tuple(refused)

    def take_message(self, key: str | None, value: str | None, published_ms: int) -> tuple[str, ...]:
        """Take over a message of the rules' topic; returns why it can't be used, if so."""
        try:
            update = from_message(key, value, published_ms)
        except DamagedRules as error:
            self._refused.add(str(error))
            return (str(error),)
        return self.take(update)

    def current(self) -> dict[str, TriggerRule]:
        """Rules in force, by id."""
        return {id_: self._rule(word.document) for id_, word in sorted(self._words.items()) if not word.retired}

    @property
    def retired(self) -> tuple[str, ...]:
        """Ids that were withdrawn, and not published since."""
        return tuple(sorted(id_ for id_, word in self._words.items() if word.retired))

    def versions(self, id_: str) -> dict[int, TriggerRule]:
        """Every version of a rule that was ever published, the lowest first; none of an id nobody has published."""
        return {version: self._rule(word.document) for version, word in sorted(self._versions.get(id_, {}).items())}

    @property
    def newest_ms(self) -> int:
        """When the newest update was published, milliseconds since the epoch; 0: there was none."""
        return self._newest_ms

    @property
    def refused(self) -> tuple[str, ...]:
        """Why documents were no rules."""
        return tuple(sorted(self._refused))

    def _say(self, id_: str, word: _Word) -> None:
        self._words[id_] = max(word, self._words.get(id_, word))

    def _rule(self, document: str) -> TriggerRule:
        if document not in self._parsed:
            self._parsed[document] = TriggerRule.model_validate_json(document)
        return self._parsed[document]


def _reason(error: ValidationError) -> str:
    [first, *others] = error.errors(include_url=False, include_input=False)
    field = ".".join(str(each) for each in first["loc"])
    more = f", and {len(others)} more" if others else ""
    return "a document that is no rule: " + (f"{field}: " if field else "") + first["msg"] + more
