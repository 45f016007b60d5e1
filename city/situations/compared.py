"""What happened beside what was seen of it: the same, or one without the other because records came late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from city.rows import Bools, Ints
from city.situations.found import Found

UNSEEN: Literal["unseen"] = "unseen"
"""It happened, and late records hide it."""
APPARENT: Literal["apparent"] = "apparent"
"""It did not happen, and late records make it look so."""
_WHO_SHIFT = 42  # an instant is below 2**41
_Columns = tuple[Ints, Ints, Bools]


class Compared:
    """Of one scene: what is waiting for its counterpart, which may be told on a later day."""

    def __init__(self) -> None:
        nothing = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.bool_)
        self._unseen: _Columns = nothing
        self._apparent: _Columns = nothing

    def both(self, happened: Found, seen: Found) -> Found:
        """Take a day's situations; returns those that happened and were seen: the same person and instant."""
        really, apparently = _joined(self._unseen, happened), _joined(self._apparent, seen)
        _, here, there = np.intersect1d(_keys(really), _keys(apparently), return_indices=True)
        doubtful = really[2][here] | apparently[2][there]
        self._unseen, self._apparent = _without(really, here), _without(apparently, there)
        return Found(happened.scene, really[0][here], really[1][here], doubtful)

    def rest(self, scene: str) -> Iterator[tuple[Found, Literal["unseen", "apparent"]]]:
        """At the end: what has no counterpart, and why."""
        yield Found(scene, *self._unseen), UNSEEN
        yield Found(scene, *self._apparent), APPARENT


def _joined(waiting: _Columns, found: Found) -> _Columns:
    who, at_ms, doubtful = (
        np.concatenate([old, new]) for old, new in zip(waiting, (found.who, found.at_ms, found.doubtful), strict=True)
    )
    return who, at_ms, doubtful


def _keys(columns: _Columns) -> Ints:
    keys: Ints = (columns[0].astype(np.int64) << _WHO_SHIFT) + columns[1]
    return keys


def _without(columns: _Columns, taken: Ints) -> _Columns:
    who, at_ms, doubtful = (np.delete(column, taken) for column in columns)
    return who, at_ms, doubtful
