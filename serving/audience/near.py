"""Which business districts are near one: by the great circle between the middles of their hexagons."""

from __future__ import annotations

from collections.abc import Mapping

import h3

from schemas.dictionaries import District


def districts_near(name: str, within_km: float, districts: Mapping[str, District]) -> tuple[str, ...]:
    """Districts whose middle is at most `within_km` from that of the district `name`, itself included, by name.

    Raises
    ------
    KeyError
        When there is no such district.
    """
    middle = _middle(districts[name])
    distance = h3.great_circle_distance
    return tuple(
        sorted(
            each
            for each, district in districts.items()
            if each == name or distance(middle, _middle(district), unit="km") <= within_km
        )
    )


def _middle(district: District) -> tuple[float, float]:
    return district.latitude, district.longitude
