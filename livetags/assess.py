"""How well cleaning and tags find the city's truth, which the simulator keeps aside.

Replays the city's files through the job's two stages in this process, then compares with ``truth/``. Every figure says
over how many cases it was taken. People who have not consented to a tag's purpose have no such tag and are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from msgspec import Struct, field

from livetags.city_truth import Span, Subscriber, lines_of, subscribers
from livetags.drift_score import DriftScore, score
from livetags.in_process import Replayed
from livetags.planted import match
from schemas.position import unpack_position
from schemas.pseudonyms import Pseudonyms
from schemas.reasons import Reason
from schemas.rules import Rules
from schemas.run import Run
from schemas.state import Profile
from udfs.cleaning.figures import precision_recall
from udfs.privacy.consent import allowed
from udfs.profile.decay import weight_at

# What the simulator calls a kind of dirt -> how the job reports such a record.
_REPORTED_AS: dict[str, set[str]] = {
    "garbage": {
        Reason.MALFORMED,
        Reason.VALUE_MISSING,
        Reason.RECORD_TOO_LARGE,
        Reason.KEY_MISSING,
        Reason.KEY_MISMATCH,
        Reason.EVENT_ID_MISSING,
        Reason.KIND_MISSING,
        Reason.PERSON_MISSING,
        Reason.TAG_MISSING,
        Reason.TIME_BEFORE_MINIMUM,
        Reason.TIME_IN_FUTURE,
        Reason.VALUE_NEGATIVE,
        Reason.VALUE_NOT_FINITE,
    },
    "ping_pong": {Reason.PING_PONG},
    "drift": {Reason.SIGNAL_DRIFT},
    "outlier": {Reason.VALUE_OUTLIER},
}
TRAITS: Mapping[str, tuple[str, str]] = {
    "night_active": ("rhythm", "night"),
    "ecommerce": ("content", "shopping"),
    "commuter": ("commuter", "*"),
    "mall_visitor": ("place", "mall"),
    "business_traveller": ("travel", "*"),
    "new_estate_resident": ("new_estate", "*"),
}
"""Trait of the truth -> (group, tag) whose weight says it; ``*``: all tags of the group together."""

_RECENT_MS = 3 * 86_400_000
_ENOUGH_HOURS = 20.0
_ENOUGH_CASES = 5


class Detection(Struct):
    """How well one kind of dirt was found: records labelled, records reported, precision and recall."""

    labelled: int
    reported: int
    precision: float
    recall: float


class Separation(Struct):
    """How well a tag's weight tells those it is true of from the others: area under the ROC curve."""

    auc: float
    positives: int
    negatives: int


class Accuracy(Struct):
    """Share of persons whose district is right, of those with enough data."""

    right: int
    persons: int

    @property
    def share(self) -> float:
        """Right ones of all."""
        return self.right / self.persons if self.persons else float("nan")


class Assessment(Struct):
    """Every figure.

    Attributes
    ----------
    drift
        How well changes of interests were noticed.
    detections
        Kind of dirt -> how well it was found.
    separations
        What was planted -> how well its tag tells.
    home, work
        Heaviest district of the tag against the truth.
    persons, bytes_per_person
        Persons with a profile; bytes of state, those of their identifiers included.
    events_in, seconds
        Records replayed and how long it took.
    """

    drift: DriftScore = field(default_factory=DriftScore)
    detections: dict[str, Detection] = field(default_factory=dict)
    separations: dict[str, Separation] = field(default_factory=dict)
    home: Accuracy = field(default_factory=lambda: Accuracy(0, 0))
    work: Accuracy = field(default_factory=lambda: Accuracy(0, 0))
    persons: int = 0
    bytes_per_person: float = 0.0
    events_in: int = 0
    seconds: float = 0.0


class _Dirt(Struct):
    feed: str
    record: int
    kind: str


def assess(truth: Path, replayed: Replayed, run: Run, rules: Rules, pseudonyms: Pseudonyms) -> Assessment:
    """Compare a replay of the whole city with its truth.

    Raises
    ------
    FileNotFoundError
        When there is no truth at that place.
    """
    known = subscribers(truth)
    result = Assessment(
        detections=_detections(truth, replayed, run),
        persons=replayed.profiles.users + replayed.door.users,
        events_in=replayed.door.events_in,
        seconds=replayed.seconds,
    )
    result.drift = score(match(known, replayed.alarms, pseudonyms))
    state_bytes = replayed.door.state_bytes + replayed.profiles.state_bytes
    result.bytes_per_person = state_bytes / result.persons if result.persons else 0.0
    people = [
        (subscriber, profile)
        for subscriber in known
        if (profile := replayed.profile(pseudonyms.person(subscriber.person_ref))) is not None and profile.n
    ]
    end_ms = max((profile.last_event_ms for _, profile in people), default=0)
    result.home = _district(people, "home", rules, end_ms)
    result.work = _district(people, "work", rules, end_ms)
    result.separations = dict(_separations(people, rules, end_ms))
    return result


