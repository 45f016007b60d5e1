"""Use of data: a surge against the person's own habit, and when the plan's traffic runs out.

Surge: megabytes of the newest three minutes over what three minutes with any use usually hold, an exponentially decayed
mean of the windows before. Running out: the newest balance less what was used since, over the mean use a day. That mean
is the decayed sum of the tag ``usage_mb:all``, which for steady use converges to daily * half-life / ln 2; divided by
``1 - 2**(-age / half-life)`` it is right for new people too.
"""

from __future__ import annotations

from math import exp2, log

from schemas.state import Profile
from schemas.tag_group import MS_PER_DAY
from schemas.trigger_memory import TrafficMemory
from udfs.local_time import local_day, month_of
from udfs.profile.decay import weight_at

WINDOW_MS = 180_000
HABIT_HALF_LIFE_MS = 14 * MS_PER_DAY
LEAST_WINDOWS = 20.0
"""Decayed number of windows from which on a habit is known."""
MAX_RECENT = 512
"""Flows of a window kept apart; of a flood the oldest are added together."""
LEAST_AGE_MS = 3 * MS_PER_DAY
UNKNOWN_DAYS = 1_000.0
_USAGE = ("usage_mb", "all")


def observe_flow(memory: TrafficMemory, time_ms: int, megabytes: float) -> tuple[float, float]:
    """Take a flow into account; returns ``(window_mb, surge)``, surge being 0 until a habit is known.

    A flow older than the window is not seen: the windows it belongs to are closed.
    """
    recent = memory.recent
    newest_ms = recent[-1][0] if recent else 0
    if recent and time_ms <= newest_ms - WINDOW_MS:
        return 0.0, 0.0
    if memory.window_ms == 0:
        memory.window_ms = time_ms
    elif time_ms >= memory.window_ms + WINDOW_MS:
        _close_window(memory, time_ms)
    memory.window_mb += megabytes
    recent.append((time_ms, megabytes))
    if time_ms < newest_ms:
        recent.sort()
    begin_ms = recent[-1][0] - WINDOW_MS
    while recent[0][0] <= begin_ms:
        recent.pop(0)
    if len(recent) > MAX_RECENT:
        (_, first), (second_ms, second) = recent[:2]
        recent[:2] = [(second_ms, first + second)]
    window_mb = sum(each for _, each in recent)
    known = memory.usual_weight >= LEAST_WINDOWS and memory.usual_mb > 0.0
    return window_mb, window_mb / memory.usual_mb if known else 0.0


def _close_window(memory: TrafficMemory, time_ms: int) -> None:
    left = memory.usual_weight * exp2(-(memory.window_ms - memory.usual_ms) / HABIT_HALF_LIFE_MS)
    memory.usual_mb = (memory.usual_mb * left + memory.window_mb) / (left + 1.0)
    memory.usual_weight = left + 1.0
    memory.usual_ms = memory.window_ms
    memory.window_ms, memory.window_mb = time_ms, 0.0


def is_told_already(memory: TrafficMemory, profile: Profile, time_ms: int, utc_offset_ms: int) -> bool:
    """Whether a balance comes so late that more is known: an earlier balance of the month, less the use since.

    Taking it would forget the readings after it, which are no longer known one by one.
    """
    group = profile.groups.get(_USAGE[0])
    if not memory.balance_ms or group is None or _USAGE[1] not in group.cells:
        return False
    newest_reading_ms = group.cells[_USAGE[1]][-1]
    months = [month_of(local_day(each, utc_offset_ms))[0] for each in (memory.balance_ms, time_ms)]
    return time_ms < newest_reading_ms and months[0] == months[1]


def observe_balance(memory: TrafficMemory, time_ms: int, remaining_mb: float, included_mb: float) -> None:
    """Take a balance of the plan into account; an older one than the newest changes nothing."""
    if time_ms >= memory.balance_ms:
        memory.balance_ms = time_ms
        memory.remaining_mb, memory.included_mb = remaining_mb, included_mb


def observe_usage(memory: TrafficMemory, time_ms: int, megabytes: float) -> None:
    """Take a reading of the counter into account: what was used since the balance is no longer left."""
    if time_ms > memory.balance_ms > 0:
        memory.remaining_mb = max(memory.remaining_mb - megabytes, 0.0)


def daily_mb(profile: Profile, time_ms: int) -> float:
    """Mean use a day of the last weeks, as of `time_ms`; 0 until there are three days of it."""
    age_ms = time_ms - profile.first_event_ms
    group = profile.groups.get(_USAGE[0])
    if age_ms < LEAST_AGE_MS or group is None or _USAGE[1] not in group.cells:
        return 0.0
    half_life_ms = group.half_life_ms
    weight = weight_at(group.cells[_USAGE[1]][0], time_ms, half_life_ms, group.landmark)
    return weight * log(2.0) * MS_PER_DAY / half_life_ms / (1.0 - exp2(-age_ms / half_life_ms))


def days_left(remaining_mb: float, daily: float) -> float:
    """Days until nothing is left at this use a day; `UNKNOWN_DAYS` when that is not known, and at most."""
    return min(remaining_mb / daily, UNKNOWN_DAYS) if daily > 0.0 else UNKNOWN_DAYS
