"""Remembers the cell of an accepted presence: what the next record's bounce or jump is measured from."""

from __future__ import annotations

from schemas.cleaning_memory import CleaningMemory, Place
from schemas.events import Presence
from schemas.rules import Rules

WINDOW_MS = 60_000
"""How long a cell counts as just visited. Ping-pong repeats within seconds; who walks to the next cell and back (some
500 m each way in a city) takes longer than a minute.
"""

KEEP_MS = 30 * 60_000
"""How long the last cell is of use. In half an hour one can be 200 km away; drift beyond that does not occur, and what
is longer ago is a journey for the tags to judge. Then the cell is forgotten: no finer location is kept than needed.
"""

MAX_VISITED = 2
"""Cells kept besides the current one: ping-pong is between two cells, or the three that meet at a corner."""


def last_cell(event: Presence, memory: CleaningMemory, rules: Rules, corrections: list[str]) -> None:
    """Make the event's cell the current one; ends an episode of bounces and clears the suspect.

    A late record changes nothing: memory never moves backwards. An unknown cell is not remembered.
    """
    cell = event.cell
    at_ms = event.event_time_ms
    place = memory.place
    if place is None:
        if cell in rules.dictionaries.cells:
            memory.place = Place(cell, at_ms)
        return
    if at_ms < place.time_ms or cell not in rules.dictionaries.cells:
        return
    visited = place.visited
    if cell != place.cell:
        visited.pop(cell, None)
        visited[place.cell] = place.time_ms
        place.cell = cell
    if visited:
        oldest_ms = at_ms - WINDOW_MS
        for each in [each for each, seen_ms in visited.items() if seen_ms < oldest_ms]:
            del visited[each]
        if len(visited) > MAX_VISITED:
            del visited[min(visited, key=visited.__getitem__)]
    place.time_ms = at_ms
    place.bouncing_since_ms = 0
    place.suspect = ""
