"""The producer: ``python -m bench.triggers.producer PLAN.json``.

With a rate, an open loop: flow i is due at ``start + i / rate`` whatever became of the ones before. A probe carries the
instant it was due as its event time, so the trigger it makes fire says how long it took, and a producer or a job that
falls behind can't hide it. Without a rate, everything at once: a backlog.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from random import Random

import msgspec
from confluent_kafka import Producer
from msgspec import Struct

from bench.triggers.load import SEED, flow, probe

_TICK_S = 0.001


class Plan(Struct):
    """What to produce; `start_ms` is on the clock of the wall, `first` the identity of the first flow."""

    bootstrap: str
    topic: str
    first: int
    flows: int
    rate: float
    start_ms: float
    probe_every: int
    outcome: str


class Produced(Struct):
    """How it went: flows acknowledged, when each probe was due, and the longest that one was handed over after that."""

    flows: int
    due_ms: list[int]
    max_lag_ms: float

    @property
    def probes(self) -> int:
        """How many probes."""
        return len(self.due_ms)


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
            "linger.ms": 5,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "queue.buffering.max.messages": 1_000_000,
            "delivery.report.only.error": True,
            "on_delivery": lambda error, _: failed.append(str(error)) if error is not None else None,
            "log_level": 2,
        }
    )
    producer.list_topics(plan.topic, timeout=10)  # connected before the first flow is due
    uniform = Random(SEED + plan.first).random
    number = 0
    probes_due_ms: list[int] = []
    max_lag_ms = 0.0
    while number < plan.flows:
        now_ms = time.time() * 1_000
        due = plan.flows
        if plan.rate:
            due = (
                min(plan.flows, int((now_ms - plan.start_ms) * plan.rate / 1_000) + 1) if now_ms >= plan.start_ms else 0
            )
        while number < due:
            due_ms = plan.start_ms + number * 1_000 / plan.rate if plan.rate else now_ms
            max_lag_ms = max(max_lag_ms, now_ms - due_ms)
            identity = plan.first + number
            if plan.probe_every and number % plan.probe_every == 0:
                key, value = probe(identity, len(probes_due_ms), round(due_ms))
                probes_due_ms.append(round(due_ms))
            else:
                key, value = flow(identity, uniform(), uniform(), round(due_ms))
            producer.produce(plan.topic, value, key)
            number += 1
            if not plan.rate and number % 10_000 == 0:
                producer.poll(0)
        producer.poll(0)
        time.sleep(_TICK_S)
    left = producer.flush(60)
    if failed or left:
        msg = f"{len(failed) + left} records were not acknowledged: {failed[:1]}"
        raise RuntimeError(msg)
    return Produced(plan.flows, probes_due_ms, max_lag_ms)


def main(path: str) -> None:
    """Produce the plan of a file."""
    plan = msgspec.json.decode(Path(path).read_bytes(), type=Plan)
    Path(plan.outcome).write_bytes(msgspec.json.encode(produce(plan)))


if __name__ == "__main__":
    main(sys.argv[1])
