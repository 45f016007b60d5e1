"""What a feed is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from schemas.events import Event
from schemas.pseudonyms import Pseudonyms


@dataclass(frozen=True)
class Feed:
    """One kind of record, wherever it is carried.

    Attributes
    ----------
    name
        Feed's name in commands, counts and dead letters.
    keyed_by
        What identifies the subscriber in its records: IMSI, MSISDN, account ...
    population
        Whose ids the subscribers' are. Feeds of one population update the same profiles, so they are run together.
    topic
        Kafka topic unless the input names another.
    file_format
        How records lie in a file: ``lines`` (one a line) or ``delimited`` (protobuf, each with its length before it).
    file_suffix
        Ending of the feed's files: how ``--feed all`` tells feeds in a folder apart (``<name>*<suffix>``).
    key_sql
        Flink SQL expression of type BYTES over column ``v BYTES`` that finds the subscriber's id where a record has no
        key; null when it can't. Must agree with `subscriber`.
    subscriber
        The same in Python, for files; never raises, None when it can't.
    decode
        ``decode(key, value, pseudonyms) -> Event``; raises `schemas.reasons.Rejected` for a record that can't be used,
        and nothing else. `key` is the identifier as the engine found it; the event holds no raw identifier.
    event_time_ms
        Time of the record for replaying several feeds in step; never raises, None when it can't tell.
    linked
        Whether the identifiers belong to persons named by the feed `link`; otherwise each is a user of its own.
    sample, sample_events
        ``sample(events, seed)`` yields the values of sample records; `sample_events` is how many unless told. Without
        one, `livetags city` makes them.
    """

    name: str
    keyed_by: str
    population: str
    topic: str
    file_format: Literal["lines", "delimited"]
    file_suffix: str
    key_sql: str
    subscriber: Callable[[bytes], bytes | None]
    decode: Callable[[bytes, bytes, Pseudonyms], Event]
    event_time_ms: Callable[[bytes], int | None]
    linked: bool = True
    sample: Callable[[int, int], Iterator[bytes]] | None = None
    sample_events: int = 0
