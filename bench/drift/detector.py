"""What every detector of the benchmark is: closed buckets in, alarms out."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from bench.drift.history import History


class Raised(NamedTuple):
    """An alarm.

    Attributes
    ----------
    index
        Of the active bucket whose closing raised it.
    since
        Bucket in which the detector thinks the change began; None: it doesn't say.
    """

    index: int
    since: float | None = None


class Detector(Protocol):
    """Looks at a person's buckets in their order; begins anew at each of its alarms, as the harness demands of all."""

    name: str

    def alarms(self, history: History) -> list[Raised]:
        """Alarms over a whole history; that of a bucket depends on it and those before alone."""
        ...
