"""Situations of one scene, as columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from city.rows import Bools, Ints


class Found(NamedTuple):
    """Situations of a scene: whose, since when (milliseconds since the epoch), and whether nobody can tell."""

    scene: str
    who: Ints
    at_ms: Ints
    doubtful: Bools


def certain(scene: str, who: Ints, at_ms: Ints) -> Found:
    """Situations without doubt."""
    return Found(scene, who, at_ms, np.zeros(len(who), np.bool_))
