"""Fakes of what the engine hands an operator: state of one key, a clock with timers, counters. No JVM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class FakeValueState:
    def __init__(self) -> None:
        self.held: Any = None

    def value(self) -> Any:
        return self.held

    def update(self, value: Any) -> None:
        self.held = value


class FakeMapState:
    """As the real one, `items` reads live: removing while iterating fails."""

    def __init__(self) -> None:
        self.held: dict[Any, Any] = {}

    def get(self, key: Any) -> Any:
        return self.held.get(key)

    def put_all(self, dict_value: dict[str, Any]) -> None:
        for key, value in dict_value.items():
            self.put(key, value)

    def put(self, key: Any, value: Any) -> None:
        self.held[key] = value

    def remove(self, key: Any) -> None:
        del self.held[key]

    def items(self) -> Iterator[tuple[Any, Any]]:
        return iter(self.held.items())


class FakeCounter:
    def __init__(self) -> None:
        self.count = 0

    def inc(self, n: int = 1) -> None:
        self.count += n


class FakeEngine:
    """One key's state and clock: is its own runtime context, metrics group, function context and timer service.

    Give the same one to a second operator to restart over the same state; counters begin anew with `restarted`.
    """

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.timers: set[int] = set()
        self.states: dict[str, Any] = {}
        self.counters: dict[str, FakeCounter] = {}

    def restarted(self) -> FakeEngine:
        self.counters = {}
        return self

    def get_state(self, descriptor: Any) -> FakeValueState:
        return self.states.setdefault(descriptor.name, FakeValueState())

    def get_map_state(self, descriptor: Any) -> FakeMapState:
        return self.states.setdefault(descriptor.name, FakeMapState())

    def get_metrics_group(self) -> FakeEngine:
        return self

    def counter(self, name: str) -> FakeCounter:
        return self.counters.setdefault(name, FakeCounter())

    def timer_service(self) -> FakeEngine:
        return self

    def current_processing_time(self) -> int:
        return self.now_ms

    def register_processing_time_timer(self, timestamp: int) -> None:
        self.timers.add(timestamp)
