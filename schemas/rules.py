"""What `advance` needs to know besides the profile, the event and the time."""

from __future__ import annotations

from msgspec import Struct

from schemas.dictionaries import NO_DICTIONARIES, Dictionaries
from schemas.drift_rules import DriftRules


class GroupRule(Struct, frozen=True):
    """How one tag group is folded.

    Attributes
    ----------
    half_life_ms
        Half-life in whole milliseconds.
    numeric, fact
        Whether its tags are numeric, or facts; neither: weights.
    purpose
        Purpose a person must have consented to.
    hot, history
        Whether it goes to Redis, to ClickHouse.
    tags
        All the tags there can be; None: others too.
    rebuilt, watched
        Whether drift down-weights its earlier evidence; whether drift is noticed by it.
    feeds
        Feeds its evidence comes from.
    """

    half_life_ms: int
    numeric: bool
    fact: bool = False
    purpose: str = ""
    hot: bool = True
    history: bool = True
    rebuilt: bool = False
    watched: bool = False
    tags: frozenset[str] | None = None
    feeds: tuple[str, ...] = ()


class Rules(Struct, frozen=True):
    """Limits and half-lives, resolved from the settings once per operator.

    Attributes
    ----------
    groups
        Group name -> how it is folded.
    max_tags_per_group
        Tags kept apart per group and user; the lightest beyond it is folded into the group's "other" cell.
    weight_floor
        A tag whose decayed weight is below this counts as gone.
    future_tolerance_ms, min_event_time_ms
        Event times outside ``[min_event_time_ms, now + future_tolerance_ms]`` are rejected.
    dedup_bucket_ms, dedup_buckets, dedup_max_ids, max_events_per_bucket
        The horizon: ids are remembered for this many buckets of event time back from the user's newest event, fewer
        when more than ``dedup_max_ids`` would be held. Older events are rejected, so no repeat is ever folded twice.
    hot_retention_ms
        A hot profile stays at least this long after its last write, whatever its weights: the version guard lives in
        it and must outlive any replay.
    utc_offset_ms
        Local time of the subscribers minus UTC: what "night" and "workday" mean.
    consent_list_version
        Oldest version of the consent lists whose decisions still count.
    dictionaries
        Cells, districts, apps, devices, regions, keywords.
    not_in_history
        Groups that are kept in the hot store only.
    watched
        Groups by which drift is noticed; none: nobody looks.
    drift
        How it is noticed.
    """

    groups: dict[str, GroupRule]
    max_tags_per_group: int = 256
    weight_floor: float = 1e-6
    future_tolerance_ms: int = 3_600_000
    min_event_time_ms: int = 946_684_800_000
    dedup_bucket_ms: int = 3_600_000
    dedup_buckets: int = 48
    dedup_max_ids: int = 4_096
    max_events_per_bucket: int = 65_536
    hot_retention_ms: int = 30 * 86_400_000
    utc_offset_ms: int = 0
    consent_list_version: int = 1
    dictionaries: Dictionaries = NO_DICTIONARIES
    not_in_history: frozenset[str] = frozenset()
    watched: frozenset[str] = frozenset()
    drift: DriftRules = DriftRules()
