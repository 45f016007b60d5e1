"""Situations that have really arisen: a simulated city tells of them; of a scene about drift they are the alarms."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from livetags.city_truth import Subscriber, lines_of
from schemas.outputs import Alarm
from schemas.pseudonyms import Pseudonyms


class Arisen(NamedTuple):
    """A situation of a scene.

    Attributes
    ----------
    scene
        Id of the rule.
    user
        Pseudonym of the person.
    at_ms
        When it arose, milliseconds since the epoch.
    doubtful
        Nobody could tell: it may be noticed and need not be.
    """

    scene: str
    user: str
    at_ms: int
    doubtful: bool = False


class _Line(Struct):
    scene: str
    person_ref: str
    at_ms: int
    doubtful: bool = False


def arisen(truth: Path, pseudonyms: Pseudonyms) -> list[Arisen]:
    """Every situation of a city.

    Raises
    ------
    FileNotFoundError
        When the city tells of none.
    """
    file = truth / "situations.jsonl"
    if not file.is_file():
        msg = f"no situations in {truth}: expected truth/situations.jsonl in a folder that `livetags city` wrote"
        raise FileNotFoundError(msg)
    return [
        Arisen(line.scene, pseudonyms.person(line.person_ref), line.at_ms, line.doubtful)
        for line in lines_of(file, _Line)
    ]


def arisen_by_alarms(
    scene: str, alarms: Iterable[Alarm], people: Iterable[Subscriber], pseudonyms: Pseudonyms
) -> list[Arisen]:
    """Situations of a scene that repeats alarms of changed shares: the alarms, several words on one being one.

    How well alarms notice planted changes is judged elsewhere (`livetags.planted`); here it is that each is passed on.
    It is doubtful whether one should be of who has no consent to marketing at the end: they may have had it then.
    """
    marketing = {pseudonyms.person(person.person_ref) for person in people if person.consents.get("marketing", False)}
    raised = {(alarm.user, alarm.at_ms) for alarm in alarms if alarm.kind == "shares"}
    return [Arisen(scene, user, at_ms, user not in marketing) for user, at_ms in sorted(raised)]
