"""This project's detector of changed shares, behind the benchmark's protocol, whole and without one part each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import ModuleType
from unittest import mock

from msgspec.structs import replace

from bench.drift.detector import Raised
from bench.drift.history import History
from schemas.drift_memory import DriftMemory
from schemas.drift_rules import DriftRules
from udfs.profile import share_drift, shares

BUCKET_MS = 21_600_000
_RULES = DriftRules()


Patch = tuple[ModuleType, str, Callable[..., object]]


class Ours:
    """The detector with some rules; `patches` replace what no rule can switch off."""

    def __init__(self, name: str = "ours", rules: DriftRules = _RULES, patches: tuple[Patch, ...] = ()) -> None:
        self.name = name
        self.rules = rules
        self._patches = patches

    def alarms(self, history: History) -> list[Raised]:
        """See `Detector`."""
        with ExitStack() as stack:
            for module, name, value in self._patches:
                stack.enter_context(mock.patch.object(module, name, value))
            return self._alarms(history)

    def _alarms(self, history: History) -> list[Raised]:
        memory = DriftMemory()
        raised = []
        for index, bucket in enumerate(history.buckets.tolist()):
            noticed = share_drift.close(memory, bucket, history.closed(index), self.rules, 0)
            if noticed is not None:
                raised.append(Raised(index, noticed.since_ms / BUCKET_MS))
        return raised


def ablations() -> list[Ours]:
    """The detector without one of its parts each."""
    return [
        Ours("no persistence", replace(_RULES, persistence=0.0), ((shares, "_persistence", lambda *_: 0.0),)),
        Ours("same persistence for all", patches=((shares, "_persistence", lambda *_: _RULES.persistence),)),
        Ours("no context", patches=((share_drift, "context_of", lambda _bucket: 0),)),
        Ours("no days gate", replace(_RULES, min_days=0)),
        Ours("no distance gate", replace(_RULES, min_distance_bits=0.0)),
        Ours("no envelope", replace(_RULES, envelope_error=0.0, envelope_relative=0.0, envelope_population=0.0)),
    ]


BASKET_RULES = replace(
    _RULES,
    alpha_per_year=0.1,
    persistence=0.1,
    envelope_error=0.0,
    envelope_relative=0.02,
    min_distance_bits=0.05,
    min_days=0,
    min_buckets=20,
)
"""What the design proposed for baskets; reported beside the defaults."""
