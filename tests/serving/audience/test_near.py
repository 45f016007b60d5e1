"""Districts near another, by the great circle."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

import pytest
from audience_trees import DICTIONARIES
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.dictionaries import District
from serving.audience.near import districts_near


@pytest.mark.parametrize(
    ("within_km", "near"),
    [
        (0.0, ("A3",)),
        (2.0, ("A3",)),
        (2.3, ("A3", "new district")),
        (4.5, ("A3", "Lujiazui", "new district")),
        (60.0, ("A3", "Lujiazui", "O'Hare", "new district", "东湖小区")),
    ],
)
def test_a_district_is_near_itself_and_those_within(within_km: float, near: tuple[str, ...]) -> None:
    assert districts_near("A3", within_km, DICTIONARIES.districts) == near


def test_of_a_district_that_is_not_there() -> None:
    with pytest.raises(KeyError):
        districts_near("B4", 5.0, DICTIONARIES.districts)


@settings(deadline=None)
@given(st.floats(-60, 60), st.floats(-179, 179), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_the_distance_is_that_of_the_haversine(lat: float, lng: float, north: float, east: float) -> None:
    districts = {"a": District("", "", lat, lng), "b": District("", "", lat + north, lng + east)}
    one, two = radians(lat), radians(lat + north)
    chord = sin((two - one) / 2) ** 2 + cos(one) * cos(two) * sin(radians(east) / 2) ** 2
    km = 2 * 6371.007180918475 * asin(sqrt(chord))
    assert districts_near("a", km * (1 + 1e-6) + 1e-6, districts) == ("a", "b")
    if km > 1e-3:
        assert districts_near("a", km * (1 - 1e-6), districts) == ("a",)
