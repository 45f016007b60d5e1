"""From events to a file: records get ids and arrive, some of them late, twice or damaged, and are told in the truth."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np

from city import garbage, marks
from city.clock import HOUR_MS, MINUTE_MS, NEVER_MS, SECOND_MS
from city.delivery import Delivery
from city.feeds import Feed
from city.rows import Bools, Ints, Rows, joined
from city.wire import encode

_GARBAGE = 0.001
_LATE_FROM_MS = HOUR_MS
_SHUFFLED_MS = (20 * SECOND_MS, 15 * MINUTE_MS)
_REPEATED_SOON_MS = (SECOND_MS, 10 * MINUTE_MS)
_REPEATED_MS = (HOUR_MS, 24 * HOUR_MS)  # after an arrival up to 20 h late: within 48 h of the event
_REPEATED_SOON = 0.85
_BLOCK = 1 << 15


class FeedFile:
    """One feed's file, written in order of arrival.

    Parameters
    ----------
    feed
        What is written.
    folder
        Where ``<feed>.pb`` goes.
    dirt
        Where the odd records are told, one JSON object a line.
    latency_ms
        Of each subscriber: the same for all clean records, so those of one subscriber keep their order.
    seed
        Of the city.
    delivery
        How badly records are delivered.
    """

    def __init__(self, feed: Feed, folder: Path, dirt: TextIO, latency_ms: Ints, seed: int, delivery: Delivery) -> None:
        self.feed = feed
        self._delivery = delivery
        self.written = 0
        self.dirt_counts: dict[str, int] = dict.fromkeys(marks.KINDS, 0)
        self._dirt = dirt
        self._latency_ms = latency_ms
        self._rng = np.random.default_rng([seed, 11, feed.code])
        self._next_record = feed.code << 43
        self._pending: list[Rows] = []
        self._file: BinaryIO = (folder / f"{feed.name}.pb").open("wb")

    def add(self, rows: Rows) -> None:
        """Take events in; they are written by a later `deliver`. Their column ``arrival`` says when."""
        if not len(rows):
            rows["record"] = rows["arrival"] = rows["time"]
            return
        rng, n, delivery = self._rng, len(rows), self._delivery
        rows["record"] = self._next_record + np.arange(n)
        self._next_record += n
        rows["arrival"] = rows["time"] + self._latency_ms[rows["who"]]
        luck = rng.random(n)
        if self.feed.wanders:
            # From the far end of the same draw, so that a record is one thing only.
            loose = (rows["marks"] & marks.STEADY) == 0
            late, shuffled = 1 - delivery.late_share, 1 - delivery.late_share - delivery.shuffle_share
            late_ms = (_LATE_FROM_MS, round(delivery.late_hours * HOUR_MS))
            self._delay(rows, loose & (luck > late), late_ms, marks.LATE)
            self._delay(rows, loose & (luck < late) & (luck > shuffled), _SHUFFLED_MS, marks.SHUFFLED)
        repeated = rows.take(np.flatnonzero(luck < delivery.repeat_share))
        repeated["marks"][:] = marks.DUPLICATE
        soon = rng.integers(*_REPEATED_SOON_MS, len(repeated))
        later = rng.integers(*_REPEATED_MS, len(repeated))
        repeated["arrival"] += np.where(rng.random(len(repeated)) < _REPEATED_SOON, soon, later)
        spoilt = (luck >= delivery.repeat_share) & (luck < delivery.repeat_share + _GARBAGE)
        damaged = rows.take(np.flatnonzero(spoilt))
        damaged["marks"][:] = rng.choice(garbage.MARKS, len(damaged), p=garbage.SHARES)
        damaged["arrival"] += rng.integers(*_REPEATED_SOON_MS, len(damaged))
        self._pending += [rows, repeated, damaged]

    def _delay(self, rows: Rows, chosen: Bools, range_ms: tuple[int, int], mark: int) -> None:
        where = np.flatnonzero(chosen)
        rows["arrival"][where] += self._rng.integers(*range_ms, len(where))
        rows["marks"][where] |= mark

    def deliver(self, until_ms: int = NEVER_MS) -> int:
        """Write what arrives before an instant, in order; returns how many records."""
        if not self._pending:
            return 0
        rows = joined(self._pending)
        arrives = np.flatnonzero(rows["arrival"] < until_ms)
        self._pending = [rows.take(np.flatnonzero(rows["arrival"] >= until_ms))]
        order = arrives[_order(rows["arrival"][arrives])]
        for begin in range(0, len(order), _BLOCK):
            self._write(rows.take(order[begin : begin + _BLOCK]))
        return len(order)

    def _write(self, rows: Rows) -> None:
        octets, used = encode(self.feed.fields, rows)
        for index in np.flatnonzero(rows["marks"] & marks.GARBAGE):
            garbage.damage(octets[index], used[index], int(rows["marks"][index]), self._rng)
        self._file.write(octets[used].data)
        self._tell(rows)
        self.written += len(rows)

    def _tell(self, rows: Rows) -> None:
        odd = np.flatnonzero(rows["marks"] & ~np.uint32(marks.STEADY))
        behind = ((rows["arrival"][odd] - rows["time"][odd]) / 1000).tolist()
        lines = []
        for index, bits, seconds in zip(odd.tolist(), rows["marks"][odd].tolist(), behind, strict=True):
            for mark in marks.MARKS:
                if bits & mark.bit:
                    detail = mark.detail or f"arrives {seconds} s after its event"
                    lines.append(
                        f'{{"feed": "{self.feed.name}", "record": {self.written + index + 1}, '
                        f'"kind": "{mark.kind}", "detail": "{detail}"}}\n'
                    )
                    self.dirt_counts[mark.kind] += 1
        self._dirt.write("".join(lines))

    def close(self) -> None:
        """Close the file; what was not delivered is dropped."""
        self._file.close()


def _order(arrival: Ints) -> Ints:
    """Indices in order of arrival, ties in order of index: time and index sorted as one number, faster than argsort."""
    if not len(arrival):
        return np.zeros(0, np.int64)
    bits = max(int(len(arrival) - 1).bit_length(), 1)
    both = (arrival - arrival.min()) << bits | np.arange(len(arrival))
    both.sort()
    ordered: Ints = both & ((1 << bits) - 1)
    return ordered
