"""The server-side functions of the hot profiles."""

from __future__ import annotations

import time
from collections.abc import Sequence

import redis

from schemas.outputs import Removal
from schemas.redis_keys import evidence_key, identifier_key, profile_key, tombstone_key
from schemas.tag_group import MS_PER_DAY
from sinks.server_functions import Call, ServerFunctions

PUT_PROFILE = "livetags_put_profile_2"
REMOVE_PROFILE = "livetags_remove_profile_2"

TOMBSTONE_MS = 30 * MS_PER_DAY
"""How long a tombstone stays after its last write, unless told otherwise."""


class HotFunctions(ServerFunctions):
    """Calls of the functions on one client, each until it succeeded.

    Parameters
    ----------
    client, give_up_s
        See `ServerFunctions`.
    prefix
        First part of every key.
    """

    def __init__(self, client: redis.Redis, prefix: str, give_up_s: float) -> None:
        super().__init__(client, "hot_profile.lua", give_up_s)
        self._prefix = prefix

    def keys(self, user: str) -> tuple[int, str, str, str, str]:
        """The keys every function takes, preceded by their number."""
        prefix = self._prefix
        return (
            4,
            profile_key(prefix, user),
            evidence_key(prefix, user),
            tombstone_key(prefix, user),
            identifier_key(prefix, user),
        )

    def remove(self, removals: Sequence[Removal], tombstone_ms: int) -> int:
        """Remove the users that were moved or erased; returns how many had a profile."""
        expiry_ms = int(time.time() * 1_000) + tombstone_ms
        calls: list[Call] = [
            (REMOVE_PROFILE, *self.keys(r.user), r.kind, r.time_ms, expiry_ms)
            for r in removals
            if r.kind == "erase" or (r.kind == "move" and r.user != r.to)
        ]
        return sum(self.call(calls))
