"""The rules in force, folded from updates in whatever order they arrive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pydantic import ValidationError

from schemas.rule_change import contradiction
from schemas.rule_faults import said
from schemas.rule_update import DamagedRules, RuleUpdate, from_message
from schemas.trigger_rule import TriggerRule

KEPT_VERSIONS = 20
"""Versions of a rule that `RuleLog.compact` gives, the newest: more are not known to have open episodes by a job."""


class _Word(NamedTuple):
    """Something that was said; the newest counts. Of what was said at once, a retirement, then the higher version."""

    published_ms: int
    retired: bool
    version: int = 0
    document: str = ""


class _Rule(NamedTuple):
    """What follows from all that was said of a rule.

    `versions` are those that count: version -> (the word that published it first, rule). `refused` are the other
    documents, with the reason.
    """

    newest: _Word | None
    versions: dict[int, tuple[_Word, TriggerRule]]
    refused: dict[str, str]


class RuleLog:
    """Of each rule the newest word counts, by when it was published.

    A version stands for one content, for ever: the one that was published first. Documents that say otherwise, and
    versions that contradict earlier ones (`schemas.rule_change`), are refused; what was in force stays.

    Guarantee: any order of the updates, with any repeats, gives the same. Nothing is forgotten: versions that are no
    longer in force are kept for the episodes that still go on by them.
    """

    def __init__(self) -> None:
        self._words: dict[str, set[_Word]] = {}
        self._rules: dict[str, _Rule] = {}
        self._parsed: dict[str, TriggerRule] = {}
        self._no_rules: set[str] = set()
        self._newest_ms = 0

    def take(self, update: RuleUpdate) -> tuple[str, ...]:
        """Take an update over; returns why documents in it are refused. What was in force of those stays."""
        self._newest_ms = max(self._newest_ms, update.published_ms)
        refused = []
        documents: list[tuple[str, str]] = []
        for document in update.rules:
            try:
                rule = self._rule(document)
            except ValidationError as error:
                refused.append(_reason(error))
                continue
            self._say(rule.id, _Word(update.published_ms, False, rule.version, document))
            documents.append((rule.id, document))
        for id_ in update.retired:
            self._say(id_, _Word(update.published_ms, True))
        self._no_rules.update(refused)
        refused += [why for id_, document in documents if (why := self._of(id_).refused.get(document))]
        return tuple(refused)

    def take_message(self, key: str | None, value: str | None, published_ms: int) -> tuple[str, ...]:
        """Take over a message of the rules' topic; returns why it can't be used, if so."""
        try:
            update = from_message(key, value, published_ms)
        except DamagedRules as error:
            self._no_rules.add(str(error))
            return (str(error),)
        return self.take(update)

    def ids_in(self, update: RuleUpdate) -> tuple[str, ...]:
        """Ids of the rules in an update that was taken over."""
        return tuple(self._parsed[document].id for document in update.rules if document in self._parsed)

    def current(self) -> dict[str, TriggerRule]:
        """Rules in force, by id."""
        return {id_: rule for id_ in sorted(self._words) if (rule := self.in_force(id_)) is not None}

    def in_force(self, id_: str) -> TriggerRule | None:
        """The version of a rule that is in force; None: it is withdrawn, or there is none."""
        found = self._of(id_)
        return None if found.newest is None or found.newest.retired else found.versions[found.newest.version][1]

    @property
    def retired(self) -> tuple[str, ...]:
        """Ids that were withdrawn, and not published since."""
        newest = ((id_, self._of(id_).newest) for id_ in sorted(self._words))
        return tuple(id_ for id_, word in newest if word is not None and word.retired)

    def versions(self, id_: str) -> dict[int, TriggerRule]:
        """Every version of a rule that was ever published, the lowest first; none of an id nobody has published."""
        return {version: rule for version, (_, rule) in sorted(self._of(id_).versions.items())}

    @property
    def newest_ms(self) -> int:
        """When the newest update was published, milliseconds since the epoch; 0: there was none."""
        return self._newest_ms

    @property
    def refused(self) -> tuple[str, ...]:
        """Why documents were refused."""
        contradicting = {why for id_ in self._words for why in self._of(id_).refused.values()}
        return tuple(sorted(self._no_rules | contradicting))

    def compact(self, id_: str) -> tuple[RuleUpdate, ...]:
        """Updates from which a log has the same of a rule, but for what was refused.

        Of its versions the first, which says what it is a rule about, and the newest `KEPT_VERSIONS`. Also of one that
        is withdrawn: it can come back.
        """
        found = self._of(id_)
        newest = found.newest
        if newest is None:
            return ()
        words = sorted(word for word, _ in found.versions.values())
        return tuple(_update(id_, word) for word in sorted({*words[:1], *words[-KEPT_VERSIONS:], newest}))

    def _say(self, id_: str, word: _Word) -> None:
        words = self._words.setdefault(id_, set())
        if word not in words:
            words.add(word)
            self._rules.pop(id_, None)

    def _of(self, id_: str) -> _Rule:
        if id_ not in self._rules:
            self._rules[id_] = self._folded(sorted(self._words.get(id_, ())))
        return self._rules[id_]

    def _folded(self, words: Iterable[_Word]) -> _Rule:
        """What follows from words in the order in which they were said."""
        newest: _Word | None = None
        versions: dict[int, tuple[_Word, TriggerRule]] = {}
        refused: dict[str, str] = {}
        for word in words:
            if not word.retired:
                rule = self._rule(word.document)
                why = contradiction([known for _, known in versions.values()], rule)
                if why is not None:
                    refused[word.document] = f"rule {rule.id} version {rule.version} is refused: {why.reason}"
                    continue
                versions.setdefault(rule.version, (word, rule))
            newest = word
        return _Rule(newest, versions, refused)

    def _rule(self, document: str) -> TriggerRule:
        if document not in self._parsed:
            self._parsed[document] = TriggerRule.model_validate_json(document)
        return self._parsed[document]


def _update(id_: str, word: _Word) -> RuleUpdate:
    return (
        RuleUpdate(word.published_ms, (), (id_,)) if word.retired else RuleUpdate(word.published_ms, (word.document,))
    )


def _reason(error: ValidationError) -> str:
    [(field, reason), *others] = said(error)
    more = f", and {len(others)} more" if others else ""
    return "a document that is no rule: " + (f"{field}: " if field else "") + reason + more
