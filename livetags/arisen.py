"""Situations that have really arisen, as a simulated city tells of them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from msgspec import Struct

from livetags.city_truth import lines_of
from schemas.pseudonyms import Pseudonyms

Doubt = Literal["", "doubtful", "unseen", "apparent"]
"""Why nobody can tell: it may be noticed and need not be (``doubtful``); it happened, and late records hide it
(``unseen``); it did not happen so, and late records make it look so (``apparent``). Empty: it can be told."""


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
    doubt
        Why nobody can tell, if so.
    """

    scene: str
    user: str
    at_ms: int
    doubt: Doubt = ""


class _Line(Struct):
    scene: str
    person_ref: str
    at_ms: int
    doubtful: bool = False
    unseen: bool = False
    apparent: bool = False

    @property
    def doubt(self) -> Doubt:
        return "doubtful" if self.doubtful else "unseen" if self.unseen else "apparent" if self.apparent else ""


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
        Arisen(line.scene, pseudonyms.person(line.person_ref), line.at_ms, line.doubt) for line in lines_of(file, _Line)
    ]