def _detections(truth: Path, replayed: Replayed, run: Run) -> dict[str, Detection]:
    labelled: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for dirt in lines_of(truth / "dirt.jsonl", _Dirt):
        labelled[dirt.kind].add((dirt.feed, dirt.record))
    reported: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for letter in replayed.dead_letters:
        for kind, reasons in _REPORTED_AS.items():
            if letter.reason in reasons:
                reported[kind].add((letter.feed, letter.offset))
    for position in replayed.duplicates:
        feed, _, number = unpack_position(position)
        reported["duplicate"].add((run.inputs[feed].feed, number))
    found = {}
    for kind in ("duplicate", *_REPORTED_AS):
        precision, recall = precision_recall(labelled[kind], reported[kind])
        found[kind] = Detection(len(labelled[kind]), len(reported[kind]), precision, recall)
    return found


def weights(profile: Profile, group: str, at_ms: int) -> dict[str, float]:
    """Weights of a group's tags at a time."""
    state = profile.groups.get(group)
    if state is None:
        return {}
    return {tag: weight_at(cell[0], at_ms, state.half_life_ms, state.landmark) for tag, cell in state.cells.items()}


def means(profile: Profile, group: str) -> dict[str, float]:
    """Decayed means of a numeric group's tags."""
    state = profile.groups.get(group)
    return {} if state is None else {tag: cell[1] for tag, cell in state.cells.items()}


def _district(people: list[tuple[Subscriber, Profile]], group: str, rules: Rules, end_ms: int) -> Accuracy:
    accuracy = Accuracy(0, 0)
    for truth, profile in people:
        right = truth.work_district if group == "work" else truth.home_district
        if group == "home" and truth.moved is not None:
            right = truth.moved.to_district
        found = weights(profile, group, end_ms)
        if right is None or sum(found.values()) < _ENOUGH_HOURS:
            continue
        accuracy.persons += 1
        accuracy.right += max(found, key=lambda tag: found[tag]) == right
    return accuracy


def _separations(
    people: list[tuple[Subscriber, Profile]], rules: Rules, end_ms: int
) -> Iterator[tuple[str, Separation]]:
    """Each thing planted, against the weight of its tag at the end."""
    asked: list[tuple[str, str, str, Callable[[Subscriber], bool]]] = [
        (f"interest {name}", "content", name, partial(_active, of=_interests, name=name, end_ms=end_ms))
        for name in sorted({span.category for s, _ in people for span in s.interests})
    ]
    asked += [
        (f"intent {name}", "intent", name, partial(_active, of=_intents, name=name, end_ms=end_ms))
        for name in sorted({span.intent for s, _ in people for span in s.intents})
    ]
    asked += [
        (f"trait {trait}", group, tag, partial(_has_trait, trait=trait, end_ms=end_ms))
        for trait, (group, tag) in TRAITS.items()
    ]
    asked += [
        ("churning", "churn", "all", lambda s: s.churning is not None),
        ("fraud impossible_travel", "impossible_travel", "all", lambda s: s.fraud == "impossible_travel"),
        ("fraud gang", "many_cards", "all", lambda s: s.fraud == "gang"),
    ]
    for name, group, tag, is_true in asked:
        purpose = rules.groups[group].purpose
        scores, labels = [], []
        for truth, profile in people:
            if allowed(profile.consents, purpose, rules):
                found = means(profile, group) if rules.groups[group].numeric else weights(profile, group, end_ms)
                scores.append(found.get(tag, 0.0) if tag != "*" else sum(found.values()))
                labels.append(is_true(truth))
        positives = sum(labels)
        if positives >= _ENOUGH_CASES and len(labels) - positives >= _ENOUGH_CASES:
            yield name, Separation(auc(scores, labels), positives, len(labels) - positives)


def _interests(subscriber: Subscriber) -> Iterator[tuple[str, Span]]:
    return ((span.category, span) for span in subscriber.interests)


def _intents(subscriber: Subscriber) -> Iterator[tuple[str, Span]]:
    return ((span.intent, span) for span in subscriber.intents)


def _active(
    subscriber: Subscriber, of: Callable[[Subscriber], Iterator[tuple[str, Span]]], name: str, end_ms: int
) -> bool:
    """Whether it was true of the subscriber in the last days: a tag can't have faded yet, nor should it."""
    return any(named == name and span.from_ms <= end_ms <= span.to_ms + _RECENT_MS for named, span in of(subscriber))


def _has_trait(subscriber: Subscriber, trait: str, end_ms: int) -> bool:
    """Whether the trait is true; who is interested in shopping prefers it whatever they buy."""
    if trait == "ecommerce" and _active(subscriber, _interests, "shopping", end_ms):
        return True
    return trait in subscriber.traits


def auc(scores: list[float], labels: list[bool]) -> float:
    """Area under the ROC curve: chance that a true case scores above a false one, ties counting half.

    Source: Hanley, McNeil, "The meaning and use of the area under a ROC curve", Radiology 143, 1982.
    """
    values = np.asarray(scores)
    true = np.asarray(labels, dtype=bool)
    order = np.argsort(values, kind="stable")
    _, first, counts = np.unique(values[order], return_index=True, return_counts=True)
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(first + (counts + 1) / 2, counts)
    positives = int(true.sum())
    negatives = len(values) - positives
    return float((ranks[true].sum() - positives * (positives + 1) / 2) / (positives * negatives))
