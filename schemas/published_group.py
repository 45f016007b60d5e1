"""What the writer publishes of a tag group in Redis, so that a reader needs no code of the tags."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from schemas.tag_group import Kind, MoreTags, Sensitivity, Stores, TagGroup


class PublishedGroup(Struct, frozen=True):
    """A tag group as readers know it: one JSON value of the hash ``<prefix>:catalogue``.

    Attributes
    ----------
    kind, unit, meaning, family, sources, purpose, sensitivity, stores, version, tags, more_tags
        See `schemas.tag_group.TagGroup`.
    half_life_ms
        Half-life in force: the setting ``half_life_days`` over the group's own.
    """

    kind: Kind
    unit: str
    half_life_ms: int
    meaning: str
    family: str
    sources: tuple[str, ...]
    purpose: str
    sensitivity: Sensitivity
    stores: Stores
    version: int
    tags: tuple[str, ...]
    more_tags: MoreTags

    @property
    def numeric(self) -> bool:
        """Whether its tags have a mean and a deviation."""
        return self.kind == "numeric"


_decoder = msgspec.json.Decoder(PublishedGroup)


def published(group: TagGroup, half_life_ms: int) -> bytes:
    """The JSON of a group with the half-life in force."""
    return msgspec.json.encode(
        PublishedGroup(
            kind=group.kind,
            unit=group.unit,
            half_life_ms=half_life_ms,
            meaning=group.meaning,
            family=group.family,
            sources=group.sources,
            purpose=group.purpose,
            sensitivity=group.sensitivity,
            stores=group.stores,
            version=group.version,
            tags=group.tags,
            more_tags=group.more_tags,
        )
    )


def read_published(document: bytes | str) -> PublishedGroup:
    """The group of a JSON value; fields a newer build has added are passed over.

    Raises
    ------
    msgspec.DecodeError
        When it is no such JSON.
    """
    return _decoder.decode(document)
