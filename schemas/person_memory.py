"""What the tag families remember of one person between events. Part of the state: keep it small.

One field per family that remembers, named after it, None until used. A family writes its own field alone, and all that
it keeps there serves the one purpose of its groups that look back: without consent the field is emptied.

Times are milliseconds since the epoch, days are local days since 1970-01-01. A change of shape is a new version of the
state (schemas/state.py).
"""

from __future__ import annotations

from msgspec import Struct


class BaseMemory(Struct, array_like=True):
    """Of family base: the earliest activation known (0: none), and a bit per attribute that was ever stated."""

    activation_ms: int = 0
    stated: int = 0


class BehaviourMemory(Struct, array_like=True):
    """Of family behaviour: where the person is, and where usually.

    Attributes
    ----------
    time_ms, district, kind
        From when on, and where: hours before `time_ms` are counted. `kind` is an index of `DISTRICT_KINDS`.
    visited, since_ms
        Whether this stay was counted as a visit, and when it began.
    home, home_minutes, home_day
        District of most nights, the lead it has, the day it became that.
    home_seen_day
        Last day on which part of the night was spent there.
    work, work_minutes
        District of most working hours, and the lead it has.
    commute_day
        Last day counted as one of commuting.
    province, province_days, province_day
        Province of most days, the lead it has, the last day counted.
    travel_day
        Last day counted as one of travel.
    """

    time_ms: int
    district: str
    kind: int = 0
    visited: bool = False
    since_ms: int = 0
    home: str = ""
    home_minutes: int = 0
    home_day: int = 0
    home_seen_day: int = 0
    work: str = ""
    work_minutes: int = 0
    commute_day: int = 0
    province: str = ""
    province_days: int = 0
    province_day: int = 0
    travel_day: int = 0


class ConsumptionMemory(Struct, array_like=True):
    """Of family consumption: time of the newest recharge (0: none); decayed weight and mean of bills as of a time."""

    recharge_ms: int = 0
    bill_ms: int = 0
    bill_weight: float = 0.0
    bill_mean: float = 0.0


class SocialMemory(Struct, array_like=True):
    """Of family social.

    Attributes
    ----------
    period
        Number of the current period of 15 days.
    peers, peers_before
        Linear-counting bitmaps of the peers of this period and the one before; no peer can be read from them.
    incoming, outgoing
        Decayed numbers of contacts as of `day`.
    day
        Last day on which the size of the circle was stated.
    """

    period: int
    peers: bytes
    peers_before: bytes
    incoming: float = 0.0
    outgoing: float = 0.0
    day: int = 0


class TerminalMemory(Struct, array_like=True):
    """Of family terminal: 16 bits of a hash of the device, since when it is known; a bit per attribute ever stated."""

    device: int = 0
    since_ms: int = 0
    stated: int = 0


class LifecycleMemory(Struct, array_like=True):
    """Of family lifecycle.

    Attributes
    ----------
    first_ms
        Oldest use known.
    time_ms, short, long
        Use in megabytes as of `time_ms`, decayed with a short and with a long half-life.
    day
        Last day the trend was looked at.
    stage
        Index of the stage last stated; 0 none.
    """

    first_ms: int
    time_ms: int
    short: float = 0.0
    long: float = 0.0
    day: int = -1
    stage: int = 0


class FraudMemory(Struct, array_like=True):
    """Of family fraud: when and in which district the person was last seen."""

    time_ms: int
    district: str


class PersonMemory(Struct, array_like=True):
    """What all families remember of one person."""

    base: BaseMemory | None = None
    behaviour: BehaviourMemory | None = None
    consumption: ConsumptionMemory | None = None
    social: SocialMemory | None = None
    terminal: TerminalMemory | None = None
    lifecycle: LifecycleMemory | None = None
    fraud: FraudMemory | None = None


DISTRICT_KINDS = ("", "residential", "new_estate", "business", "mall", "airport", "station", "school", "leisure")
"""Kinds of district by the number remembered for them; 0 is any other. Only ever add at the end."""
