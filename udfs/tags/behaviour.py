"""Behaviour: where the person lives, works and goes, by business district, and at which hours apps are used.

Hours of presence come from the gaps between sightings: the time since the one before is spent in the district of the
one before, at most four hours of it. Sightings in one district less than ten minutes apart are counted together, so a
busy phone makes no more evidence than an idle one. A late sighting changes nothing: its gap has been counted.

"Usual" districts and provinces are majority votes with a bounded lead (Boyer, Moore, "MJRTY: a fast majority vote
algorithm", 1981): a few bytes instead of a count per district, and a move is noticed after as long as the lead.
"""

from __future__ import annotations

from schemas.events import AppUse, Presence
from schemas.outputs import Evidence
from schemas.person_memory import DISTRICT_KINDS, BehaviourMemory, PersonMemory
from schemas.rules import Rules
from schemas.tag_group import MoreTags, TagGroup
from udfs.local_time import MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE, is_workday, local_day, local_hour

EVENTS = (AppUse, Presence)

MAX_GAP_MS = 4 * MS_PER_HOUR
"""Of a longer silence, only this much was spent where the person was last seen."""
SETTLED_MS = 10 * MS_PER_MINUTE
"""Sightings in one district are counted together for this long."""
VISIT_MS = 20 * MS_PER_MINUTE
"""A visit is a stay at least so long between its first and its last sighting: a phone beside a mall is now and then
seen by one of the mall's cells, once, without having moved."""

_NIGHT_BEGINS_MS, _NIGHT_ENDS_MS = 22 * MS_PER_HOUR, 7 * MS_PER_HOUR
_WORK_BEGINS_MS, _WORK_ENDS_MS = 9 * MS_PER_HOUR, 18 * MS_PER_HOUR

MAX_HOME_LEAD_MINUTES = 10 * 9 * 60  # ten nights: a move is noticed after at most as many
MAX_WORK_LEAD_MINUTES = 15 * 9 * 60  # three working weeks
MAX_PROVINCE_LEAD_DAYS = 60
NEW_ESTATE_DAYS = 90
"""For how long after becoming home a new estate is a new home."""

_KIND_NUMBER = {kind: number for number, kind in enumerate(DISTRICT_KINDS)}
_NEW_ESTATE = _KIND_NUMBER["new_estate"]
_ALL = ("all",)
_DAY_PARTS = ("night", "morning", "afternoon", "evening")
_RHYTHM = tuple((("rhythm", part, 1.0),) for part in _DAY_PARTS)
_VISITED = {_KIND_NUMBER[kind]: ("place", kind, 1.0) for kind in ("mall", "airport", "station", "school", "leisure")}


def _group(
    name: str, unit: str, half_life_days: float, meaning: str, tags: tuple[str, ...] = (), more_tags: MoreTags = ""
) -> TagGroup:
    return TagGroup(
        name=name,
        kind="weight",
        unit=unit,
        half_life_days=half_life_days,
        meaning=meaning,
        family="behaviour",
        sources=("signalling",),
        purpose="location_services",
        sensitivity="sensitive",
        order_free=False,
        tags=tags,
        more_tags=more_tags,
    )


GROUPS = (
    # Reading: the heaviest district is home; above half of all, surely so. weight * ln(2) / 30 is hours a night.
    _group(
        "home",
        "hours",
        30.0,
        "Hours per business district between 22:00 and 07:00 local time, decayed.",
        more_tags="districts",
    ),
    # Reading: the heaviest district is the place of work or study, if it is not home.
    _group(
        "work",
        "hours",
        30.0,
        "Hours per business district between 09:00 and 18:00 of workdays, decayed.",
        more_tags="districts",
    ),
    # Reading: weight * ln(2) / 30 is visits a day; a mall above 12, about twice a week, is a frequent visitor.
    _group(
        "place",
        "visits",
        30.0,
        "Stays of 20 minutes or more per kind: mall, airport, station, school, leisure.",
        tuple(kind for _, kind, _ in _VISITED.values()),
    ),
    # Reading: the sum over provinces above 4 is a business traveller, with few of them a visitor of one other place.
    _group(
        "travel",
        "days",
        60.0,
        "Days seen in a province other than the usual one, per province, decayed.",
        more_tags="provinces",
    ),
    # Reading: above 10, most workdays of a month; below 1, works at home or not at all.
    _group(
        "commuter", "days", 14.0, "Workdays at the usual place of work after a night at home elsewhere, decayed.", _ALL
    ),
    # Reading: above 100, some two weeks of nights, a new resident; fades after 90 days.
    _group(
        "new_estate",
        "hours",
        30.0,
        "Hours of the night in a new estate in the first 90 days it is home, decayed.",
        _ALL,
    ),
    # Reading: share of the group's total; night above a quarter is night-active.
    TagGroup(
        name="rhythm",
        kind="weight",
        unit="uses",
        half_life_days=14.0,
        meaning="App uses per part of the local day, decayed: night from 0:00, morning from 6:00, afternoon, evening.",
        family="behaviour",
        sources=("dpi",),
        purpose="profiling",
        tags=_DAY_PARTS,
        more_tags="",
    ),
)


