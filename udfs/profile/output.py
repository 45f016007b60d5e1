"""What became of one event."""

from __future__ import annotations

from typing import NamedTuple

from schemas.outputs import Alarm, Evidence
from schemas.reasons import Reason


class Folded(NamedTuple):
    """The event changed the profile.

    `evidence` is what it was evidence for, one history row each; `forgotten` are the tag groups that went because the
    event withdrew the consent to them; `alarms` are changes of behaviour that it revealed.
    """

    evidence: tuple[Evidence, ...]
    forgotten: tuple[str, ...] = ()
    alarms: tuple[Alarm, ...] = ()


class Duplicate(NamedTuple):
    """The event had been folded before; nothing changed."""


class Refused(NamedTuple):
    """The event could not be used."""

    reason: Reason


class Erased(NamedTuple):
    """The event asked for erasure: nothing of before is left but its time."""


Output = Folded | Duplicate | Refused | Erased

DUPLICATE = Duplicate()
ERASED = Erased()
