"""The profiles of one shard: decoded on the way out of the state, encoded on the way in, counted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from schemas import state
from schemas.outputs import ShardCounts
from schemas.rules import Rules
from udfs.profile.fold import erase

_GRACE_AFTER_EXPIRY_MS = 24 * 3_600_000


class Blobs(Protocol):
    """Where the encoded profiles are: the engine's map state, or a stand-in."""

    def get(self, key: str) -> bytes | None:
        """The blob, None when there is none."""

    def put_all(self, blobs: dict[str, bytes]) -> None:
        """Keep the blobs."""

    def remove(self, key: str) -> None:
        """Drop the blob."""

    def items(self) -> Iterable[tuple[str, bytes]]:
        """All of them."""


class _Cached(NamedTuple):
    packed: bytes
    state_bytes: int


class UserStates:
    """Loads and stores profiles; what was stored is in the state after `flush`, which ends every batch.

    Parameters
    ----------
    blobs
        The state.
    cache_size
        Packed blobs kept in memory; 0: none. Blobs, not profiles: a decoded one is hundreds of small objects all over
        memory, and going back to them costs more than decoding anew (measured: docs/decisions/0006-cache-blobs.md).
    erased
        User -> time up to which everything was erased while no job ran; taken note of when the user is loaded.
    """

    def __init__(self, blobs: Blobs, cache_size: int, erased: Mapping[str, int]) -> None:
        self._blobs = blobs
        self._cache_size = cache_size
        self._erased = erased
        # what is here equals the state, which is written every batch
        self._cache: OrderedDict[str, _Cached] = OrderedDict()
        # of the batch: what is not written yet, and how much of the state who was looked at takes
        self._unwritten: dict[str, bytes] = {}
        self._state_bytes: dict[str, int] = {}

    def load(self, user: str, counts: ShardCounts) -> tuple[state.Profile, bool]:
        """The user's profile, empty when there is none, and whether there is one.

        Who was erased while no job ran is erased here too, in the state as well.
        """
        blob = self._blob_of(user)
        profile = state.decode(blob) if blob is not None else state.Profile()
        if self._erased:
            lived = profile.n > 0
            if self.note_erasure(user, profile):
                counts.users -= lived
                if blob is not None:
                    self.store(user, profile)
        return profile, blob is not None

    def note_erasure(self, user: str, profile: state.Profile) -> bool:
        """Erase the profile if `user` was erased while no job ran; returns whether that changed it.

        Not that of a linked identifier: its person was erased, and it may be somebody else's now.
        """
        erased_ms = self._erased.get(user, 0)
        if erased_ms <= profile.erased_ms or profile.links:
            return False
        erase(profile, erased_ms)
        return True

    def holds(self, user: str) -> bool:
        """Whether the state has the user."""
        return self._blob_of(user) is not None

    def store(self, user: str, profile: state.Profile) -> bytes:
        """Take the profile over; returns it packed."""
        if user not in self._state_bytes:
            self._blob_of(user)
        packed = self._unwritten[user] = state.pack(profile)
        return packed

    def remove(self, user: str, counts: ShardCounts) -> None:
        """Drop the user, who was loaded or stored, from the state."""
        if user not in self._state_bytes:
            self._blob_of(user)
        state_bytes = self._state_bytes.pop(user)
        if state_bytes:
            self._blobs.remove(user)
        self._unwritten.pop(user, None)
        self._cache.pop(user, None)
        counts.state_bytes -= state_bytes

    def flush(self, counts: ShardCounts) -> None:
        """Write what was stored: compressed and handed over in one call each, for all users of the batch."""
        if self._unwritten:
            blobs = dict(zip(self._unwritten, state.compress_all(list(self._unwritten.values())), strict=True))
            self._blobs.put_all(blobs)
            for user, blob in blobs.items():
                counts.state_bytes += len(blob) - self._state_bytes[user]
                if self._cache_size:
                    self._cache[user] = _Cached(self._unwritten[user], len(blob))
            while len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
            self._unwritten = {}
        self._state_bytes = {}

    def sweep(
        self, now_ms: int, rules: Rules, counts: ShardCounts, still_waits: Callable[[state.Profile, int], bool]
    ) -> None:
        """Drop the profiles whose hot copy has expired: the closed form says they are below the floor.

        Not those of whom ``still_waits(profile, now_ms)`` says that something is still to happen to them by itself.
        Links and erasures stay: without them an identifier would lose its person, or a replay bring one back.
        """
        for user, blob in list(self._blobs.items()):
            profile = state.decode(blob)
            self._state_bytes[user] = len(blob)
            lived = profile.n > 0
            if self.note_erasure(user, profile):
                counts.users -= lived
                self.store(user, profile)
                continue
            kept_until_ms = max(profile.due_ms, profile.last_write_ms + rules.hot_retention_ms)
            expired = kept_until_ms + _GRACE_AFTER_EXPIRY_MS < now_ms
            if expired and not profile.links and not profile.erased_ms and not still_waits(profile, now_ms):
                counts.users -= profile.n > 0
                self.remove(user, counts)
        self.flush(counts)

    def _blob_of(self, user: str) -> bytes | None:
        """The user's blob, packed or as the state keeps it; what it takes of the state is noted."""
        unwritten = self._unwritten.get(user)
        if unwritten is not None:
            return unwritten
        cached = self._cache.get(user)
        if cached is not None:
            self._cache.move_to_end(user)
            self._state_bytes[user] = cached.state_bytes
            return cached.packed
        blob = self._blobs.get(user)
        self._state_bytes[user] = len(blob) if blob is not None else 0
        return blob
