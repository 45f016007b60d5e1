"""The per-user state: one encoded, versioned blob.

Layout of a blob: one byte of schema version, then the MessagePack encoding of the `Profile` of that version, fields
in the order declared (array-like, so no field names are stored), from version 2 on compressed with zstd and the
dictionary of that version, ``schemas/state_v<version>.zdict``: names of groups and tags are most of a profile, and all
have them in common (docs/decisions/0008-state-size.md). Never pickled: decoding runs no code.

On its way between operators and in memory a profile is a packed blob: not compressed, and the highest bit of the
version byte says so. Compressing lets go of the interpreter lock, and getting it back is dearer than the work when
other operators are busy, so the profiles of a batch are compressed in one call.

A change of shape gets a new version number, an `_upgrade_<n>` from the version before, and leaves its fixture in
``tests/golden/``. Decoding upgrades step by step; encoding always writes the newest.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from importlib import resources
from threading import local
from typing import Annotated, Any

import msgspec
import zstandard
from msgspec import Meta, Struct, field

from schemas.cleaning_memory import CleaningMemory
from schemas.drift_memory import DriftMemory
from schemas.person_memory import PersonMemory
from schemas.trigger_memory import TriggerMemory

SCHEMA_VERSION = 5


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
        Bucket of event time -> short ids of the events that came from it, packed; unpacked to a set while the bucket is
        in use.
    last_write_ms
        When the profile was last sent to the hot store (the operator's clock).
    consents
        Purpose -> ``[time of the newest decision, 1 granted or 0 withdrawn, version of the list]``.
    memory
        What the tag families remember.
    links
        Of an identifier: ``[valid from ms, person]``, oldest first; empty of a person.
    cleaning
        Of an identifier: what the cleaning steps remember.
    erased_ms
        Everything up to this time was erased at the person's request and must not come back; 0 if never.
    drift
        Of a person: what the drift detectors remember.
    triggers
        Of a person: what the rules of scene triggers remember.
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
    consents: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    memory: PersonMemory | None = None
    links: list[tuple[int, str]] = field(default_factory=list)
    cleaning: CleaningMemory | None = None
    erased_ms: int = 0
    drift: DriftMemory | None = None
    triggers: TriggerMemory | None = None


_VERSION_BYTE = bytes([SCHEMA_VERSION])
_PACKED = 0x80  # of the version byte
_PACKED_BYTE = bytes([_PACKED | SCHEMA_VERSION])
_FIELDS_HEADER = b"\xdc" + len(Profile.__struct_fields__).to_bytes(2, "big")  # MessagePack array of 16 and more
# Level -3 takes 5 us for a profile of 3.3 KB and makes it 1.8; the default level 14 us and 1.7.
_LEVEL = -3
_NEWEST = (SCHEMA_VERSION, _PACKED | SCHEMA_VERSION)
_FIELDS_1 = 9
_FIELDS_2 = 14
_FIELDS_3 = 15
_FIELDS_4 = 16
_TRIGGERS_4 = 4  # fields of the triggers' memory in version 4; the last was one time to wake up at
_MAX_BYTES = 1 << 26  # decompressed; a damaged header can claim anything
_COMPRESSED_SINCE = 2
_DICTIONARY_OF = {2: 2, 3: 3, 4: 3, 5: 3}  # by version: which file
_dictionaries = {
    version: zstandard.ZstdCompressionDict((resources.files("schemas") / f"state_v{file}.zdict").read_bytes())
    for version, file in _DICTIONARY_OF.items()
}
_dictionaries[SCHEMA_VERSION].precompute_compress(level=_LEVEL)


class _Contexts(local):
    """A compressor and a decompressor for each thread: they let go of the interpreter lock and are not thread-safe,
    and in thread mode several operators work in one process (shared ones took the JVM down).
    """

    def __init__(self) -> None:
        self.compress_all = zstandard.ZstdCompressor(
            dict_data=_dictionaries[SCHEMA_VERSION], level=_LEVEL, write_dict_id=False, write_checksum=True
        ).multi_compress_to_buffer
        self.decompress = {
            version: zstandard.ZstdDecompressor(dict_data=dictionary).decompress
            for version, dictionary in _dictionaries.items()
        }


_contexts = _Contexts()
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Profile)


def _upgrade_1(fields: list[Any]) -> list[Any]:
    """Version 2 remembers 40 bits of an event's id, and adds consents, memories, links and the time of erasure."""
    if not isinstance(fields, list) or len(fields) != _FIELDS_1 or not isinstance(fields[7], dict):
        raise msgspec.DecodeError
    seen = {}
    for bucket, packed in fields[7].items():
        if not isinstance(packed, bytes) or len(packed) % 8:
            raise msgspec.DecodeError
        ids = array("Q")
        ids.frombytes(packed)
        seen[bucket] = pack_ids({short_id(each) for each in ids})
    return [*fields[:7], seen, fields[8], {}, None, [], None, 0]


