"""How sure a share is that was counted a few times."""

from __future__ import annotations

from math import sqrt

_Z = 1.959964  # 95 %


def wilson(right: int, of: int) -> tuple[float, float]:
    """95 % interval of a share by Wilson's score; 0 to 1 when nothing was counted."""
    if not of:
        return 0.0, 1.0
    share, square = right / of, _Z * _Z / of
    centre, half = share + square / 2, _Z * sqrt(share * (1 - share) / of + square / of / 4)
    return max((centre - half) / (1 + square), 0.0), min((centre + half) / (1 + square), 1.0)
