"""What the clients ask of Redis and what they make of the answer, without the asking: sync and asyncio share it.

A read is a generator: it yields transactions, each a list of commands, is sent the replies, and returns its result.
Whoever drives it only carries words to and fro.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from schemas.published_group import PublishedGroup
from schemas.redis_keys import (
    AS_OF_MS,
    CATALOGUE_VERSION,
    VERSION,
    catalogue_key,
    evidence_key,
    identifier_key,
    profile_key,
    tombstone_key,
)
from serving.audit import Command, audit_command
from serving.catalogue import Catalogue, catalogue_missing, read_catalogue
from serving.hot_view import HotView, damaged, hot_view, last_evidence_ms, tag_views, too_early
from serving.pseudonym import checked_pseudonym
from serving.reader import Reader
from serving.tag_view import TagView

T = TypeVar("T")

Transaction = list[Command]
Steps = Generator[Transaction, list[Any], T]
"""A read: yields transactions, is sent their replies, returns the result."""

MAX_USERS = 1_000
"""Of one batch: a transaction holds the server, some 20 ms of it for so many."""


class Reads:
    """Reads of one prefix; keeps the catalogue, and knows when its copy is no longer the one in force.

    Parameters
    ----------
    prefix
        First part of every key (setting ``redis_key_prefix``).
    weight_floor
        Lighter tags are left out (setting ``weight_floor``).
    kept_records
        How many records of the audit trail stay.
    clock_ms
        The time now, milliseconds since the epoch: weights are decayed to it.
    """

    def __init__(self, prefix: str, weight_floor: float, kept_records: int, clock_ms: Callable[[], int]) -> None:
        self._prefix = prefix
        self._weight_floor = weight_floor
        self._kept_records = kept_records
        self._clock_ms = clock_ms
        self._catalogue: Catalogue | None = None
        self._readable: dict[tuple[int, Reader], dict[str, PublishedGroup]] = {}

    def profiles(self, reader: Reader, users: Iterable[str], operation: str = "profiles") -> Steps[dict[str, HotView]]:
        """A view of each user, in the order given."""
        asked = _checked(users)
        if not asked:
            return {}
        prefix = self._prefix
        # the short values all in one command: each command has its price on the way
        short = ("MGET", *(evidence_key(prefix, u) for u in asked), *(tombstone_key(prefix, u) for u in asked))
        hashes: Transaction = [("HGETALL", profile_key(prefix, user)) for user in asked]
        (values, *found), catalogue = yield from self._audited(reader, operation, asked, [short, *hashes])
        groups, now_ms = self._groups(catalogue, reader), self._clock_ms()
        views = {}
        for user, fields, evidence, tombstone in zip(
            asked, found, values[: len(asked)], values[len(asked) :], strict=True
        ):
            if fields:
                views[user] = hot_view(
                    user, _mapping(fields), evidence, groups, at_ms=now_ms, weight_floor=self._weight_floor
                )
            elif tombstone is not None:
                views[user] = HotView(user, as_of_ms=now_ms, presence="erased", erased_ms=int(tombstone))
            else:
                views[user] = HotView(user, as_of_ms=now_ms, presence="absent")
        return views

    def tags(
        self, reader: Reader, user: str, names: Iterable[str], operation: str = "tags"
    ) -> Steps[dict[str, TagView]]:
        """The tags of these names that the user has."""
        asked = list(dict.fromkeys(names))
        users = _checked([user])
        known = yield from self.catalogue()
        numeric = [name for name in asked if known.group_of(name, reader).kind == "numeric"]
        if not asked:
            return {}
        wanted = [AS_OF_MS, VERSION, *asked, *(name + suffix for name in numeric for suffix in (".mean", ".std"))]
        reads: Transaction = [
            ("HMGET", profile_key(self._prefix, user), *wanted),
            ("GET", evidence_key(self._prefix, user)),
        ]
        (values, evidence), catalogue = yield from self._audited(reader, operation, users, reads)
        fields = {name: value for name, value in zip(wanted, values, strict=True) if value is not None}
        if VERSION not in fields:
            return {}
        groups = {name.partition(":")[0]: catalogue.group_of(name, reader) for name in asked}
        return self._tags(fields, evidence, asked, groups)

    def has(self, reader: Reader, user: str, tag: str, above: float) -> Steps[bool]:
        """Whether the user has the tag with this weight or more."""
        found = yield from self.tags(reader, user, [tag], "has")
        return tag in found and found[tag].weight >= above

    def whose(self, reader: Reader, identifier: str) -> Steps[str | None]:
        """The person an identifier belongs to now, by their pseudonyms; None: nobody is linked to it."""
        users = _checked([identifier])
        [person], _ = yield from self._audited(
            reader, "whose", users, [("GET", identifier_key(self._prefix, identifier))]
        )
        return None if person is None else str(person)

    def erasures(self, reader: Reader, user: str, operation: str) -> Steps[int]:
        """Event time of the user's newest erasure, 0: none is remembered; leaves a record of `operation`."""
        users = _checked([user])
        [tombstone], _ = yield from self._audited(
            reader, operation, users, [("GET", tombstone_key(self._prefix, user))]
        )
        return int(tombstone or 0)

    def catalogue(self) -> Steps[Catalogue]:
        """The tag groups, as last seen; asked for only if they never were."""
        if self._catalogue is None:
            return (yield from self.newest_catalogue())
        return self._catalogue

    def newest_catalogue(self) -> Steps[Catalogue]:
        """The tag groups, as published now."""
        [fields] = yield [("HGETALL", catalogue_key(self._prefix))]
        self._catalogue = read_catalogue(_mapping(fields), self._prefix)
        self._readable = {}
        return self._catalogue

    def _audited(
        self, reader: Reader, operation: str, users: tuple[str, ...], reads: Transaction
    ) -> Generator[Transaction, list[Any], tuple[list[Any], Catalogue]]:
        """The replies to the reads, with their record in the trail, and the catalogue in force at that instant."""
        record = audit_command(self._prefix, self._kept_records, reader, operation, users)
        version = ("HGET", catalogue_key(self._prefix), CATALOGUE_VERSION)
        _, published, *replies = yield [record, version, *reads]
        if published is None:
            raise catalogue_missing(self._prefix)
        if self._catalogue is None or self._catalogue.version != int(published):
            yield from self.newest_catalogue()
        assert self._catalogue is not None
        return replies, self._catalogue

    def _groups(self, catalogue: Catalogue, reader: Reader) -> Mapping[str, PublishedGroup]:
        key = catalogue.version, reader
        found = self._readable.get(key)
        if found is None:
            found = self._readable[key] = catalogue.readable(reader)
        return found

    def _tags(
        self,
        fields: Mapping[str, str],
        evidence: str | None,
        asked: Sequence[str],
        groups: Mapping[str, PublishedGroup],
    ) -> dict[str, TagView]:
        last_ms = last_evidence_ms(evidence)
        there = {name: last_ms[name] for name in asked if name in last_ms}
        now_ms = self._clock_ms()
        try:
            as_of_ms = int(fields[AS_OF_MS])
            views = tag_views(fields, there, groups, now_ms - as_of_ms, self._weight_floor)
        except OverflowError:
            raise too_early(now_ms, as_of_ms) from None
        except (KeyError, ValueError, msgspec.DecodeError) as error:
            raise damaged(type(error).__name__) from None
        return {view.tag: view for view in views}


def _checked(users: Iterable[str]) -> tuple[str, ...]:
    """The users, each once.

    Raises
    ------
    RawIdentifier
        When one is no pseudonym.
    ValueError
        When there are too many.
    """
    asked = tuple(dict.fromkeys(map(checked_pseudonym, users)))
    if len(asked) > MAX_USERS:
        msg = f"asked for {len(asked):,} people at once: expected {MAX_USERS:,} at most, ask for them in parts"
        raise ValueError(msg)
    return asked


def _mapping(reply: Any) -> Mapping[str, str]:
    """An HGETALL's reply: names and values in turn, unless the client has made a mapping of them already."""
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True))