def _upgrade_2(fields: list[Any]) -> list[Any]:
    """Version 3 adds the drift detectors, which begin with what comes next."""
    if not isinstance(fields, list) or len(fields) != _FIELDS_2:
        raise msgspec.DecodeError
    return [*fields, None]


def _upgrade_3(fields: list[Any]) -> list[Any]:
    """Version 4 adds what the triggers remember, which begins with what comes next."""
    if not isinstance(fields, list) or len(fields) != _FIELDS_3:
        raise msgspec.DecodeError
    return [*fields, None]


def _upgrade_4(fields: list[Any]) -> list[Any]:
    """Version 5 wakes up by the feeds that are waited for, and keeps how an episode began; open ones didn't."""
    if not isinstance(fields, list) or len(fields) != _FIELDS_4:
        raise msgspec.DecodeError
    triggers = fields[-1]
    if triggers is not None and (not isinstance(triggers, list) or len(triggers) != _TRIGGERS_4):
        raise msgspec.DecodeError
    return [*fields[:-1], None if triggers is None else triggers[:-1]]


# Version n -> function from the decoded fields of version n to those of n + 1.
_UPGRADES: dict[int, Callable[[list[Any]], list[Any]]] = {1: _upgrade_1, 2: _upgrade_2, 3: _upgrade_3, 4: _upgrade_4}


ID_BYTES = 5
_MIX = 0x9E37_79B9_7F4A_7C15  # 2**64 divided by the golden ratio
_MASK_64 = (1 << 64) - 1


def short_id(event_id: int) -> int:
    """What is remembered of an event's identity: 40 bits of it, mixed (Fibonacci hashing: Knuth, TAOCP 3, 6.4).

    An id is compared with those of the same identifier and the same bucket of event time only: with ten of them a new
    event is taken for a repeat once in 10**11.
    """
    return (event_id * _MIX & _MASK_64) >> (64 - 8 * ID_BYTES)


def pack_ids(ids: set[int]) -> bytes:
    """Short ids as packed little-endian integers of five bytes."""
    return b"".join([each.to_bytes(ID_BYTES, "little") for each in sorted(ids)])


def unpack_ids(packed: bytes) -> set[int]:
    """Inverse of `pack_ids`."""
    return {int.from_bytes(packed[i : i + ID_BYTES], "little") for i in range(0, len(packed), ID_BYTES)}


def pack(profile: Profile) -> bytes:
    """Profile as a packed blob of the newest version: for memory and for other operators."""
    seen = profile.seen
    for bucket, ids in seen.items():
        if isinstance(ids, set):
            seen[bucket] = pack_ids(ids)
    return _PACKED_BYTE + _encoder.encode(profile)


def compress_all(packed: Sequence[bytes]) -> list[bytes]:
    """Packed blobs of the newest version, one at least, as the state keeps them."""
    compressed = _contexts.compress_all([memoryview(blob)[1:] for blob in packed])
    return [_VERSION_BYTE + compressed[index].tobytes() for index in range(len(packed))]


def encode(profile: Profile) -> bytes:
    """Profile as a blob of the newest version, as the state keeps it."""
    [blob] = compress_all([pack(profile)])
    return blob


def decode(blob: bytes) -> Profile:
    """Blob of any known version, packed or as the state keeps it, as a profile.

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
        if version in _NEWEST:
            body = memoryview(blob)[1:]
            encoded = body if version & _PACKED else _decompress(body, version)
            # Fields left out would be filled with defaults, silently: the array's length is part of the version.
            if encoded[: len(_FIELDS_HEADER)] != _FIELDS_HEADER:
                raise msgspec.DecodeError
            return _checked(_decoder.decode(encoded))
        if version not in _UPGRADES:
            msg = f"state of schema version {version}, this build reads versions up to {SCHEMA_VERSION}: run the newer"
            raise StateError(msg)
        body = memoryview(blob)[1:]
        fields = msgspec.msgpack.decode(_decompress(body, version) if version >= _COMPRESSED_SINCE else body)
        while version < SCHEMA_VERSION:
            fields = _UPGRADES[version](fields)
            version += 1
        return _checked(msgspec.convert(fields, Profile))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, zstandard.ZstdError):
        # The decoder's text can quote values of the state, so it is not passed on.
        msg = f"damaged state of schema version {version} ({len(blob)} bytes): restore from an earlier checkpoint"
        raise StateError(msg) from None


def _decompress(compressed: memoryview, version: int) -> bytes | memoryview:
    if zstandard.frame_content_size(compressed) > _MAX_BYTES:
        raise zstandard.ZstdError
    return _contexts.decompress[version](compressed, allow_extra_data=False)


def _checked(profile: Profile) -> Profile:
    """The profile, if its buckets are packed ids."""
    for ids in profile.seen.values():
        if not isinstance(ids, bytes) or len(ids) % ID_BYTES:
            raise msgspec.DecodeError
    return profile
