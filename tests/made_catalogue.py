"""Tag groups of the readers' tests: for two purposes, one of them sensitive."""

from __future__ import annotations

from schemas.tag_group import TagGroup

DAY_MS = 86_400_000

CONTENT = TagGroup("content", "weight", "visits", 7.0, "Interests.", purpose="profiling")
VISITS = TagGroup("visit_min", "numeric", "minutes", 1.0, "Length of visits.", purpose="profiling")
FAITH = TagGroup("faith", "weight", "visits", 7.0, "Beliefs.", purpose="profiling", sensitivity="sensitive")
CHANNEL = TagGroup("channel", "weight", "answers", 30.0, "Channels that work.", purpose="marketing")

MADE = (CONTENT, VISITS, FAITH, CHANNEL)
HALF_LIVES_MS = {group.name: group.half_life_ms for group in MADE}
