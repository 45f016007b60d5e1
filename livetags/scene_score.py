"""How well scenes are noticed: triggers that have fired laid beside the situations that have really arisen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

import numpy as np
from msgspec import Struct

from livetags.arisen import Arisen, Doubt
from livetags.wilson import wilson
from schemas.outputs import Trigger

BAR = 0.98
"""What precision and recall should be at least."""
_MS = timedelta(milliseconds=1)
_Times = Mapping[tuple[Doubt, str, str], list[int]]

USUAL_TOLERANCE = timedelta(minutes=1)
"""A trigger has the time of the record that made it fire, or the instant at which time alone did: if all comes in time
it is that of the situation to the millisecond."""
_NEXT_HANDOVER = timedelta(minutes=5)
"""A handover that comes out of order begins no stay, the next one in the district does: minutes later."""
_OUT_OF_ORDER = timedelta(minutes=15)
"""Of a period's first the one that comes first is noticed: records come out of order by so much."""
TOLERANCE: dict[str, timedelta] = {
    "airport-left": _NEXT_HANDOVER,
    "station-entered": _NEXT_HANDOVER,
    "school-stay": _NEXT_HANDOVER,
    "mall-stay": _NEXT_HANDOVER,
    "video-music-opened": _OUT_OF_ORDER,
    "property-site-opened": _OUT_OF_ORDER,
    "renovation-search": _OUT_OF_ORDER,
    "games-binge": _OUT_OF_ORDER,
    "traffic-surge": _OUT_OF_ORDER,
}
"""How far a trigger may be from its situation, either way, by scene; of the others a minute."""


class SceneScore(Struct, frozen=True):
    """Figures of one scene.

    Attributes
    ----------
    scene
        Id of the rule.
    planted
        Situations that can be told.
    fired
        Triggers, each counted once.
    matched
        Pairs of the two: the same person, within the tolerance.
    doubtful
        Triggers of situations of which nobody can tell, whatever comes when: neither right nor wrong.
    unseen, unseen_matched
        Situations that late records hide, and those that were noticed all the same.
    apparent, apparent_matched
        What only looks like a situation because records are late, and triggers of such.
    tolerance_s
        How far a trigger may be from its situation, either way.
    late_s_median, late_s_p90
        Time of the trigger minus that of the situation, of the pairs, event time; NaN without any.
    """

    scene: str
    planted: int = 0
    fired: int = 0
    matched: int = 0
    doubtful: int = 0
    unseen: int = 0
    unseen_matched: int = 0
    apparent: int = 0
    apparent_matched: int = 0
    tolerance_s: float = USUAL_TOLERANCE.total_seconds()
    late_s_median: float = float("nan")
    late_s_p90: float = float("nan")

    @property
    def judged(self) -> int:
        """Triggers that are right or wrong."""
        return self.fired - self.doubtful - self.unseen_matched - self.apparent_matched

    @property
    def precision(self) -> float:
        """Share of the judged triggers that are right; NaN without any."""
        return _share(self.matched, self.judged)

    @property
    def recall(self) -> float:
        """Share of the situations that were noticed; NaN without any."""
        return _share(self.matched, self.planted)

    @property
    def precision_of_all(self) -> float:
        """The same if late records are no excuse."""
        return _share(self.matched + self.unseen_matched, self.fired - self.doubtful)

    @property
    def recall_of_all(self) -> float:
        """The same if late records are no excuse."""
        return _share(self.matched + self.unseen_matched, self.planted + self.unseen)

    @property
    def intervals(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """95 % intervals of precision and recall."""
        return wilson(self.matched, self.judged), wilson(self.matched, self.planted)

    @property
    def passes(self) -> bool:
        """Whether neither precision nor recall is below the bar, as far as they are known."""
        return not (self.precision < BAR or self.recall < BAR)


def score(scenes: Sequence[str], situations: Iterable[Arisen], triggers: Iterable[Trigger]) -> list[SceneScore]:
    """Figures of the scenes, in the order given.

    A situation and a trigger match one to one: as many pairs as there can be. What no situation without doubt explains
    is then laid beside those that are hidden, those that only appear so, and the doubtful ones, in this order. A
    trigger of who has not consented has no situation, so it counts as wrong. A trigger that is there twice, as after a
    replay, counts once.
    """
    arose: dict[tuple[Doubt, str, str], list[int]] = defaultdict(list)
    for situation in situations:
        arose[situation.doubt, situation.scene, situation.user].append(situation.at_ms)
    fired: dict[tuple[str, str], list[int]] = defaultdict(list)
    for trigger in {trigger.id: trigger for trigger in triggers}.values():
        fired[trigger.rule, trigger.user].append(trigger.at_ms)
    persons: dict[str, set[str]] = defaultdict(set)
    for scene, user in (*(key[1:] for key in arose), *fired):
        persons[scene].add(user)
    return [_score(scene, sorted(persons[scene]), arose, fired) for scene in scenes]


def _score(scene: str, users: Sequence[str], arose: _Times, fired: Mapping[tuple[str, str], list[int]]) -> SceneScore:
    tolerance = TOLERANCE.get(scene, USUAL_TOLERANCE)
    count = 0
    planted: dict[Doubt, int] = defaultdict(int)
    matched: dict[Doubt, int] = defaultdict(int)
    late_ms: list[int] = []
    for user in users:
        left = fired.get((scene, user), [])
        count += len(left)
        kinds: tuple[Doubt, ...] = ("", "unseen", "apparent", "doubtful")
        for doubt in kinds:
            situations = arose.get((doubt, scene, user), [])
            pairs, left = pair(situations, left, tolerance // _MS)
            planted[doubt] += len(situations)
            matched[doubt] += len(pairs)
            if not doubt:
                late_ms += [trigger - situation for situation, trigger in pairs]
    return SceneScore(
        scene,
        planted[""],
        count,
        matched[""],
        matched["doubtful"],
        planted["unseen"],
        matched["unseen"],
        planted["apparent"],
        matched["apparent"],
        tolerance.total_seconds(),
        float(np.median(late_ms)) / 1e3 if late_ms else float("nan"),
        float(np.quantile(late_ms, 0.9)) / 1e3 if late_ms else float("nan"),
    )


def _share(right: int, of: int) -> float:
    return right / of if of else float("nan")


def pair(situations: Iterable[int], triggers: Iterable[int], tolerance: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Pairs of times not further apart than the tolerance, each used once, and the triggers left over.

    No choice of pairs has more: the earliest of both go together, or the earlier has no partner at all.
    """
    pairs, left = [], []
    waiting = sorted(situations, reverse=True)
    for trigger in sorted(triggers):
        while waiting and waiting[-1] < trigger - tolerance:
            waiting.pop()
        if waiting and waiting[-1] <= trigger + tolerance:
            pairs.append((waiting.pop(), trigger))
        else:
            left.append(trigger)
    return pairs, left
