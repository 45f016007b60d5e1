"""Indoor signal drift: for one record the phone seems to be at a place it can't have travelled to.

    cell    A      F         A            A      F         F
    second  0      60        120          0      60        75
            moved  rejected  moved        moved  rejected  moved (confirmed: the person is there)

A second record near the suspect confirms it, so a person who really is elsewhere (after a flight, or a copied card)
loses one record and then comes through: impossible travel is judged by a tag, from accepted records.
"""

from __future__ import annotations

from schemas.cleaning_memory import CleaningMemory
from schemas.events import Presence
from schemas.reasons import Reason, Rejected
from schemas.rules import Rules
from udfs.cleaning.distance import distance_km
from udfs.cleaning.last_cell import WINDOW_MS
from udfs.cleaning.neighbours import are_neighbours

MAX_SPEED_KM_H = 400.0
"""Faster than any train (350 km/h in service). Those on a plane are silent in the air and confirmed on the ground."""

MIN_JUMP_KM = 3.0
"""Shorter jumps are never drift: in a city a phone may well be served by a mast this far away without moving."""

CONFIRM_KM = 2.0
"""A record this near to the suspect confirms it: the next masts of the same place."""

_KM_PER_MS = MAX_SPEED_KM_H / 3_600_000


def signal_drift(event: Presence, memory: CleaningMemory, rules: Rules, corrections: list[str]) -> None:
    """Reject a jump no one can travel, unless the record before already pointed to the same far place.

    A hop to a neighbouring cell is no jump, however far apart the masts. A record up to a minute late is measured from
    the current cell by the time between the two, and changes nothing; a later one is let through.
    """
    place = memory.place
    if place is None or event.cell == place.cell:
        return
    cells = rules.dictionaries.cells
    here = cells.get(place.cell)
    there = cells.get(event.cell)
    elapsed_ms = event.event_time_ms - place.time_ms
    if here is None or there is None or elapsed_ms < -WINDOW_MS:
        return
    jump_km = distance_km(here, there)
    if jump_km <= MIN_JUMP_KM or jump_km <= _KM_PER_MS * abs(elapsed_ms):
        return
    if are_neighbours(cells, place.cell, event.cell):
        return
    if elapsed_ms >= 0:
        suspect = cells.get(place.suspect)
        if suspect is not None and distance_km(suspect, there) <= CONFIRM_KM:
            return
        place.suspect = event.cell
    raise Rejected(Reason.SIGNAL_DRIFT)
