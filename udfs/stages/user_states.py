"""The profiles of one shard: decoded on the way out of the state, encoded on the way in, counted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Protocol

from schemas import state
from schemas.outputs import ShardCounts
from schemas.rules import Rules
from udfs.profile.fold import erase

_GRACE_AFTER_EXPIRY_MS = 24 * 3_600_000


class Blobs(Protocol):
    """Where the encoded profiles are: the engine's map state, or a stand-in."""

    def get(self, key: str) -> bytes | None:
        """The blob, None when there is none."""

    def put(self, key: str, value: bytes) -> None:
        """Keep the blob."""

    def remove(self, key: str) -> None:
        """Drop the blob."""

    def items(self) -> Iterable[tuple[str, bytes]]:
        """All of them."""


class UserStates:
    """Loads and stores profiles.

    Parameters
    ----------
    blobs
        The state.
    cache_size
        Blobs kept in memory; 0: none. Blobs, not profiles: a decoded one is hundreds of small objects all over memory,
        and going back to them costs more than decoding anew (measured: docs/decisions/0006-cache-blobs.md).
    erased
        User -> time up to which everything was erased while no job ran; taken note of when the user is loaded.
    """

    def __init__(self, blobs: Blobs, cache_size: int, erased: Mapping[str, int]) -> None:
        self._blobs = blobs
        self._cache_size = cache_size
        self._erased = erased
        # what is here equals the state, which is written every batch
        self._cache: OrderedDict[str, bytes] = OrderedDict()

    def load(self, user: str, counts: ShardCounts) -> tuple[state.Profile, int]:
        """The user's profile, empty when there is none, and the bytes it takes in the state.

        Who was erased while no job ran is erased here too, in the state as well.
        """
        blob = self._cache.get(user)
        if blob is None:
            blob = self._blobs.get(user)
        else:
            self._cache.move_to_end(user)
        profile = state.decode(blob) if blob is not None else state.Profile()
        if self._erased:
            lived = profile.n > 0
            if self.note_erasure(user, profile):
                counts.users -= lived
                if blob is not None:
                    blob = self.store(user, profile, len(blob), counts)
        return profile, len(blob) if blob is not None else 0

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
        return user in self._cache or self._blobs.get(user) is not None

    def store(self, user: str, profile: state.Profile, bytes_before: int, counts: ShardCounts) -> bytes:
        """Write the profile; returns it encoded."""
        blob = state.encode(profile)
        self._blobs.put(user, blob)
        counts.state_bytes += len(blob) - bytes_before
        if self._cache_size:
            self._cache[user] = blob
            if len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
        return blob

    def remove(self, user: str, bytes_before: int, counts: ShardCounts) -> None:
        """Drop the user from the state."""
        self._blobs.remove(user)
        self._cache.pop(user, None)
        counts.state_bytes -= bytes_before

    def sweep(self, now_ms: int, rules: Rules, counts: ShardCounts) -> None:
        """Drop the profiles whose hot copy has expired: the closed form says they are below the floor.

        Links and erasures stay: without them an identifier would lose its person, or a replay bring one back.
        """
        for user, blob in list(self._blobs.items()):
            profile = state.decode(blob)
            lived = profile.n > 0
            if self.note_erasure(user, profile):
                counts.users -= lived
                self.store(user, profile, len(blob), counts)
                continue
            kept_until_ms = max(profile.due_ms, profile.last_write_ms + rules.hot_retention_ms)
            if not profile.links and not profile.erased_ms and kept_until_ms + _GRACE_AFTER_EXPIRY_MS < now_ms:
                counts.users -= profile.n > 0
                self.remove(user, len(blob), counts)
