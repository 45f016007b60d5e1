"""What the triggers remember of one person between events. Part of the state: keep it small.

Times are milliseconds since the epoch. A change of shape is a new version of the state (schemas/state.py).
"""

from __future__ import annotations

from msgspec import Struct, field

IDLE, HOLDING, ACTIVE, LEAVING = range(4)
"""Phases of an episode: nothing; begun, but not yet for long enough; in force; over, but not yet for long enough."""


Scalar = str | float | bool


class RuleMemory(Struct, array_like=True):
    """Of one rule and person.

    Attributes
    ----------
    version
        Of the rule by which the episode goes on, to its end.
    phase
        See above. An absence that waits is HOLDING, a fade whose tag is present is ACTIVE.
    since_ms
        When the episode began; with person, rule and version it names the episode.
    newest_ms
        Event time up to which the rule has looked: what is late beyond it changes nothing.
    due_ms
        When something happens by itself; 0: never.
    fired_ms
        When it last fired, event time; 0: never.
    times_ms
        Of a count: when, within the window.
    began
        Of an episode that may fire by time alone: the variables of the event it began with that the rule reads.
    later
        Of an absence whose time has come but is not decided yet: when others began after it, and their `began`.
    """

    version: int
    phase: int = IDLE
    since_ms: int = 0
    newest_ms: int = 0
    due_ms: int = 0
    fired_ms: int = 0
    times_ms: list[int] = field(default_factory=list)
    began: dict[str, Scalar] = field(default_factory=dict)
    later: list[tuple[int, dict[str, Scalar]]] = field(default_factory=list)


class TrafficMemory(Struct, array_like=True):
    """Use of data, for surges and for when the plan's traffic runs out (`udfs.triggers.traffic_model`).

    Attributes
    ----------
    recent
        ``(time, megabytes)`` of the flows of the newest three minutes, oldest first.
    window_ms, window_mb
        Beginning and use of the window that is open; windows with any use make the habit.
    usual_mb, usual_weight, usual_ms
        Decayed mean of closed windows, the weight behind it, as of when.
    balance_ms, remaining_mb, included_mb
        Newest balance of the plan, less what was used since; 0: none.
    """

    recent: list[tuple[int, float]] = field(default_factory=list)
    window_ms: int = 0
    window_mb: float = 0.0
    usual_mb: float = 0.0
    usual_weight: float = 0.0
    usual_ms: int = 0
    balance_ms: int = 0
    remaining_mb: float = 0.0
    included_mb: float = 0.0


class TriggerMemory(Struct, array_like=True):
    """What all rules remember of one person.

    Attributes
    ----------
    rules
        Rule -> what it remembers; rules that remember nothing are not there.
    traffic
        Use of data.
    newest_ms
        Kind of event -> time of the newest one: an older one says nothing of what is so now. Only of kinds that a level
        looks at.
    wakes
        Queue of the shard -> when it will look at the person by itself: not after the first `due_ms` that waits for the
        feeds of that queue (`udfs.stages.wakes`).
    """

    rules: dict[str, RuleMemory] = field(default_factory=dict)
    traffic: TrafficMemory | None = None
    newest_ms: dict[str, int] = field(default_factory=dict)
    wakes: dict[str, int] = field(default_factory=dict)
