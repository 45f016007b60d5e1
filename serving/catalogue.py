"""The tag groups as published in Redis by the writer, and which of them a reader may read."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from schemas.published_group import PublishedGroup, read_published
from schemas.redis_keys import CATALOGUE_VERSION
from serving.read_errors import CatalogueMissing, PurposeRefused, UnknownGroup
from serving.reader import Reader


class Catalogue(Struct, frozen=True):
    """Tag groups by name.

    Attributes
    ----------
    version
        Rises with each publication.
    groups
        Name -> what is published of it.
    """

    version: int
    groups: dict[str, PublishedGroup]

    def readable(self, reader: Reader) -> dict[str, PublishedGroup]:
        """The groups the reader gets."""
        return {name: group for name, group in self.groups.items() if reader.may_read(group)}

    def group_of(self, tag: str, reader: Reader) -> PublishedGroup:
        """The group of a tag, if the reader may read it.

        Raises
        ------
        UnknownGroup
            When there is none of that name.
        PurposeRefused
            When it is for another purpose, or sensitive and the reader has not said that it reads such.
        """
        name = tag.partition(":")[0]
        group = self.groups.get(name)
        if group is None:
            msg = f"no tag group {name!r}: expected <group>:<name>, for example content:news; docs/tags.md has them all"
            raise UnknownGroup(msg)
        if group.purpose != reader.purpose:
            msg = (
                f"tags of group {name} may be read for the purpose {group.purpose} only, and this reader has stated "
                f"{reader.purpose}: state that purpose, if it is what the tags are used for"
            )
            raise PurposeRefused(msg)
        if not reader.may_read(group):
            msg = (
                f"tags of group {name} are sensitive, and this reader has not said that it reads such: state "
                "sensitive=true, if the purpose needs them"
            )
            raise PurposeRefused(msg)
        return group


def read_catalogue(fields: Mapping[str, str], prefix: str) -> Catalogue:
    """The catalogue of the hash's fields.

    Raises
    ------
    CatalogueMissing
        When nothing is published, or it can't be read.
    """
    try:
        version = int(fields[CATALOGUE_VERSION])
        groups = {name: read_published(text) for name, text in fields.items() if name != CATALOGUE_VERSION}
    except KeyError:
        raise catalogue_missing(prefix) from None
    except (ValueError, msgspec.DecodeError) as error:
        msg = (
            f"the catalogue of tag groups in {prefix}:catalogue can't be read ({type(error).__name__}): expected what "
            "the job publishes when it starts. Is the job of a newer build? Run the readers' build that came with it"
        )
        raise CatalogueMissing(msg) from None
    return Catalogue(version, groups)


def catalogue_missing(prefix: str) -> CatalogueMissing:
    """The error of a prefix under which nothing is published."""
    return CatalogueMissing(
        f"no tag groups are published in {prefix}:catalogue: expected half-lives and purposes there, which the job "
        "writes when it starts. Is the prefix right, and has a job of this build been started on this Redis?"
    )
