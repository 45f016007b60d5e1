"""The encoded state: it comes back as it was, or `StateError`; never another error, never an empty profile.

The golden blob of version 1 is written once and kept for ever (an upgrade must still read it)::

    WRITE_GOLDEN=1 python -m pytest tests/schemas/test_state.py -k golden
"""

from __future__ import annotations

import os
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas import state
from schemas.events import Event, Purchase
from schemas.rules import GroupRule, Rules
from schemas.state import SCHEMA_VERSION, GroupState, Profile, StateError, decode, encode, pack_ids, unpack_ids
from udfs.profile.advance import advance
from udfs.tags import GROUPS

GOLDEN_V1 = Path(__file__).parents[1] / "golden" / "state_v1.bin"
WRITE_GOLDEN = "WRITE_GOLDEN"

DAY_MS = 86_400_000
T0_MS = 1_767_225_600_000  # 2026-01-01 UTC
RULES = Rules(
    {name: GroupRule(group.half_life_ms, group.kind == "numeric") for name, group in GROUPS.items()},
    max_tags_per_group=3,
    dedup_buckets=10**6,
)
quick = settings(max_examples=100, deadline=None)

events = st.lists(
    st.builds(
        Purchase,
        st.just("u"),
        st.integers(0, 2**64 - 1),
        st.integers(T0_MS - 50 * DAY_MS, T0_MS),
        st.sampled_from(["tea", "milk", "Käse", "米", "a:b"]),
        st.floats(0, 1e6),
        st.floats(0, 1e6),
    ),
    min_size=1,
    max_size=25,
)


def profile_of(log: list[Event]) -> Profile:
    profile = Profile()
    for event in log:
        advance(profile, event, RULES, T0_MS)
    return profile


def golden_profile() -> Profile:
    """The profile in the golden blob, every number of it named here."""
    return Profile(
        generation=2,
        n=5,
        first_event_ms=1_767_225_600_000,
        last_event_ms=1_767_312_000_000,
        due_ms=1_819_000_000_000,
        groups={
            "spend": GroupState(681, 2_592_000_000, {"tea": [3.5, 1_767_225_600_000.0], "milk": [0.25, 1.5e12]}),
            "line_spend": GroupState(
                227, 7_776_000_000, {"all": [5.0, 2.25, 1.125, 1_767_312_000_000.0]}, [1.0, 2.0, 0.5, 1.75e12]
            ),
        },
        dedup_floor=490_850,
        seen={490_896: pack_ids({1}), 490_920: pack_ids({2**64 - 1})},
        last_write_ms=1_767_312_000_123,
    )


def test_the_golden_blob_of_version_1_decodes_to_its_stated_values() -> None:
    if os.environ.get(WRITE_GOLDEN):
        GOLDEN_V1.write_bytes(encode(golden_profile()))
    blob = GOLDEN_V1.read_bytes()
    assert blob[0] == 1
    assert decode(blob) == golden_profile()


def test_encoding_writes_the_newest_version_first_and_names_no_fields() -> None:
    blob = encode(golden_profile())
    assert blob[0] == SCHEMA_VERSION
    assert blob == GOLDEN_V1.read_bytes()
    assert b"half_life" not in blob


@quick
@given(events)
def test_a_profile_comes_back_as_it_was(log: list[Event]) -> None:
    profile = profile_of(log)
    before = deepcopy(profile)
    decoded = decode(encode(profile))
    assert {bucket: unpack_ids(ids) for bucket, ids in decoded.seen.items()} == before.seen
    before.seen = decoded.seen
    assert decoded == before


@quick
@given(events, st.data())
def test_folding_on_after_a_round_trip_is_folding_on(log: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(log)))
    resumed = decode(encode(profile_of(log[:cut])))
    for event in log[cut:]:
        advance(resumed, event, RULES, T0_MS)
    whole = profile_of(log)
    assert decode(encode(resumed)).groups == decode(encode(whole)).groups
    assert (resumed.n, resumed.due_ms, resumed.dedup_floor) == (whole.n, whole.due_ms, whole.dedup_floor)


