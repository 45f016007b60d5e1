"""A profile of the state as readers see it: every tag decayed to an instant.

With `serving.audience.membership.in_audience` it is the oracle of audiences: who is in one, from the state alone.
"""

from __future__ import annotations

from schemas.rules import Rules
from schemas.state import Profile
from serving.audience.membership import PersonTags
from serving.tag_view import TagView
from udfs.profile.decay import weight_at
from udfs.profile.weighted_welford import deviation


def tags_at(profile: Profile, rules: Rules, at_ms: int) -> PersonTags:
    """The profile's tags at `at_ms`, milliseconds since the epoch: not before its newest event.

    Raises
    ------
    ValueError
        For an instant before that: what is folded can't be taken out again.
    """
    if at_ms < profile.last_event_ms:
        msg = (
            f"the profile has evidence of {profile.last_event_ms - at_ms} ms after the instant asked for: expected a "
            "later instant; the past is in the history (serving.history.profile_as_of)"
        )
        raise ValueError(msg)
    groups: dict[str, dict[str, TagView]] = {}
    others: dict[str, float] = {}
    for name, group in profile.groups.items():
        factor = weight_at(1.0, at_ms, group.half_life_ms, group.landmark)
        numeric = rules.groups[name].numeric
        groups[name] = {
            tag: TagView(
                f"{name}:{tag}",
                cell[0] * factor,
                cell[1] if numeric else None,
                deviation(cell) if numeric else None,
                int(cell[-1]),
                group.half_life_ms,
            )
            for tag, cell in group.cells.items()
        }
        if group.other is not None:
            others[name] = group.other[0] * factor
    return PersonTags(at_ms, groups, others, rules.weight_floor)
