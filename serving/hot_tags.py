"""Reading whole hot profiles, whatever their tags may be used for: for the operator's own checks and commands.

A service reads through `serving.client`, which states who reads and what for, and leaves a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import redis
from msgspec import Struct

from schemas.redis_keys import OTHER_PREFIX, evidence_key, groups_key, profile_key
from serving.hot_view import HotView, damaged, hot_view

# A transaction holds the server: at some hundred fields a user this is a few milliseconds.
_USERS_PER_TRIP = 64
_RESERVED = "_"


class _HalfLife(Struct, frozen=True):
    half_life_ms: int
    numeric: bool = True  # the half-lives don't say


class HotTags:
    """Reader of the whole hot profiles.

    Guarantee: a view is one version of a profile, never parts of two; it may be older than the log by the job's
    latency. Costs one network trip per 64 users.

    Parameters
    ----------
    client
        Connection to Redis or Valkey, decoding replies or not.
    prefix
        First part of every key (setting ``redis_key_prefix``).
    """

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    def read(self, user: str, at_ms: int | None = None) -> HotView | None:
        """The user's hot tags, None when there is no profile (never seen, erased, or all tags expired).

        Parameters
        ----------
        at_ms
            The instant to decay to, milliseconds since the epoch; None: the user's newest event.

        Raises
        ------
        DamagedProfileError
            When what is there can't be read as a profile.
        ValueError
            When `at_ms` is in seconds.
        """
        return self.read_many([user], at_ms).get(user)

    def read_many(self, users: Iterable[str], at_ms: int | None = None) -> dict[str, HotView]:
        """The hot tags of those of the users that have a profile; see `read`."""
        views: dict[str, HotView] = {}
        waiting = iter(users)
        while chunk := list(islice(waiting, _USERS_PER_TRIP)):
            # MULTI/EXEC: hash and evidence of a user must be of one version
            pipeline = self._client.pipeline(transaction=True)
            pipeline.hgetall(groups_key(self._prefix))
            for user in chunk:
                pipeline.hgetall(profile_key(self._prefix, user))
                pipeline.get(evidence_key(self._prefix, user))
            half_lives, *replies = pipeline.execute()
            groups = {group: _HalfLife(int(ms)) for group, ms in _texts(half_lives).items()}
            for user, fields, evidence in zip(chunk, replies[::2], replies[1::2], strict=True):
                if fields:
                    views[user] = _whole_view(user, _texts(fields), _text(evidence), groups, at_ms)
        return views


def _whole_view(
    user: str, fields: dict[str, str], evidence: str | None, groups: dict[str, _HalfLife], at_ms: int | None
) -> HotView:
    """The view, if every field of the profile is in it."""
    view = hot_view(user, fields, evidence, groups, at_ms=at_ms)
    known = {tag.tag for tag in view.tags}
    known.update(f"{tag.tag}.mean" for tag in view.tags if tag.mean is not None)
    known.update(f"{tag.tag}.std" for tag in view.tags if tag.std is not None)
    known.update(OTHER_PREFIX + group for group in view.other)
    if any(name not in known and (name[:1] != _RESERVED or name.startswith(OTHER_PREFIX)) for name in fields):
        stray = "fields that belong to no tag of the evidence"
        raise damaged(stray)
    return view


def _texts(mapping: Mapping[Any, Any]) -> dict[str, str]:
    return {str(_text(name)): str(_text(value)) for name, value in mapping.items()}


def _text(value: bytes | str | None) -> str | None:
    return value.decode() if isinstance(value, bytes) else value
