"""When to look at which person by itself: one entry a person and queue, however many rules wait for something.

A queue is for the rules that wait for the same feeds, because these can be read up to different instants. Kept in the
state in slots of ten seconds, so a shard's timer needs only the next slots, and a restart loses nothing. An entry is a
hint: the person's own memory says what is due, and an entry for nothing costs one look.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

import msgspec

from udfs.stages.user_states import Blobs

SLOT_MS = 10_000

Wake = tuple[str, str, int]
"""(queue, person, when)."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[int, str]]).decode


class Wakes:
    """The entries of one shard.

    Parameters
    ----------
    blobs
        The state: queue and number of a slot -> its entries.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._slots: dict[str, list[int]] = {}
        self._known: set[tuple[str, int]] = set()
        for key, _ in blobs.items():
            queue, _, slot = key.rpartition(" ")
            self._add(queue, int(slot))

    def note(self, entries: Iterable[Wake]) -> None:
        """Take note of persons and when to look at them, milliseconds since the epoch."""
        by_slot: dict[tuple[str, int], list[tuple[int, str]]] = {}
        for queue, person, wake_ms in entries:
            by_slot.setdefault((queue, wake_ms // SLOT_MS), []).append((wake_ms, person))
        encoded = {}
        for (queue, slot), more in by_slot.items():
            if (queue, slot) not in self._known:
                self._add(queue, slot)
            else:
                more = [*self._entries(queue, slot), *more]
            encoded[_key(queue, slot)] = _encode(list(dict.fromkeys(more)))
        if encoded:
            self._blobs.put_all(encoded)

    def take(self, queue: str, until_ms: int) -> list[str]:
        """Persons whose time has come, earliest first; they are forgotten."""
        due: list[tuple[int, str]] = []
        slots = self._slots.get(queue, [])
        while slots and slots[0] * SLOT_MS <= until_ms:
            slot = slots[0]
            entries = self._entries(queue, slot)
            later = [entry for entry in entries if entry[0] > until_ms]
            due += [entry for entry in entries if entry[0] <= until_ms]
            if later:
                if len(later) < len(entries):
                    self._blobs.put_all({_key(queue, slot): _encode(later)})
                break
            heappop(slots)
            self._known.discard((queue, slot))
            self._blobs.remove(_key(queue, slot))
        return [person for _, person in sorted(due)]

    def queues(self) -> list[str]:
        """Those with entries."""
        return [queue for queue, slots in self._slots.items() if slots]

    def next_ms(self, queue: str) -> int:
        """When to look next; 0: never."""
        slots = self._slots.get(queue)
        return min(wake_ms for wake_ms, _ in self._entries(queue, slots[0])) if slots else 0

    def _add(self, queue: str, slot: int) -> None:
        self._known.add((queue, slot))
        heappush(self._slots.setdefault(queue, []), slot)

    def _entries(self, queue: str, slot: int) -> list[tuple[int, str]]:
        packed = self._blobs.get(_key(queue, slot))
        return _decode(packed) if packed is not None else []


def _key(queue: str, slot: int) -> str:
    return f"{queue} {slot}" if queue else str(slot)
