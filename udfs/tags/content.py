"""Content: which apps, sites and kinds of content a person turns to, and the traffic they cause.

Preferences are shares of `content`: one with ``content:shopping`` above a quarter of the group's total prefers
e-commerce. Shares do not age (all tags of a group decay alike), so they need no conversion to now.
"""

from __future__ import annotations

from schemas.events import AppUse
from schemas.outputs import Evidence
from schemas.person_memory import PersonMemory
from schemas.rules import Rules
from schemas.tag_group import TagGroup

EVENTS = (AppUse,)

BYTES_PER_MB = 1e6
_OTHER = "other"

GROUPS = (
    # Reading: above 1, used within about a week; the largest are the favourites.
    TagGroup(
        name="app",
        kind="weight",
        unit="uses",
        half_life_days=7.0,
        meaning="Uses of an app or site, decayed.",
        family="content",
        sources=("dpi",),
        purpose="profiling",
        drift="rebuilt",
        more_tags="apps",
    ),
    # Reading: the share of the group's total is the interest, 0 to 1: video, music, games, news, finance, property ...
    TagGroup(
        name="content",
        kind="weight",
        unit="uses",
        half_life_days=7.0,
        meaning="Uses per content category, decayed; its share of all is the preference, of shopping for e-commerce.",
        family="content",
        sources=("dpi",),
        purpose="profiling",
        drift="watched",
        tags=(_OTHER, "unknown"),  # the latter is what cleaning calls a category that nobody knows
        more_tags="categories",
    ),
    # Reading: the mean tells streaming (tens of MB) from messaging (below 1).
    TagGroup(
        name="flow_mb",
        kind="numeric",
        unit="MB",
        half_life_days=7.0,
        meaning="Traffic per flow in megabytes: decayed mean and deviation.",
        family="content",
        sources=("dpi",),
        purpose="profiling",
        drift="rebuilt",
        tags=("all",),
        more_tags="",
    ),
)


def evidence(event: AppUse, memory: PersonMemory, rules: Rules) -> tuple[Evidence, ...]:
    """One use of the app and of its category, and the flow's traffic in megabytes (10**6 bytes)."""
    return (
        ("app", event.app, 1.0),
        ("content", event.category or _OTHER, 1.0),
        ("flow_mb", "all", (event.bytes_up + event.bytes_down) / BYTES_PER_MB),
    )
