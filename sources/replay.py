"""Replaying several logs in step: records of all feeds in one order, as they would have come in.

Each feed keeps its own order. Feeds are merged by the time their records say; a record that came late, or says no time,
stays where it is in its feed. Without this one feed would run ahead of another by months, and its users' events would
be too old when the other's arrive.

The order depends on the records alone: who replays the same files, at whatever speed, sees the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import merge
from pathlib import Path

from sources.feed import Feed
from sources.records import read_records

Numbered = tuple[int, int, int, bytes]
"""(number of the input, index of the file, number of the record in it from 1, value)"""

_Timed = tuple[int, int, int, int, bytes]

_MAX_WAITING = 100


def in_step(inputs: Sequence[tuple[Feed, Sequence[Path]]], max_record_bytes: int) -> Iterator[Numbered]:
    """Every record of the inputs, in the order of a replay."""
    if len(inputs) == 1:
        for index, file in enumerate(inputs[0][1]):
            for number, value in read_records(inputs[0][0], file, max_record_bytes):
                yield 0, index, number, value
        return
    timed = [_timed(number, feed, files, max_record_bytes) for number, (feed, files) in enumerate(inputs)]
    # the first four are unique, so values are never compared
    for _, number, index, record, value in merge(*timed):
        yield number, index, record, value


def _timed(number: int, feed: Feed, files: Sequence[Path], max_record_bytes: int) -> Iterator[_Timed]:
    """The feed's records, each with the newest time so far.

    A jump counts only if the next record that says a time agrees: one broken clock must not hold back the rest of its
    feed.
    """
    newest_ms = last_ms = 0
    waiting: list[tuple[int, int, bytes]] = []  # the last record that says a time, and those after it
    for index, file in enumerate(files):
        for record, value in read_records(feed, file, max_record_bytes):
            time_ms = feed.event_time_ms(value) if len(value) <= max_record_bytes else None
            if time_ms is not None or len(waiting) == _MAX_WAITING:
                if time_ms is not None:
                    newest_ms = max(newest_ms, min(last_ms, time_ms))
                    last_ms = time_ms
                for place, held, held_value in waiting:
                    yield newest_ms, number, place, held, held_value
                waiting.clear()
            waiting.append((index, record, value))
    for place, held, held_value in waiting:
        yield max(newest_ms, last_ms), number, place, held, held_value
