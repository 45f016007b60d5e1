"""The seam of the project: one event folded into one profile.

The Flink operators, the back-test of a rule, the rebuild from history and "why does this user have this tag" all call
`advance`, or its two halves where an identifier and its person live apart; none of them knows how a profile works.
"""

from __future__ import annotations

from schemas.events import Event
from schemas.rules import Rules
from schemas.state import Profile
from udfs.profile.enter import enter
from udfs.profile.fold import fold
from udfs.profile.output import Output


def advance(
    profile: Profile, event: Event, rules: Rules, now_ms: int, corrections: list[str] | None = None
) -> tuple[Profile, Output, int]:
    """Fold one event into a profile: through the door (`enter`), then into the tags (`fold`).

    Parameters
    ----------
    profile
        The user's profile before; changed in place and returned.
    event
        A decoded event of this user.
    rules
        Half-lives, limits, dictionaries.
    now_ms
        The time, given by the caller; only decides what counts as future-dated.
    corrections
        Gets the code of everything cleaning changed in the event.

    Returns
    -------
    profile, output, due_ms
        The profile after; what happened; and when, without further events, the profile will have decayed below the
        floor (milliseconds since the epoch, closed form).

    Guarantee
    ---------
    The profile depends on the set of distinct events, not on their order, up to float rounding (see `cells.add` for
    users beyond the cap, `horizon` for events older than it, and the tags that declare otherwise). An exact repeat
    changes nothing.
    """
    entered = enter(profile, event, rules, now_ms, corrections if corrections is not None else [])
    output = fold(profile, entered, rules) if isinstance(entered, Event) else entered
    return profile, output, profile.due_ms
