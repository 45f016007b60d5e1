"""Made profiles of the size that people of the simulated city have, written by the job's own sink.

A person has some 80 tags of all purposes, 43 of them for ``profiling``, which is what is read: apps, categories,
intents, rhythm, volume. Names are drawn per person, so that no two profiles are alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import redis
from msgspec import Struct

from schemas.outputs import HotProfile
from schemas.redis_keys import evidence_key, profile_key
from schemas.tag_group import MS_PER_DAY
from sinks.redis_hot import RedisHotSink
from udfs.profile.snapshot import version_of
from udfs.tags import GROUPS

PURPOSE = "profiling"
SEED = 11

_TAGS_PER_GROUP = {
    **{"rhythm": 4, "app": 20, "content": 12, "flow_mb": 1, "intent": 6},
    **dict.fromkeys(("age_band", "gender", "region", "occupation", "plan", "tenure", "device_brand", "device_os"), 1),
    **dict.fromkeys(("price_band", "stage", "segment", "traffic_left", "churn", "usage_mb", "upgrade_cycle"), 1),
    **{"home": 2, "work": 2, "place": 3, "travel": 2, "commuter": 1},
    **{"bill": 1, "recharge": 1, "recharge_days": 1, "calls": 4, "circle": 1, "influence": 1},
    **{"channel": 4, "offer": 2, "refused": 2, "fatigue": 1},
}
_OTHER_NAMES = 400
_PER_BATCH = 1_000
_KEPT_DAYS = 365


class Filled(Struct):
    """What was written: people, and of a profile on the average tags, fields, and bytes in Redis."""

    people: int
    tags: float
    tags_read: float
    fields: float
    bytes: float


def user(number: int) -> str:
    """Pseudonym of a person, as long as a real one."""
    return f"p.{number:020d}"


def fill(url: str, prefix: str, people: int, now_ms: int) -> Filled:
    """Write the profiles of so many people."""
    sink = RedisHotSink(url, prefix, 10.0, 60.0)
    sink.open({group.name: group.half_life_ms for group in GROUPS.values()}, GROUPS.values())
    made = profiles(people, now_ms)
    tags = read = fields = 0
    batch: list[HotProfile] = []
    for profile in made:
        tags += len(profile.last_evidence_ms)
        read += sum(GROUPS[tag.partition(":")[0]].purpose == PURPOSE for tag in profile.last_evidence_ms)
        fields += len(profile.weights)
        batch.append(profile)
        if len(batch) == _PER_BATCH:
            sink.write_batch(batch)
            batch = []
    sink.write_batch(batch)
    sink.close()
    sample = [user(number) for number in range(0, people, max(1, people // 500))]
    with redis.Redis.from_url(url) as client:
        sizes = [
            sum(client.memory_usage(key(prefix, each)) or 0 for key in (profile_key, evidence_key)) for each in sample
        ]
    return Filled(people, tags / people, read / people, fields / people, sum(sizes) / len(sizes))


def profiles(people: int, now_ms: int) -> Iterator[HotProfile]:
    """The profiles, the same for the same number and time."""
    random = Random(SEED)
    names = {
        group: [*GROUPS[group].tags, *(f"{group} {n}" for n in range(_OTHER_NAMES if GROUPS[group].more_tags else 0))]
        for group in _TAGS_PER_GROUP
    }
    for number in range(people):
        as_of_ms = now_ms - random.randrange(MS_PER_DAY)
        weights: dict[str, float] = {}
        last: dict[str, int] = {}
        for group, count in _TAGS_PER_GROUP.items():
            known = names[group]
            for name in random.sample(known, min(count, len(known))):
                tag = f"{group}:{name}"
                weights[tag] = random.expovariate(0.1) + 1e-3
                last[tag] = as_of_ms - random.randrange(30 * MS_PER_DAY)
                if GROUPS[group].kind == "numeric":
                    weights[f"{tag}.mean"] = random.expovariate(0.01)
                    weights[f"{tag}.std"] = random.random()
        expires_at_ms = now_ms + _KEPT_DAYS * MS_PER_DAY
        yield HotProfile(user(number), version_of(0, 1), as_of_ms, expires_at_ms, weights, {}, last)
