"""The per-user state: one encoded, versioned blob.

Layout of a blob: one byte of schema version, then the MessagePack encoding of the `Profile` of that version, fields
in the order declared (array-like, so no field names are stored). Never pickled: decoding runs no code.

A change of shape gets a new version number, an `_upgrade_<n>` from the version before, and leaves its fixture in
``tests/golden/``. Decoding upgrades step by step; encoding always writes the newest.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

SCHEMA_VERSION = 1


Cell = Annotated[list[float], Meta(min_length=2, max_length=4)]


class StateError(ValueError):
    """A blob that can't be read as a profile; the text names the version found and those known."""


class GroupState(Struct, array_like=True):
    """Cells of one tag group, all scaled to the same landmark.

    Attributes
    ----------
    landmark
        Index N of the landmark L = N * half-life: a cell holds ``sum v * 2**((t - L) / half-life)``.
    half_life_ms
        Half-life the cells were scaled with; when the settings name another one the cells are converted.
    cells
        Tag -> ``[scaled weight, last evidence ms]`` or, for a numeric group, ``[scaled weight, mean, scaled sum of
        squared deviations, last evidence ms]``.
    other
        The same shape, for tags beyond the cap; None while the cap was never reached.
    """

    landmark: int
    half_life_ms: int
    cells: dict[str, Cell]
    other: Cell | None = None


class Profile(Struct, array_like=True):
    """Everything known about one user.

    Attributes
    ----------
    generation, n
        The version: rebuilds so far, and distinct events folded in. Depends on the set of events, not their order.
    first_event_ms, last_event_ms
        Oldest and newest event time folded.
    due_ms
        When the last tag will have decayed below the floor (closed form): the state may be dropped after it.
    groups
        Tag group -> its cells.
    dedup_floor
        Bucket of event time below which ids are no longer remembered; older events are rejected.
    seen
        Bucket of event time -> 64-bit ids of the events folded from it (little endian, packed); unpacked to a set
        while the bucket is in use.
    last_write_ms
        When the profile was last sent to the hot store (the operator's clock).
    """

    generation: int = 0
    n: int = 0
    first_event_ms: int = 0
    last_event_ms: int = 0
    due_ms: int = 0
    groups: dict[str, GroupState] = field(default_factory=dict)
    dedup_floor: int = 0
    seen: dict[int, bytes | set[int]] = field(default_factory=dict)
    last_write_ms: int = 0


_VERSION_BYTE = bytes([SCHEMA_VERSION])
_FIELDS_HEADER = bytes([0x90 | len(Profile.__struct_fields__)])  # MessagePack array of up to 15
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Profile)

# Version n -> function from the decoded fields of version n to those of n + 1. Empty: version 1 is the first.
_UPGRADES: dict[int, Callable[[list[Any]], list[Any]]] = {}


def pack_ids(ids: set[int]) -> bytes:
    """Ids as packed little-endian 64-bit integers."""
    if len(ids) == 1:
        [only] = ids
        return only.to_bytes(8, "little")
    return array("Q", sorted(ids)).tobytes()


def unpack_ids(packed: bytes) -> set[int]:
    """Inverse of `pack_ids`."""
    ids = array("Q")
    ids.frombytes(packed)
    return set(ids)


def encode(profile: Profile) -> bytes:
    """Profile as a blob of the newest version."""
    seen = profile.seen
    for bucket, ids in seen.items():
        if isinstance(ids, set):
            seen[bucket] = pack_ids(ids)
    return _VERSION_BYTE + _encoder.encode(profile)


def decode(blob: bytes) -> Profile:
    """Blob of any known version as a profile.

    Raises
    ------
    StateError
        When the blob is empty, of an unknown version, or damaged. Never returns an empty profile instead: that would
        erase a user silently.
    """
    if not blob:
        msg = "a profile's state is empty: expected one version byte and a body"
        raise StateError(msg)
    version = blob[0]
    try:
        if version == SCHEMA_VERSION:
            # Fields left out would be filled with defaults, silently: the array's length is part of the version.
            if blob[1:2] != _FIELDS_HEADER:
                raise msgspec.DecodeError
            return _checked(_decoder.decode(memoryview(blob)[1:]))
        if version not in _UPGRADES:
            msg = f"state of schema version {version}, this build reads versions up to {SCHEMA_VERSION}: run the newer"
            raise StateError(msg)
        fields = msgspec.msgpack.decode(memoryview(blob)[1:])
        while version < SCHEMA_VERSION:
            fields = _UPGRADES[version](fields)
            version += 1
        return _checked(msgspec.convert(fields, Profile))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # The decoder's text can quote values of the state, so it is not passed on.
        msg = f"damaged state of schema version {version} ({len(blob)} bytes): restore from an earlier checkpoint"
        raise StateError(msg) from None


def _checked(profile: Profile) -> Profile:
    """The profile, if its buckets are packed ids."""
    for ids in profile.seen.values():
        if not isinstance(ids, bytes) or len(ids) % 8:
            raise msgspec.DecodeError
    return profile
