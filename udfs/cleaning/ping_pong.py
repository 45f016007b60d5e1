"""Ping-pong handover: a phone between neighbouring cells bounces to and fro within seconds and has not moved.

    cell    A      B      A      B      A       B
    second  0      10     20     30     40      120
            moved  moved  bounce bounce bounce  moved (a minute of quiet has ended the episode)

The first hop may be a movement, so it is accepted; the hop back makes an episode. While it lasts, records at any of its
cells are bounces. It ends with a minute of quiet, with a hop to a cell outside of it, or after five minutes.

The last record of an episode, where the phone settles, is a bounce as well: in a stream nobody can tell that it is the
last. Until the next record the person counts as at the cell first hopped to, next door.
"""

from __future__ import annotations

from schemas.cleaning_memory import CleaningMemory
from schemas.events import Presence
from schemas.reasons import Reason, Rejected
from schemas.rules import Rules
from udfs.cleaning.last_cell import WINDOW_MS
from udfs.cleaning.neighbours import are_neighbours

EPISODE_MAX_MS = 5 * 60_000
"""Longest episode. Without it a phone that lies at an edge all night, or has settled where it bounced to, would never
be seen again while its records come within the minute.
"""


def ping_pong(event: Presence, memory: CleaningMemory, rules: Rules, corrections: list[str]) -> None:
    """Reject a bounce.

    A late record is a bounce only if it lies within the episode under way, at one of its cells.
    """
    place = memory.place
    if place is None:
        return
    cell = event.cell
    at_ms = event.event_time_ms
    since_ms = place.bouncing_since_ms
    visited = place.visited
    if at_ms < place.time_ms:
        if since_ms and since_ms <= at_ms and (cell == place.cell or cell in visited):
            raise Rejected(Reason.PING_PONG)
        return
    if since_ms and (at_ms - place.time_ms > WINDOW_MS or at_ms - since_ms > EPISODE_MAX_MS):
        place.bouncing_since_ms = since_ms = 0
        visited.clear()
    if cell == place.cell:
        if not since_ms:
            return
    else:
        seen_ms = visited.get(cell)
        if seen_ms is None or not are_neighbours(rules.dictionaries.cells, cell, place.cell):
            return
        if not since_ms:
            if at_ms - seen_ms > WINDOW_MS:
                return
            place.bouncing_since_ms = at_ms
            for each in [each for each, other_ms in visited.items() if at_ms - other_ms > WINDOW_MS]:
                del visited[each]
        visited[cell] = at_ms
    place.time_ms = at_ms
    raise Rejected(Reason.PING_PONG)
