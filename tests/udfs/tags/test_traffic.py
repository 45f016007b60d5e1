from __future__ import annotations

import pytest

from schemas.events import Billing, DataUsage, Event
from tests.udfs.tags.person_story import Person, at
from udfs.tags import traffic
from udfs.tags.traffic import left_band


@pytest.mark.parametrize(
    ("event", "found"),
    [
        (DataUsage("u", 1, at(), 5_000_000, 2_500_000), [("usage_mb", "all", 2.5)]),
        (DataUsage("u", 1, at(), 5_000_000), []),
        (Billing("u", 1, at(), "balance", 0.0, "", 1_000.0, 10_000.0), [("traffic_left", "10-25", 1.0)]),
        (Billing("u", 1, at(), "balance", 0.0, "", 1_000.0, 0.0), []),
        (Billing("u", 1, at(), "bill", 50.0, "", 1_000.0, 10_000.0), []),
    ],
)
def test_use_and_balance(event: Event, found: list[tuple[str, str, float]]) -> None:
    assert Person(traffic).lives(event) == found


@pytest.mark.parametrize(
    ("share", "band"),
    [(-1, "none"), (0, "none"), (0.05, "under_10"), (0.1, "10-25"), (0.25, "25-50"), (0.5, "50+"), (3, "50+")],
)
def test_bands_of_what_is_left(share: float, band: str) -> None:
    assert left_band(share) == band
