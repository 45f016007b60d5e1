"""Exact counts: within the circle only, for a purpose that allows the audience, and never without a record."""

from __future__ import annotations

from collections.abc import Callable, Collection

from msgspec import Struct

from serving.audience.canonical import canonical
from serving.audience.reads import Reads, check_use
from serving.audience.tree import Node


class ExactCountRecord(Struct, frozen=True):
    """Who counted what, for the audit trail. Times in milliseconds since the epoch.

    Attributes
    ----------
    when_ms
        When it was asked.
    reader, purpose
        Who asked, and for what.
    population, expression, at_ms
        Of whom, the audience's canonical text, as of when.
    sensitive
        Whether it looks at sensitive groups.
    count
        What was answered.
    """

    when_ms: int
    reader: str
    purpose: str
    population: str
    expression: str
    at_ms: int
    sensitive: bool
    count: int


class Asker(Struct, frozen=True):
    """Who asks, for what, and what they have been granted: purposes whose tags they may use, and sensitive groups."""

    reader: str
    purpose: str
    may_use: Collection[str]
    sensitive: bool = False


def exact_count(
    asker: Asker,
    population: str,
    node: Node,
    read: Reads,
    at_ms: int,
    now_ms: int,
    true_count: Callable[[int], int],
    audit: Callable[[ExactCountRecord], None],
) -> int:
    """How many people of a population are in an audience, exactly.

    Parameters
    ----------
    asker
        Who, for what, with which grants.
    population, node, read
        Of whom, the audience, and what it looks at (`serving.audience.reads.reads`).
    at_ms, now_ms
        Of which instant, and the time now.
    true_count
        Counts as of an instant; called only for an audience that may be used.
    audit
        Keeps the record, and returns when it is kept; what it raises is raised here, and no figure is given.

    Raises
    ------
    UseRefused
        When the audience may not be used for the purpose: `serving.audience.private_count` can answer then.
    """
    check_use(read, asker.purpose, asker.may_use, sensitive=asker.sensitive)
    count = true_count(at_ms)
    audit(
        ExactCountRecord(
            now_ms,
            asker.reader,
            asker.purpose,
            population,
            canonical(node),
            at_ms,
            read.sensitivity == "sensitive",
            count,
        )
    )
    return count
