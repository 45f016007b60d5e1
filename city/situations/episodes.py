"""Situations that begin, last and end: in force once they have lasted, ended once they have been over, for so long."""

from __future__ import annotations

import numpy as np

from city.rows import Bools, Ints

_AWAY, _ARRIVED, _IN_FORCE, _LEAVING = range(4)


class Episodes:
    """One situation of everybody.

    Parameters
    ----------
    count
        Persons.
    hold_ms, hold_exit_ms
        How long it must last to be in force; how long it must be over to have ended.
    """

    def __init__(self, count: int, hold_ms: int = 0, hold_exit_ms: int = 0) -> None:
        self._hold_ms, self._hold_exit_ms = hold_ms, hold_exit_ms
        self._phase = np.full(count, _AWAY)
        self._due_ms = np.zeros(count, np.int64)
        self._began: list[tuple[Ints, Ints]] = []
        self._ended: list[tuple[Ints, Ints]] = []

    def step(self, who: Ints, time: Ints, enters: Bools, leaves: Bools) -> None:
        """An event of each of some persons: it may show that the situation is there, or that it is over."""
        self._pass(who, time)
        phase = self._phase[who]
        arrives = enters & ~leaves & (phase == _AWAY)
        self._set(who[arrives], time[arrives], _ARRIVED, self._hold_ms)
        self._phase[who[leaves & (phase == _ARRIVED)]] = _AWAY
        goes = leaves & (phase == _IN_FORCE)
        self._set(who[goes], time[goes], _LEAVING, self._hold_exit_ms)
        self._phase[who[enters & ~leaves & (phase == _LEAVING)]] = _IN_FORCE

    def settle(self, until_ms: int) -> None:
        """Let time pass, for everybody."""
        everybody = np.arange(len(self._phase))
        self._pass(everybody, np.full(len(everybody), until_ms))

    def began(self) -> tuple[Ints, Ints]:
        """Who has come to be in it since the last call, and when."""
        return _taken(self._began)

    def ended(self) -> tuple[Ints, Ints]:
        """For whom it has ended since the last call, and when."""
        return _taken(self._ended)

    def _set(self, who: Ints, time: Ints, phase: int, wait_ms: int) -> None:
        self._phase[who], self._due_ms[who] = phase, time + wait_ms
        if not wait_ms:
            self._pass(who, time)

    def _pass(self, who: Ints, time: Ints) -> None:
        is_due = self._due_ms[who] <= time
        stayed = who[is_due & (self._phase[who] == _ARRIVED)]
        gone = who[is_due & (self._phase[who] == _LEAVING)]
        self._phase[stayed], self._phase[gone] = _IN_FORCE, _AWAY
        self._began.append((stayed, self._due_ms[stayed]))
        self._ended.append((gone, self._due_ms[gone]))


def _taken(parts: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    who, at_ms = (np.concatenate(column) for column in zip(*parts, strict=True))
    parts.clear()
    return who, at_ms
