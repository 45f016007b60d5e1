"""Great-circle distance between two cells."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

from schemas.dictionaries import Cell

EARTH_RADIUS_KM = 6_371.0


def distance_km(one: Cell, other: Cell) -> float:
    """Kilometres between the two cells: the haversine formula, exact to 0.5 % (the Earth is not quite a sphere)."""
    north = radians(one.latitude)
    south = radians(other.latitude)
    rise = sin((south - north) / 2)
    turn = sin(radians(other.longitude - one.longitude) / 2)
    # rounding may lift the root above 1 for opposite points
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(rise * rise + cos(north) * cos(south) * turn * turn)))
