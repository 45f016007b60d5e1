"""What a sequence of removals does to rows that were there before, worked out without the rows.

Each removal says of a row of some user: it is now another user's, it goes, or it stays. So a sequence of them is one
such statement per user, and a store carries out the whole sequence at once.
"""

from __future__ import annotations

from collections.abc import Container

from schemas.outputs import Removal

# The names travel as query parameters, some 50 bytes each when escaped; a request line has at most 64 KiB.
AT_ONCE = 400


class Removals:
    """A sequence of removals, composed; see `take`.

    Attributes
    ----------
    erased
        User -> event time up to which everything was erased.
    targets
        Users to whom rows were moved.
    emptied
        Users none of whose rows stay where they were.
    """

    def __init__(self) -> None:
        self.erased: dict[str, int] = {}
        self.targets: set[str] = set()
        self.emptied: set[str] = set()
        self._holds: dict[str, list[str]] = {}  # user -> whose former rows are the user's now
        self._forgotten: dict[str, set[str]] = {}
        self._numbers: dict[str, int] = {}
        self._size = 0

    def __bool__(self) -> bool:
        return self._size > 0

    def take(self, removal: Removal) -> bool:
        """Add a removal to the sequence.

        Returns False when it can't be carried out together with the ones so far: rows would go to a user who loses
        some, or the sequence is long enough. Carry out this one then, and begin another.

        Raises
        ------
        ValueError
            When it names no user, or a user to move to: records about nobody known have that name.
        """
        if not removal.user or (removal.kind == "move" and not removal.to):
            msg = f"a removal of kind {removal.kind!r} names no user: expected a pseudonym"
            raise ValueError(msg)
        if removal.kind == "move" and removal.user == removal.to:
            return True
        loses_rows = removal.to in self.emptied or removal.to in self._forgotten
        if self._size >= AT_ONCE or (removal.kind == "move" and loses_rows):
            return False
        origins = self._origins(removal.user)
        if removal.kind == "forget":
            for origin in origins:
                self._forgotten.setdefault(origin, set()).update(removal.groups)
            self._size += len(removal.groups) * len(origins)
            return True
        if removal.kind == "move":
            self.targets.add(removal.to)
            self._holds[removal.to] = [*self._origins(removal.to), *origins]
            if removal.number:
                self._numbers.update(dict.fromkeys(origins, removal.number))
        elif removal.kind == "erase":
            self.erased[removal.user] = max(removal.time_ms, self.erased.get(removal.user, 0))
        else:
            msg = f"a removal is of kind {removal.kind!r}: expected move, forget or erase"
            raise ValueError(msg)
        self._holds[removal.user] = []
        self.emptied.add(removal.user)
        self._size += 1
        return True

    def moved(self) -> dict[str, str]:
        """User -> who has the rows now."""
        return {origin: user for user, origins in self._holds.items() for origin in origins if origin != user}

    def numbers(self) -> dict[str, int]:
        """User whose rows moved -> the number they have now (`Removal.number`); absent: they keep theirs."""
        return {origin: self._numbers[origin] for origin in self.moved() if origin in self._numbers}

    def forgotten(self, users: Container[str] | None = None) -> list[tuple[str, str]]:
        """(user, tag group) whose rows go; of these users, all if not given."""
        return [
            (user, group)
            for user, groups in self._forgotten.items()
            if users is None or user in users
            for group in sorted(groups)
        ]

    def _origins(self, user: str) -> list[str]:
        return self._holds.get(user, [user])