def evidence(event: AppUse | Presence, memory: PersonMemory, rules: Rules) -> tuple[Evidence, ...]:
    """The part of the day of an app use; what the time since the last sighting says, with a new one."""
    if isinstance(event, AppUse):
        return _RHYTHM[local_hour(event.event_time_ms, rules.utc_offset_ms) // 6]
    stay = memory.behaviour
    time_ms, district = event.event_time_ms, event.district
    if stay is None:
        memory.behaviour = BehaviourMemory(
            time_ms,
            district,
            _KIND_NUMBER.get(event.district_kind, 0),
            since_ms=time_ms,
            province=event.province,
            province_days=1,
            province_day=local_day(time_ms, rules.utc_offset_ms),
        )
        return ()
    elapsed_ms = time_ms - stay.time_ms
    if district == stay.district:
        if elapsed_ms < SETTLED_MS:
            return ()
    elif elapsed_ms <= 0:
        return ()
    found: list[Evidence] = []
    if stay.district:
        _count_hours(stay, elapsed_ms, rules.utc_offset_ms, found)
        if district == stay.district and not stay.visited and stay.kind in _VISITED:
            stay.visited = time_ms - stay.since_ms >= VISIT_MS
            if stay.visited:
                found.append(_VISITED[stay.kind])
    if event.province:
        _count_day(stay, event.province, local_day(time_ms, rules.utc_offset_ms), found)
    stay.time_ms = time_ms
    if district != stay.district:
        stay.district, stay.kind, stay.visited = district, _KIND_NUMBER.get(event.district_kind, 0), False
        stay.since_ms = time_ms
    return tuple(found)


def _count_hours(stay: BehaviourMemory, elapsed_ms: int, utc_offset_ms: int, found: list[Evidence]) -> None:
    """Hours of the night and of work since `stay.time_ms`, in the district of the stay."""
    day, begin_ms = divmod(stay.time_ms + utc_offset_ms, MS_PER_DAY)
    end_ms = begin_ms + min(elapsed_ms, MAX_GAP_MS)  # less than 28 h, so one evening and one working day at most
    district = stay.district
    night_ms = max(0, min(end_ms, _NIGHT_ENDS_MS) - begin_ms) + max(0, end_ms - max(begin_ms, _NIGHT_BEGINS_MS))
    if night_ms:
        hours = night_ms / MS_PER_HOUR
        found.append(("home", district, hours))
        today = day + end_ms // MS_PER_DAY
        home, stay.home_minutes = majority(
            stay.home, stay.home_minutes, district, night_ms // MS_PER_MINUTE, MAX_HOME_LEAD_MINUTES
        )
        if home != stay.home:
            stay.home, stay.home_day = home, today
        if home == district:
            stay.home_seen_day = today
            if stay.kind == _NEW_ESTATE and today - stay.home_day < NEW_ESTATE_DAYS:
                found.append(("new_estate", "all", hours))
    work_ms = min(end_ms, _WORK_ENDS_MS) - max(begin_ms, _WORK_BEGINS_MS)
    if work_ms > 0 and is_workday(day):
        found.append(("work", district, work_ms / MS_PER_HOUR))
        stay.work, stay.work_minutes = majority(
            stay.work, stay.work_minutes, district, work_ms // MS_PER_MINUTE, MAX_WORK_LEAD_MINUTES
        )
        at_work = stay.work == district != stay.home
        if at_work and stay.commute_day < day and 0 <= day - stay.home_seen_day <= 1:
            stay.commute_day = day
            found.append(("commuter", "all", 1.0))


def _count_day(stay: BehaviourMemory, province: str, today: int, found: list[Evidence]) -> None:
    """The day's vote for the usual province, and a day of travel in another: one of each a day."""
    if today > stay.province_day:
        stay.province_day = today
        stay.province, stay.province_days = majority(
            stay.province, stay.province_days, province, 1, MAX_PROVINCE_LEAD_DAYS
        )
    if province != stay.province and stay.province and today > stay.travel_day:
        stay.travel_day = today
        found.append(("travel", province, 1.0))


def majority(usual: str, lead: int, seen: str, votes: int, max_lead: int) -> tuple[str, int]:
    """The candidate and its lead after `votes` for `seen`; beyond its lead, a challenger takes over."""
    if seen == usual:
        return usual, min(lead + votes, max_lead)
    if votes > lead:
        return seen, votes - lead
    return usual, lead - votes
