"""Hot sink: one guarded, atomic server-side function per changed user, pipelined once per batch.

Guarantee: effectively once. A write is accepted when its version is newer than or equal to the stored one, so replays
and zombie writers never move a profile back; a snapshot is full, so a write that was coalesced or refused loses
nothing. Idempotency key: (user, version). An erased user leaves a tombstone: writers that don't know of the erasure are
refused as older. Works on Redis 7.0 or later and Valkey.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from schemas.outputs import HotProfile, LinkedIdentifier, Removal
from schemas.published_group import published
from schemas.redis_keys import (
    AS_OF_MS,
    CATALOGUE_VERSION,
    DRIFT,
    DRIFT_SINCE_MS,
    ERASED_MS,
    OTHER_PREFIX,
    VERSION,
    catalogue_key,
    groups_key,
    identifier_key,
)
from schemas.tag_group import TagGroup
from sinks.hot_functions import PUT_PROFILE, TOMBSTONE_MS, HotFunctions
from sinks.plain_decimal import plain_decimals
from sinks.server_functions import Call, connect
from sinks.trigger_functions import TriggerFunctions

_json = msgspec.json.Encoder().encode


class Written(NamedTuple):
    """What became of a batch: profiles written, and profiles refused because the stored one is newer."""

    written: int
    refused: int


class RedisHotSink:
    """Writes hot profiles.

    Parameters
    ----------
    url
        redis:// or rediss:// URL, with credentials if needed; never logged.
    prefix
        First part of every key.
    timeout_s, give_up_s
        Limit of one network operation, and of retrying a batch before the job fails.
    tombstone_ms
        How long the tombstone of an erased user stays; must outlive any replay.

    Raises
    ------
    SinkGaveUp
        From `write_batch`, `remove` and `link` when the server stays away for `give_up_s`.
    """

    def __init__(
        self, url: str, prefix: str, timeout_s: float, give_up_s: float, tombstone_ms: int = TOMBSTONE_MS
    ) -> None:
        self._prefix = prefix
        self._tombstone_ms = tombstone_ms
        self._client = connect(url, timeout_s)
        self._functions = HotFunctions(self._client, prefix, give_up_s)
        self._triggers = TriggerFunctions(self._client, prefix, give_up_s)

    def open(self, half_lives_ms: dict[str, int], groups: Iterable[TagGroup] = ()) -> None:
        """Load the server-side functions and publish what readers decay with, and what tags may be read for.

        Parameters
        ----------
        half_lives_ms
            Group -> half-life in force.
        groups
            Declarations of those that readers may read by a purpose; others can't be.
        """
        half_lives = {group: str(ms) for group, ms in half_lives_ms.items()}
        catalogue = {group.name: published(group, half_lives_ms[group.name]) for group in groups}

        def publish() -> None:
            pipeline = self._client.pipeline(transaction=True)
            pipeline.hset(groups_key(self._prefix), mapping=half_lives)
            if catalogue:
                pipeline.hset(catalogue_key(self._prefix), mapping=catalogue)
                pipeline.hincrby(catalogue_key(self._prefix), CATALOGUE_VERSION, 1)
            pipeline.execute()

        self._functions.load()
        self._triggers.load()
        self._functions.until_it_passes(publish)

    def remove(self, removals: Sequence[Removal]) -> int:
        """Remove the users that were moved or erased, before the profiles of the same batch are written.

        The triggers of those who were erased leave their stream. A withdrawal needs nothing here: the profile without
        its groups replaces the stored one. Returns how many of the users had a profile. Repeating it changes nothing.
        """
        gone = [identifier_key(self._prefix, removal.user) for removal in removals if removal.kind == "unlink"]
        if gone:
            self._functions.until_it_passes(lambda: self._client.delete(*gone))
        removed = self._functions.remove(removals, self._tombstone_ms)
        self._triggers.erase(removals, self._tombstone_ms)
        return removed

    def link(self, links: Sequence[LinkedIdentifier]) -> None:
        """Write whose the identifiers are now; of several links of one the last. Repeating it changes nothing."""
        persons = {link.identifier: link.person for link in links}

        def write() -> None:
            pipeline = self._client.pipeline(transaction=False)
            for identifier, person in persons.items():
                pipeline.set(identifier_key(self._prefix, identifier), person)
            pipeline.execute()

        if persons:
            self._functions.until_it_passes(write)

    def write_batch(self, profiles: Sequence[HotProfile]) -> Written:
        """Write every profile of the batch; each user appears at most once."""
        written = sum(self._functions.call([self._put(profile) for profile in profiles]))
        return Written(written, len(profiles) - written)

    def close(self) -> None:
        """Close the connection; nothing is buffered, so nothing is lost without it."""
        self._client.close()

    def _put(self, profile: HotProfile) -> Call:
        return (
            PUT_PROFILE,
            *self._functions.keys(profile.user),
            profile.version,
            profile.expires_at_ms,
            _json(profile.last_evidence_ms),
            profile.erased_ms,
            *_fields(profile),
        )


def _fields(profile: HotProfile) -> list[str | int | bytes]:
    names = [*profile.weights, *(OTHER_PREFIX + group for group in profile.other)]
    numbers = plain_decimals([*profile.weights.values(), *profile.other.values()])
    fields: list[str | int | bytes] = [VERSION, profile.version, AS_OF_MS, profile.as_of_ms]
    if profile.erased_ms:
        fields += (ERASED_MS, profile.erased_ms)
    if profile.reason:
        fields += (DRIFT, profile.reason, DRIFT_SINCE_MS, profile.changed_ms)
    for name, number in zip(names, numbers, strict=True):
        fields += (name, number)
    return fields