@given(st.sets(st.integers(0, 2**64 - 1), max_size=50))
def test_ids_are_packed_into_eight_bytes_each(ids: set[int]) -> None:
    packed = pack_ids(ids)
    assert len(packed) == 8 * len(ids)
    assert unpack_ids(packed) == ids


def test_ids_are_packed_little_endian() -> None:
    assert pack_ids({1}) == b"\x01\0\0\0\0\0\0\0"


def test_an_empty_blob_is_an_error_not_an_empty_profile() -> None:
    with pytest.raises(StateError, match="empty"):
        decode(b"")


@pytest.mark.parametrize("version", [0, 2, 9, 255])
def test_an_unknown_version_is_an_error_that_names_it_and_those_known(version: int) -> None:
    with pytest.raises(StateError, match=rf"version {version}, this build reads versions up to {SCHEMA_VERSION}"):
        decode(bytes([version]) + encode(golden_profile())[1:])


def test_every_truncation_is_an_error() -> None:
    blob = encode(golden_profile())
    for length in range(1, len(blob)):
        with pytest.raises(StateError):
            decode(blob[:length])


def test_trailing_bytes_are_an_error() -> None:
    with pytest.raises(StateError):
        decode(encode(golden_profile()) + b"\0")


def test_the_error_of_a_damaged_blob_shows_nothing_of_it() -> None:
    blob = encode(Profile(groups={"spend": GroupState(1, 2, {"secret-tag": [1.0, 2.0]})}))
    with pytest.raises(StateError) as error:
        decode(blob.replace(b"\xcb?\xf0", b"\xa2no"))  # a text where the first number of the cell was
    assert "secret" not in f"{error.value!r} {error.value.__cause__!r}"
    assert error.value.__suppress_context__


BODY = b"\x01\x99" + b"\0" * 5  # version 1; nine fields, the first five zero


@quick
@given(st.binary(max_size=200))
@example(b"\xc1")
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\x99" + b"\0" * 5 + b"\xdf\xff\xff\xff\xff\0")
def test_garbage_of_a_known_version_is_an_error(garbage: bytes) -> None:
    try:
        profile = decode(b"\x01" + garbage)
    except StateError:
        return
    # what decodes is an array of fields, whatever they are: at least not made of nothing
    assert garbage[0] >> 4 == 9 or garbage[0] in (0xDC, 0xDD)
    assert isinstance(profile, Profile)


@quick
@given(st.data())
def test_damaging_bytes_gives_a_profile_or_an_error_but_nothing_else(data: st.DataObject) -> None:
    blob = bytearray(encode(golden_profile()))
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(1, len(blob) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(blob))
    except StateError:
        return


def test_text_that_is_not_utf_8_is_an_error() -> None:
    with pytest.raises(StateError):
        decode(BODY + b"\x81\xa2\xff\xff")


def test_nesting_without_end_is_an_error() -> None:
    with pytest.raises(StateError):
        decode(BODY + b"\x80\0\x81\0" + b"\x91" * 100_000)


@pytest.mark.parametrize("fields", range(9))
def test_missing_fields_are_an_error_not_an_emptier_profile(fields: int) -> None:
    body = (b"\0" * 5 + b"\x80\0\x80\0")[:fields]
    with pytest.raises(StateError):
        decode(bytes([1, 0x90 + fields]) + body)


@pytest.mark.parametrize("ids", [b"\x05", b"\xc4\x03abc", b"\xa1a", b"\xc0"], ids=["int", "3 bytes", "text", "nil"])
def test_buckets_that_are_no_packed_ids_are_an_error(ids: bytes) -> None:
    with pytest.raises(StateError):
        decode(BODY + b"\x80\0\x81\0" + ids + b"\0")


def test_a_cell_without_numbers_is_an_error() -> None:
    with pytest.raises(StateError):
        decode(encode(Profile(n=1, groups={"spend": GroupState(1, 2, {"tea": []})})))


def test_upgrades_run_step_by_step_up_to_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = state.msgspec.msgpack.decode(encode(golden_profile())[1:])
    monkeypatch.setattr(state, "_UPGRADES", {0: lambda old: [*old, 42]})
    profile = decode(b"\0" + state.msgspec.msgpack.encode(fields[:-1]))
    expected = golden_profile()
    expected.last_write_ms = 42
    assert profile == expected
