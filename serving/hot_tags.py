"""Reading hot tags from Redis and decaying them to now.

The layout is that of `schemas.redis_keys`; a reader in another language does the same with HGETALL, GET and one
formula: ``weight * 2**(-(now - as_of) / half_life)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from math import exp2, ldexp
from typing import Any

import msgspec
import redis
from msgspec import Struct
from msgspec.structs import replace

from schemas.redis_keys import (
    AS_OF_MS,
    DRIFT,
    DRIFT_SINCE_MS,
    ERASED_MS,
    OTHER_PREFIX,
    VERSION,
    evidence_key,
    groups_key,
    profile_key,
)
from serving.tag_view import TagView

# A transaction holds the server: at some hundred fields a user this is a few milliseconds.
_USERS_PER_TRIP = 64
# Beyond this many half-lives a double is zero whatever it was; ldexp's exponent must fit a C int.
_GONE_HALF_LIVES = 2_200

_evidence_decoder = msgspec.json.Decoder(dict[str, int])


class DamagedProfileError(ValueError):
    """What Redis holds for a user is not a hot profile of this layout; the text says which part, not whose."""


class HotView(Struct, frozen=True):
    """One user's hot tags at one instant.

    Attributes
    ----------
    user
        Subscriber's id.
    generation, n
        Version of the profile: rebuilds and erasures so far, distinct events folded in.
    as_of_ms
        Instant of the weights: the user's newest event when just read.
    tags
        Heaviest first; tags below the floor are not in Redis.
    other
        Group -> weight of the tags beyond the cap; only groups that have any.
    half_lives_ms
        Group -> half-life.
    reason, changed_ms
        The newest change of behaviour in a few words, and about when it was; empty and 0 if none was noticed.
    """

    user: str
    generation: int
    n: int
    as_of_ms: int
    tags: tuple[TagView, ...]
    other: dict[str, float]
    half_lives_ms: dict[str, int]
    reason: str = ""
    changed_ms: int = 0

    @property
    def version(self) -> tuple[int, int]:
        """``(generation, n)``; a larger one is newer."""
        return self.generation, self.n

    def at(self, now_ms: int) -> HotView:
        """The same tags decayed to `now_ms` (milliseconds since the epoch); no further evidence assumed.

        A clock a little behind `as_of_ms` is harmless: the formula runs backwards, shares stay. It is not a way to ask
        for the past, since later evidence is in the weights: see `serving.history.profile_as_of`.

        Raises
        ------
        ValueError
            When `now_ms` is so long before `as_of_ms` that weights overflow: most likely it is in seconds.
        """
        elapsed_ms = now_ms - self.as_of_ms
        try:
            tags = [replace(t, weight=_decayed(t.weight, elapsed_ms, t.half_life_ms)) for t in self.tags]
            other = {group: _decayed(w, elapsed_ms, self.half_lives_ms[group]) for group, w in self.other.items()}
        except OverflowError:
            msg = f"now_ms is {now_ms}, {-elapsed_ms} ms before the profile's newest event: expected the time now in ms"
            raise ValueError(msg) from None
        return replace(self, as_of_ms=now_ms, tags=_heaviest_first(tags), other=other)


class HotTags:
    """Client of the hot profiles.

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

    def read(self, user: str) -> HotView | None:
        """The user's hot tags, None when there is no profile (never seen, or all tags expired).

        Raises
        ------
        DamagedProfileError
            When what is there can't be read as a profile.
        """
        return self.read_many([user]).get(user)

    def read_many(self, users: Iterable[str]) -> dict[str, HotView]:
        """The hot tags of those of the users that have a profile.

        Raises
        ------
        DamagedProfileError
            When one of them can't be read as a profile.
        """
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
            half_lives_ms = {group: int(ms) for group, ms in _texts(half_lives).items()}
            for user, fields, evidence in zip(chunk, replies[::2], replies[1::2], strict=True):
                if fields:
                    views[user] = _view(user, _texts(fields), evidence, half_lives_ms)
        return views


def _view(user: str, fields: dict[str, str], evidence: bytes | str | None, half_lives_ms: dict[str, int]) -> HotView:
    try:
        # The evidence names the tags: a tag may itself be called "x.mean"
        last_ms = _evidence_decoder.decode(evidence if evidence is not None else b"{}")
        generation, n = fields.pop(VERSION).split("-")
        as_of_ms = int(fields.pop(AS_OF_MS))
        fields.pop(ERASED_MS, None)
        reason, changed_ms = fields.pop(DRIFT, ""), int(fields.pop(DRIFT_SINCE_MS, 0))
        numbers = {name: float(text) for name, text in fields.items()}
        other = {name.removeprefix(OTHER_PREFIX): numbers.pop(name) for name in fields if name.startswith(OTHER_PREFIX)}
        tags = [
            TagView(
                tag,
                numbers.pop(tag),
                None if f"{tag}.mean" in last_ms else numbers.pop(f"{tag}.mean", None),
                None if f"{tag}.std" in last_ms else numbers.pop(f"{tag}.std", None),
                ms,
                half_lives_ms[tag.partition(":")[0]],
            )
            for tag, ms in last_ms.items()
        ]
        if numbers:
            msg = f"{len(numbers)} fields belong to no tag of the evidence"
            raise ValueError(msg)
        version = int(generation), int(n)
        return HotView(user, *version, as_of_ms, _heaviest_first(tags), other, half_lives_ms, reason, changed_ms)
    except (KeyError, ValueError, msgspec.DecodeError) as error:
        # The error's text can quote a tag or a weight, which are the user's
        msg = (
            f"a hot profile can't be read ({type(error).__name__}): expected the fields {VERSION}, {AS_OF_MS} and one "
            f"number per tag, times of evidence for the same tags, and the half-life of each group in "
            f"<prefix>:groups. Check that the prefix is right and that nothing but livetags writes those keys"
        )
        raise DamagedProfileError(msg) from None


def _texts(mapping: Mapping[Any, Any]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in mapping.items()}


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()


def _heaviest_first(tags: list[TagView]) -> tuple[TagView, ...]:
    return tuple(sorted(tags, key=lambda t: (-t.weight, t.tag)))


def _decayed(weight: float, elapsed_ms: int, half_life_ms: int) -> float:
    """``weight * 2**(-elapsed / half_life)``: whole half-lives exactly, the rest with one rounding."""
    whole, rest_ms = divmod(elapsed_ms, half_life_ms)
    return ldexp(weight * exp2(-rest_ms / half_life_ms), -min(max(whole, -_GONE_HALF_LIVES), _GONE_HALF_LIVES))
