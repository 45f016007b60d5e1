"""How well scenes are noticed: triggers that have fired laid beside the situations that have really arisen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta

import numpy as np
from msgspec import Struct

from livetags.arisen import Arisen
from schemas.outputs import Trigger

_MS = timedelta(milliseconds=1)

TOLERANCE: dict[str, timedelta] = {
    "traffic-80-used": timedelta(hours=12),
    "traffic-all-used": timedelta(hours=12),
    "traffic-runs-out": timedelta(days=3),
    "traffic-surge": timedelta(hours=12),
    "mall-stay": timedelta(hours=12),
    "video-music-opened": timedelta(hours=12),
    "games-binge": timedelta(hours=12),
    "property-site-opened": timedelta(days=3),
    "car-brand-visits": timedelta(days=3),
    "renovation-search": timedelta(hours=12),
    "home-seeker": timedelta(days=1),
    "contact-rested": timedelta(days=1),
    "packs-not-ordered": timedelta(hours=6),
    "sms-not-clicked": timedelta(hours=2),
    "interests-changed": timedelta(days=1),
    "recharge-large": timedelta(days=10),
    "group-calls": timedelta(days=14),
}
"""How far a trigger may be from its situation, either way, by scene; of the others an hour.

The next reading makes up for one that is late: hours. Of what happens once a day, a week or in three weeks another
occasion than the first may be noticed first: half of that. A late event can change where a count begins: its window.
"""
USUAL_TOLERANCE = timedelta(hours=1)


class SceneScore(Struct, frozen=True):
    """Figures of one scene.

    Attributes
    ----------
    scene
        Id of the rule.
    planted
        Situations without doubt.
    fired
        Triggers, each counted once.
    matched
        Pairs of the two: the same person, at about the same time.
    excused
        Triggers of doubtful situations: neither right nor wrong.
    tolerance_s
        What "about" means.
    late_s_median, late_s_p99
        Time of the trigger minus that of the situation, of the pairs, event time; NaN without any.
    """

    scene: str
    planted: int
    fired: int
    matched: int
    excused: int
    tolerance_s: float
    late_s_median: float
    late_s_p99: float

    @property
    def precision(self) -> float:
        """Share of the triggers that are right, excused ones aside; NaN without any."""
        judged = self.fired - self.excused
        return self.matched / judged if judged else float("nan")

    @property
    def recall(self) -> float:
        """Share of the situations that were noticed; NaN without any."""
        return self.matched / self.planted if self.planted else float("nan")


def score(scenes: Sequence[str], situations: Iterable[Arisen], triggers: Iterable[Trigger]) -> list[SceneScore]:
    """Figures of the scenes, in the order given.

    A situation and a trigger match one to one: as many pairs as there can be. What no situation without doubt explains
    is then laid beside the doubtful ones. A trigger of who has not consented has no situation, so it counts as wrong. A
    trigger that is there twice, as after a replay, counts once.
    """
    certain: dict[tuple[str, str], list[int]] = defaultdict(list)
    doubtful: dict[tuple[str, str], list[int]] = defaultdict(list)
    for situation in situations:
        kind = doubtful if situation.doubtful else certain
        kind[situation.scene, situation.user].append(situation.at_ms)
    fired: dict[tuple[str, str], list[int]] = defaultdict(list)
    for trigger in {trigger.id: trigger for trigger in triggers}.values():
        fired[trigger.rule, trigger.user].append(trigger.at_ms)
    persons: dict[str, set[str]] = defaultdict(set)
    for scene, user in (*certain, *fired):
        persons[scene].add(user)
    return [_score(scene, sorted(persons[scene]), certain, doubtful, fired) for scene in scenes]


def _score(
    scene: str,
    users: Sequence[str],
    certain: dict[tuple[str, str], list[int]],
    doubtful: dict[tuple[str, str], list[int]],
    fired: dict[tuple[str, str], list[int]],
) -> SceneScore:
    tolerance = TOLERANCE.get(scene, USUAL_TOLERANCE)
    tolerance_ms = tolerance // _MS
    planted = count = excused = 0
    late_ms: list[int] = []
    for user in users:
        situations, triggers = certain.get((scene, user), []), fired.get((scene, user), [])
        pairs, left = pair(situations, triggers, tolerance_ms)
        planted += len(situations)
        count += len(triggers)
        late_ms += [trigger - situation for situation, trigger in pairs]
        excused += len(pair(doubtful.get((scene, user), []), left, tolerance_ms)[0])
    return SceneScore(
        scene,
        planted,
        count,
        len(late_ms),
        excused,
        tolerance.total_seconds(),
        float(np.median(late_ms)) / 1e3 if late_ms else float("nan"),
        float(np.quantile(late_ms, 0.99)) / 1e3 if late_ms else float("nan"),
    )


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
