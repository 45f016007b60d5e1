"""What the cleaning steps remember of one identifier between its records. Part of the state: small, no raw identifier.

Each part is None until a step uses it, so an identifier pays only for the feeds it has: an IMSI for `place`, an MSISDN
for `counter`, `usage` and `call`, an account for `bill` and `recharge`.
"""

from __future__ import annotations

from msgspec import Struct


class Place(Struct, array_like=True):
    """Where the identifier was in the last minutes: what tells a bounce or a drift from a movement.

    The only place where a cell outlives its record: a bounce or an impossible jump can be seen only between cells, two
    of one district included. The cells are forgotten at the identifier's next record of any feed when that is more
    than half an hour later (`last_cell.KEEP_MS`), those of `visited` after a minute. They never reach a tag or a store.

    Attributes
    ----------
    cell
        Cell of the newest accepted record.
    time_ms
        Event time of the newest record that was accepted or a bounce.
    visited
        Cells before that one, at most two, none older than a minute -> event time of the newest record there.
    bouncing_since_ms
        Event time of the first bounce of the episode under way; 0 outside of one.
    suspect
        Cell of the jump that was just rejected; empty if none was.
    """

    cell: str
    time_ms: int
    visited: dict[str, int] = {}
    bouncing_since_ms: int = 0
    suspect: str = ""


class Counter(Struct, array_like=True):
    """The reference of the data counter.

    Attributes
    ----------
    reading, time_ms
        The newest reading by event time, bytes, and its time.
    before
        ``(reading, time)`` before it, kept while the newest one is doubted: it fell, or its usage was an outlier.
    """

    reading: int
    time_ms: int
    before: tuple[int, int] | None = None


class Spread(Struct, array_like=True):
    """Running centre and spread of one kind of value, on a log scale (see `udfs.cleaning.spread`).

    Attributes
    ----------
    n
        Values observed, counted up to the memory's length.
    mean, variance
        Of the logarithms.
    outliers
        Outliers in a row just now.
    """

    n: int = 0
    mean: float = 0.0
    variance: float = 0.0
    outliers: int = 0


class CleaningMemory(Struct, array_like=True):
    """All of it. Steps change it also when they reject the record, so it is kept then, too."""

    place: Place | None = None
    counter: Counter | None = None
    usage: Spread | None = None
    call: Spread | None = None
    bill: Spread | None = None
    recharge: Spread | None = None
