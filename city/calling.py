"""Feed `cdr`, voice and short messages: within the circle of friends, seen from both sides."""

from __future__ import annotations

import numpy as np

from city import marks
from city.clock import DAYTIME, WEEKEND, WORKDAY, is_workday, local_midnight
from city.population import People
from city.rows import Floats, Ints, Rows, joined

VOICE, SMS, DATA = 1, 2, 3
OUTGOING, INCOMING = 1, 2
_CALLS_A_DAY = 2.6
_MESSAGES_A_DAY = 1.6
_NOTICES_A_DAY = 0.8
_GROUP_CALLS = 0.04
_ENDLESS_CALLS = 0.0004


def day_of(people: People, day: int, seed: int) -> Rows:
    """Records of a local day, in no order. Columns: number, kind, direction, peer, duration, parties, total."""
    rng = np.random.default_rng([seed, 6, day])
    outgoing = joined([_talk(people, day, VOICE, rng), _talk(people, day, SMS, rng)])
    notices = _notices(people, day, rng)
    other = outgoing["peer"]
    number = people.fates.number
    incoming = Rows(
        **outgoing.columns
        | {
            "who": other,
            "peer": number(outgoing["who"], outgoing["time"]).astype(np.int32),
            "direction": np.full(len(other), INCOMING, np.uint8),
        }
    )
    # Whoever is not a customer yet is neither caller nor called.
    alive = (outgoing["time"] >= people.fates.active_ms[other]) & (other != outgoing["who"])
    outgoing["peer"] = number(other, outgoing["time"]).astype(np.int32)
    alive &= outgoing["time"] >= people.fates.active_ms[outgoing["who"]]
    rows = joined([outgoing.take(alive), incoming.take(alive), notices])
    endless = (rows["kind"] == VOICE) & (rng.random(len(rows), dtype=np.float32) < _ENDLESS_CALLS)
    rows["duration"][endless] = rng.integers(90_000, 400_000, int(endless.sum()))
    rows["marks"][endless] |= marks.OUTLIER_CALL
    rows["number"] = number(rows["who"], rows["time"]).astype(np.int32)
    return rows


def _talk(people: People, day: int, kind: int, rng: np.random.Generator) -> Rows:
    """Calls or messages as their senders see them; the peer is a person still, not a number."""
    sociable = people.consumption(day) * (0.4 + 1.2 * people.circles.influence)
    each = rng.poisson((_CALLS_A_DAY if kind == VOICE else _MESSAGES_A_DAY) * sociable)
    who = np.repeat(np.arange(people.count, dtype=np.int32), each)
    rhythm = WORKDAY if is_workday(day) else WEEKEND
    grouped = rng.random(len(who)) < _GROUP_CALLS
    parties = np.where(grouped, rng.integers(3, 9, len(who)), 2)
    duration: Floats = np.round(np.minimum(rng.lognormal(4.2, 1.0, len(who)), 7_200), 1)
    voice = kind == VOICE
    return Rows(
        who=who,
        time=local_midnight(day) + rhythm.draw(rng, len(who)),
        marks=np.zeros(len(who), np.uint32),
        kind=np.full(len(who), kind, np.uint8),
        direction=np.full(len(who), OUTGOING, np.uint8),
        peer=people.circles.pick(who, rng).astype(np.int32),
        duration=duration if voice else np.zeros(len(who)),
        parties=(parties if voice else np.zeros(len(who))).astype(np.uint8),
        total=np.zeros(len(who), np.int64),
    )


def _notices(people: People, day: int, rng: np.random.Generator) -> Rows:
    """Messages of shops and services, from numbers that belong to no subscriber."""
    who: Ints = np.repeat(np.arange(people.count, dtype=np.int32), rng.poisson(_NOTICES_A_DAY, people.count))
    return Rows(
        who=who,
        time=local_midnight(day) + DAYTIME.draw(rng, len(who)),
        marks=np.zeros(len(who), np.uint32),
        kind=np.full(len(who), SMS, np.uint8),
        direction=np.full(len(who), INCOMING, np.uint8),
        peer=rng.integers(people.ids.first_service, people.ids.nobody, len(who)).astype(np.int32),
        duration=np.zeros(len(who)),
        parties=np.zeros(len(who), np.uint8),
        total=np.zeros(len(who), np.int64),
    )
