"""Fraud: signs that a card is not where, or not whose, it seems to be. Leads for a review, not verdicts."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

from schemas.dictionaries import District
from schemas.events import CardsOpened, Presence
from schemas.outputs import Evidence
from schemas.person_memory import FraudMemory, PersonMemory
from schemas.rules import Rules
from schemas.tag_group import TagGroup
from udfs.local_time import MS_PER_HOUR

EVENTS = (CardsOpened, Presence)

FAR_KM = 100.0
"""Districts nearer than this may be seen by one cell, or be mapped wrongly."""
FASTEST_KM_PER_HOUR = 1_000.0
"""Faster than any airliner over the ground but in a strong jet stream."""
_EARTH_RADIUS_KM = 6_371.0

GROUPS = (
    # Reading: above 1, more than once a month: maybe a copied card. Two cards of one person in two places do it too.
    TagGroup(
        name="impossible_travel",
        kind="weight",
        unit="jumps",
        half_life_days=30.0,
        meaning="Moves between districts over 100 km apart faster than 1,000 km/h, decayed.",
        family="fraud",
        sources=("signalling",),
        purpose="security",
        sensitivity="sensitive",
        order_free=False,
        tags=("all",),
        more_tags="",
    ),
    # Reading: above 0.5, within about three months the document opened a third or later card within 30 days.
    TagGroup(
        name="many_cards",
        kind="weight",
        unit="cards",
        half_life_days=90.0,
        meaning="Third and later cards within 30 days of the document that opened the person's own, decayed.",
        family="fraud",
        sources=("registration",),
        purpose="security",
        sensitivity="sensitive",
        tags=("all",),
        more_tags="",
    ),
)

_JUMP = (("impossible_travel", "all", 1.0),)
_ONE_MORE_CARD = (("many_cards", "all", 1.0),)


def evidence(event: CardsOpened | Presence, memory: PersonMemory, rules: Rules) -> tuple[Evidence, ...]:
    """A jump since the person was last seen, or one card too many."""
    if isinstance(event, CardsOpened):
        return _ONE_MORE_CARD
    district = event.district
    if not district:
        return ()
    seen = memory.fraud
    time_ms = event.event_time_ms
    if seen is None:
        memory.fraud = FraudMemory(time_ms, district)
        return ()
    before, elapsed_ms = seen.district, time_ms - seen.time_ms
    if elapsed_ms >= 0:
        seen.time_ms = time_ms
        if district == before:
            return ()
        seen.district = district
    elif district == before:
        return ()
    districts = rules.dictionaries.districts
    here, there = districts.get(district), districts.get(before)
    if here is None or there is None:
        return ()
    distance_km = kilometres_between(here, there)
    if distance_km > FAR_KM and distance_km * MS_PER_HOUR > FASTEST_KM_PER_HOUR * abs(elapsed_ms):
        return _JUMP
    return ()


def kilometres_between(here: District, there: District) -> float:
    """Great-circle distance of two districts' middles (haversine formula)."""
    latitude, other = radians(here.latitude), radians(there.latitude)
    half_angle = sin((other - latitude) / 2) ** 2
    half_angle += cos(latitude) * cos(other) * sin(radians(there.longitude - here.longitude) / 2) ** 2
    return 2 * _EARTH_RADIUS_KM * asin(sqrt(min(1.0, half_angle)))
