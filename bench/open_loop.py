"""The producer of the latency measurement: ``python -m bench.open_loop PLAN.json``.

Open loop: event i is due at ``start + i / rate`` whatever became of the ones before, and its latency counts from then,
so a producer or a job that falls behind can't hide it. Every `probe_every`-th event belongs to a probe user instead.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from random import Random

import msgspec
from confluent_kafka import Producer
from msgspec import Struct

from bench.events import SEED, record

_TICK_S = 0.001


class Plan(Struct):
    """What to produce; `start` is on this machine's monotonic clock. `outcome` is the file for the `Produced`."""

    bootstrap: str
    topic: str
    rate: float
    seconds: float
    start: float
    probe_every: int
    probes: int
    outcome: str

    def due(self, number: int) -> float:
        """When event `number` is due."""
        return self.start + number / self.rate

    def events(self) -> int:
        """Events in all."""
        return int(self.rate * self.seconds)


class Produced(Struct):
    """How it went: events acknowledged, and the longest that one was handed over after it was due."""

    events: int
    max_lag_s: float


def probe(number: int) -> str:
    """User id of a probe."""
    return f"probe-{number}"


def probe_record(number: int, identity: int, event_time_ms: int) -> tuple[bytes, bytes]:
    """An event of a probe user."""
    user = probe(number).encode()
    return user, (
        b'{"household_id":"%b","basket_id":%d,"product_id":1,"category":"PROBES","quantity":1,"sales_value":1.0,'
        b'"event_time_ms":%d}' % (user, identity, event_time_ms)
    )


def produce(plan: Plan) -> Produced:
    """Produce the whole plan.

    Raises
    ------
    RuntimeError
        When a record was not acknowledged.
    """
    failed: list[str] = []
    producer = Producer(
        {
            "bootstrap.servers": plan.bootstrap,
            "linger.ms": 1,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "queue.buffering.max.messages": 1_000_000,
            "delivery.report.only.error": True,
            "on_delivery": lambda error, _: failed.append(str(error)) if error is not None else None,
            "log_level": 2,
        }
    )
    producer.list_topics(plan.topic, timeout=10)  # connected before the first event is due
    bits = Random(SEED + 1).getrandbits
    total, number, max_lag_s = plan.events(), 0, 0.0
    while number < total:
        now = time.monotonic()
        due = min(total, int((now - plan.start) * plan.rate) + 1) if now >= plan.start else 0
        if number < due:
            max_lag_s = max(max_lag_s, now - plan.due(number))
        event_time_ms = int(time.time() * 1000)
        while number < due:
            # identities after those of any topic made with `bench.events.events`
            identity = (1 << 32) + number
            if number % plan.probe_every == 0:
                key, value = probe_record(number // plan.probe_every % plan.probes, identity, event_time_ms)
            else:
                key, value = record(identity, bits(48), event_time_ms)
            producer.produce(plan.topic, value, key)
            number += 1
        producer.poll(0)
        time.sleep(_TICK_S)
    left = producer.flush(30)
    if failed or left:
        msg = f"{len(failed) + left} records were not acknowledged: {failed[:1]}"
        raise RuntimeError(msg)
    return Produced(total, max_lag_s)


def main(path: str) -> None:
    """Produce the plan of a file."""
    plan = msgspec.json.decode(Path(path).read_bytes(), type=Plan)
    Path(plan.outcome).write_bytes(msgspec.json.encode(produce(plan)))


if __name__ == "__main__":
    main(sys.argv[1])
