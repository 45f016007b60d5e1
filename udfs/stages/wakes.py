"""When to look at which person by itself: one entry a person, however many rules wait for something.

Kept in the state in slots of ten seconds, so a shard's timer needs only the next slot, and a restart loses nothing. An
entry is a hint: the person's own memory says what is due, and an entry for nothing costs one look.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

import msgspec

from udfs.stages.user_states import Blobs

SLOT_MS = 10_000

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[int, str]]).decode


class Wakes:
    """The entries of one shard.

    Parameters
    ----------
    blobs
        The state: number of a slot -> its entries.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._slots = [int(slot) for slot, _ in blobs.items()]
        heapify(self._slots)
        self._known = set(self._slots)

    def note(self, entries: Iterable[tuple[str, int]]) -> None:
        """Take note of persons and when to look at them, milliseconds since the epoch."""
        by_slot: dict[int, list[tuple[int, str]]] = {}
        for person, wake_ms in entries:
            by_slot.setdefault(wake_ms // SLOT_MS, []).append((wake_ms, person))
        encoded = {}
        for slot, more in by_slot.items():
            if slot not in self._known:
                self._known.add(slot)
                heappush(self._slots, slot)
            else:
                more = [*self._entries(slot), *more]
            encoded[str(slot)] = _encode(more)
        if encoded:
            self._blobs.put_all(encoded)

    def take(self, until_ms: int) -> list[str]:
        """Persons whose time has come, earliest first; they are forgotten."""
        due: list[tuple[int, str]] = []
        while self._slots and self._slots[0] * SLOT_MS <= until_ms:
            slot = self._slots[0]
            entries = self._entries(slot)
            later = [entry for entry in entries if entry[0] > until_ms]
            due += [entry for entry in entries if entry[0] <= until_ms]
            if later:
                if len(later) < len(entries):
                    self._blobs.put_all({str(slot): _encode(later)})
                break
            heappop(self._slots)
            self._known.discard(slot)
            self._blobs.remove(str(slot))
        return [person for _, person in sorted(due)]

    def next_ms(self) -> int:
        """When to look next; 0: never."""
        return min(wake_ms for wake_ms, _ in self._entries(self._slots[0])) if self._slots else 0

    def _entries(self, slot: int) -> list[tuple[int, str]]:
        packed = self._blobs.get(str(slot))
        return _decode(packed) if packed is not None else []
