"""App and URL use from DPI: which content a subscriber turns to, and the traffic it causes."""

from __future__ import annotations

from schemas.events import AppUse
from schemas.tag_group import TagGroup

EVENT = AppUse

GROUPS = (
    TagGroup("app", "weight", "uses", 7.0, "Uses of an app or site, decayed."),
    TagGroup("content", "weight", "uses", 7.0, "Uses per content category, decayed."),
    TagGroup("flow_mb", "numeric", "MB", 7.0, "Traffic per flow in megabytes: decayed mean and deviation."),
)


def evidence(event: AppUse) -> tuple[tuple[str, str, float], ...]:
    """One use of the app and of its category, and the flow's traffic in megabytes (10**6 bytes)."""
    return (
        ("app", event.app, 1.0),
        ("content", event.category, 1.0),
        ("flow_mb", "all", (event.bytes_up + event.bytes_down) / 1e6),
    )
