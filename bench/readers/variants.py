"""What a read is made of, and what else it could be made of: one after the other, mean milliseconds each.

The alternatives are here because they were measured against: a server-side function that answers a whole batch as one
value, a pipeline without a transaction, and the words alone without making anything of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import mean
from typing import Any

import redis
from msgspec import Struct

from bench.readers.population import PURPOSE, user
from schemas.redis_keys import evidence_key, profile_key, tombstone_key
from serving.client import ProfileClient
from serving.reader import Reader
from serving.reads import Reads, Transaction

_FUNCTION = """#!lua name=livetags_bench_read
redis.register_function('livetags_bench_read', function(keys, args)
  redis.call('XADD', keys[1], 'MAXLEN', '~', '200000', '*', 'reader', 'bench', 'users', args[1])
  local found = {}
  for i = 2, #keys, 3 do
    found[#found + 1] = {redis.call('HGETALL', keys[i]), redis.call('GET', keys[i + 1]), redis.call('GET', keys[i + 2])}
  end
  return found
end)
"""


class Variant(Struct):
    """A way to read, and what it took on the average for so many people at once."""

    name: str
    people: int
    mean_ms: float


def compare(url: str, prefix: str, population: int, seconds: float) -> list[Variant]:
    """Measure each for 1, 10 and 100 people."""
    found = []
    client = ProfileClient(url, reader="bench", purpose=PURPOSE, prefix=prefix)
    raw = redis.Redis.from_url(url, decode_responses=True)
    raw.function_load(_FUNCTION, replace=True)
    reads = Reads(prefix, 1e-6, 200_000, lambda: 0)
    transaction = next(reads.newest_catalogue())
    assert transaction
    for people in (1, 10, 100):
        ways: dict[str, Callable[[list[str]], Any]] = {
            "the client": client.profiles,
            "its words, nothing made of them": lambda users: _words(raw, _transaction(reads, users), True),
            "the same without a transaction": lambda users: _words(raw, _transaction(reads, users), False),
            "a function in the server": lambda users: _function(raw, prefix, users),
        }
        found += [Variant(name, people, _mean_ms(way, population, people, seconds)) for name, way in ways.items()]
    client.close()
    raw.function_delete("livetags_bench_read")
    raw.close()
    return found


def _transaction(reads: Reads, users: list[str]) -> Transaction:
    return next(reads.profiles(Reader("bench", PURPOSE), users))


def _words(client: redis.Redis, transaction: Transaction, together: bool) -> None:
    pipeline = client.pipeline(transaction=together)
    for command in transaction:
        pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
    pipeline.execute()


def _function(client: redis.Redis, prefix: str, users: list[str]) -> None:
    keys = [f"{prefix}:audit"]
    for each in users:
        keys += (profile_key(prefix, each), evidence_key(prefix, each), tombstone_key(prefix, each))
    client.fcall("livetags_bench_read", len(keys), *keys, " ".join(users))  # type: ignore[no-untyped-call]


def _mean_ms(way: Callable[[list[str]], Any], population: int, people: int, seconds: float) -> float:
    took: list[float] = []
    number = 0
    end_s = time.perf_counter() + seconds
    while time.perf_counter() < end_s:
        users = [user((number + i * 7_919) % population) for i in range(people)]
        number += 104_729
        began_s = time.perf_counter()
        way(users)
        took.append(time.perf_counter() - began_s)
    return mean(took[len(took) // 10 :]) * 1_000
