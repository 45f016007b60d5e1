"""The encoded state: it comes back as it was, or `StateError`; never another error, never an empty profile.

The golden blob of each version is written once and kept for ever (an upgrade must still read it); the newest with::

    WRITE_GOLDEN=1 python -m pytest tests/schemas/test_state.py -k golden
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas import state
from schemas.cleaning_memory import CleaningMemory, Counter, Place, Spread
from schemas.drift_memory import DriftMemory, VolumeMemory
from schemas.events import Event, Purchase
from schemas.outputs import Alarm
from schemas.person_memory import (
    BaseMemory,
    BehaviourMemory,
    ConsumptionMemory,
    FraudMemory,
    LifecycleMemory,
    PersonMemory,
    SocialMemory,
    TerminalMemory,
)
from schemas.rules import GroupRule, Rules
from schemas.state import (
    SCHEMA_VERSION,
    GroupState,
    Profile,
    StateError,
    decode,
    encode,
    pack_ids,
    short_id,
    unpack_ids,
)
from schemas.trigger_memory import HOLDING, RuleMemory, TrafficMemory, TriggerMemory
from udfs.profile.advance import advance
from udfs.profile.output import DUPLICATE
from udfs.tags import GROUPS

GOLDEN = Path(__file__).parents[1] / "golden"
DICTIONARY = zstandard.ZstdCompressionDict(
    (Path(state.__file__).with_name("state_v3.zdict")).read_bytes()  # of versions 3 and 4: it never changes
)
GOLDEN_V1 = GOLDEN / "state_v1.bin"
GOLDEN_V2 = GOLDEN / "state_v2.bin"
GOLDEN_V3 = GOLDEN / "state_v3.bin"
GOLDEN_V4 = GOLDEN / "state_v4.bin"
GOLDEN_V5 = GOLDEN / "state_v5.bin"
WRITE_GOLDEN = "WRITE_GOLDEN"

DAY_MS = 86_400_000
T0_MS = 1_767_225_600_000  # 2026-01-01 UTC
RULES = Rules(
    {
        name: GroupRule(group.half_life_ms, group.kind == "numeric", group.kind == "fact", group.purpose)
        for name, group in GROUPS.items()
    },
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


def golden_profile_v1() -> Profile:
    """The profile in the golden blob of version 1, every number of it named here, as it is after the upgrade."""
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
        seen={490_896: pack_ids({short_id(1)}), 490_920: pack_ids({short_id(2**64 - 1)})},
        last_write_ms=1_767_312_000_123,
        consents={},
        memory=None,
        links=[],
        cleaning=None,
        erased_ms=0,
    )


def golden_profile() -> Profile:
    """The profile in the golden blob of the newest version: every field of it used, every number named here."""
    profile = golden_profile_v4()
    assert profile.triggers is not None
    one = profile.triggers.rules["airport-dwell"]
    one.began = {"district": "A3", "flow_mb": 1.5, "workday": True}
    one.later = [(1_767_225_600_029, {"district": "B1"})]
    profile.triggers.wakes = {"signalling": 1_767_225_600_030}
    return profile


def golden_profile_v4() -> Profile:
    """The profile in the golden blob of version 4, as it is after the upgrade: nobody is told when to look at it."""
    profile = golden_profile_v3()
    profile.triggers = TriggerMemory(
        rules={
            "airport-dwell": RuleMemory(3, HOLDING, 1_767_225_600_020, 1_767_225_600_021, 1_767_225_600_022, 7, [5, 6])
        },
        traffic=TrafficMemory(
            recent=[(1_767_225_600_023, 1.5)],
            window_ms=1_767_225_600_024,
            window_mb=2.5,
            usual_mb=3.5,
            usual_weight=4.5,
            usual_ms=1_767_225_600_025,
            balance_ms=1_767_225_600_026,
            remaining_mb=5.5,
            included_mb=6.5,
        ),
        newest_ms={"presence": 1_767_225_600_028},
    )
    return profile


def golden_profile_v3() -> Profile:
    """The profile in the golden blob of version 3, as it is after the upgrade."""
    profile = golden_profile_v2()
    profile.drift = DriftMemory(
        tags=["content:games", "content:news"],
        numbers=bytes(range(100)),
        open={81_821: {"content:games": 3}, 81_822: {"content:news": 1, "content:cars": 2}},
        bucket=81_820,
        buckets=40,
        evidence=bytes(range(20)),
        days=2,
        day=20_454,
        suspect=True,
        alarms_ms=[1_767_225_600_010, 1_767_225_600_011],
        fleet_ms=1_767_225_600_012,
        late=7,
        reason="games 4% -> 38%",
        changed_ms=1_767_225_600_013,
        by_hand_ms=1_767_225_600_015,
        pending=Alarm(
            user="p",
            kind="shares",
            at_ms=1_767_225_600_011,
            since_ms=1_767_225_600_013,
            generation=2,
            seq=4,
            evidence=1.25,
            distance_bits=0.375,
            rose=[("content:games", 0.04, 0.38)],
            fell=[("content:news", 0.5, 0.25)],
            status="provisional",
            factor=0.125,
        ),
        volume=VolumeMemory(20_453, 12, bytes(range(48)), bytes(range(20, 40)), 25, 1_767_225_600_014),
    )
    return profile


def golden_profile_v2() -> Profile:
    """The profile in the golden blob of version 2, as it is after the upgrade."""
    older = golden_profile_v1()
    return Profile(
        generation=older.generation,
        n=older.n,
        first_event_ms=older.first_event_ms,
        last_event_ms=older.last_event_ms,
        due_ms=older.due_ms,
        groups=older.groups,
        dedup_floor=older.dedup_floor,
        seen={490_896: pack_ids({1}), 490_920: pack_ids({2**40 - 1, 7, 2**39})},
        last_write_ms=older.last_write_ms,
        consents={"necessary": (1_767_225_600_001, 1, 3), "profiling": (1_767_225_600_002, 0, 4)},
        memory=PersonMemory(
            base=BaseMemory(1_600_000_000_000, 0b10110),
            behaviour=BehaviourMemory(
                time_ms=1_767_312_000_001,
                district="d1",
                kind=3,
                visited=True,
                since_ms=1_767_311_000_000,
                home="d2",
                home_minutes=4_000,
                home_day=20_400,
                home_seen_day=20_450,
                work="d4",
                work_minutes=900,
                commute_day=20_449,
                province="p1",
                province_days=40,
                province_day=20_448,
                travel_day=20_447,
            ),
            consumption=ConsumptionMemory(1_767_000_000_000, 1_767_100_000_000, 2.5, 88.5),
            social=SocialMemory(1_363, bytes(range(16)), bytes(range(16, 32)), 1.5, 2.5, 20_446),
            terminal=TerminalMemory(54_321, 1_700_000_000_000, 0b101),
            lifecycle=LifecycleMemory(1_700_000_000_001, 1_767_312_000_002, 10.5, 20.5, 20_445, 2),
            fraud=FraudMemory(1_767_312_000_003, "d3"),
        ),
        links=[(1_767_225_600_003, "p.one"), (1_767_225_600_004, "p.two")],
        cleaning=CleaningMemory(
            place=Place("cell-1", 1_767_312_000_004, {"cell-2": 1_767_311_990_000}, 1_767_311_980_000, "cell-3"),
            counter=Counter(5_000, 1_767_312_000_005, (4_000, 1_767_311_000_000)),
            usage=Spread(10, 1.25, 0.5, 1),
            call=Spread(11, 2.25, 0.25, 2),
            bill=Spread(12, 3.25, 0.125, 3),
            recharge=Spread(13, 4.25, 0.75, 4),
        ),
        erased_ms=1_767_225_599_000,
    )


def body_of(blob: bytes) -> bytes:
    """The MessagePack in a blob of the newest version."""
    return zstandard.ZstdDecompressor(dict_data=DICTIONARY).decompress(blob[1:], allow_extra_data=False)


def blob_of(body: bytes) -> bytes:
    """The blob of the newest version with this MessagePack in it."""
    compressor = zstandard.ZstdCompressor(dict_data=DICTIONARY, write_dict_id=False, write_checksum=True)
    return bytes([SCHEMA_VERSION]) + compressor.compress(body)


def long_id(short: int) -> int:
    """An id of 64 bits whose short one is `short`."""
    return (short << 24) * pow(0x9E3779B97F4A7C15, -1, 2**64) % 2**64


def v1_blob_of(profile: Profile) -> bytes:
    """A blob of version 1: nine fields, ids of 64 bits, not compressed."""
    fields = state.msgspec.msgpack.decode(body_of(encode(profile)))[:9]
    fields[7] = {
        bucket: b"".join(long_id(each).to_bytes(8, "little") for each in unpack_ids(ids))
        for bucket, ids in fields[7].items()
    }
    return b"\x01" + state.msgspec.msgpack.encode(fields)


def test_the_golden_blob_of_version_1_decodes_to_its_stated_values() -> None:
    blob = GOLDEN_V1.read_bytes()
    assert blob[0] == 1
    assert decode(blob) == golden_profile_v1()


def test_an_upgraded_profile_is_written_in_the_newest_version() -> None:
    upgraded = decode(GOLDEN_V1.read_bytes())
    blob = encode(upgraded)
    assert blob[0] == SCHEMA_VERSION
    assert decode(blob) == golden_profile_v1()


def test_an_upgraded_profile_remembers_the_events_it_has_seen() -> None:
    profile = decode(GOLDEN_V1.read_bytes())
    repeat = Purchase("u", 2**64 - 1, 490_920 * 3_600_000, "tea", 1.0, 1.0)
    assert advance(profile, repeat, RULES, T0_MS + 2 * DAY_MS)[1] is DUPLICATE


def test_the_golden_blob_of_version_2_decodes_to_its_stated_values() -> None:
    blob = GOLDEN_V2.read_bytes()
    assert blob[0] == 2
    assert decode(blob) == golden_profile_v2()
    assert decode(encode(decode(blob))) == golden_profile_v2()


def test_the_golden_blob_of_version_3_decodes_to_its_stated_values() -> None:
    blob = GOLDEN_V3.read_bytes()
    assert blob[0] == 3
    assert decode(blob) == golden_profile_v3()
    assert decode(encode(decode(blob))) == golden_profile_v3()


def test_the_golden_blob_of_version_4_decodes_to_its_stated_values() -> None:
    blob = GOLDEN_V4.read_bytes()
    assert blob[0] == 4
    assert decode(blob) == golden_profile_v4()
    assert decode(encode(decode(blob))) == golden_profile_v4()


def test_the_golden_blob_of_version_5_decodes_to_its_stated_values() -> None:
    if os.environ.get("WRITE_GOLDEN"):
        GOLDEN_V5.write_bytes(encode(golden_profile()))
    blob = GOLDEN_V5.read_bytes()
    assert blob[0] == SCHEMA_VERSION
    assert decode(blob) == golden_profile()


def test_the_golden_blob_uses_every_field() -> None:
    """So that a change of any part's shape shows."""

    def used(part: object, path: str) -> None:
        for name in part.__struct_fields__:  # type: ignore[attr-defined]
            value = getattr(part, name)
            assert value, f"{path}.{name} is not used"
            if hasattr(value, "__struct_fields__"):
                used(value, f"{path}.{name}")

    used(golden_profile(), "profile")


def test_encoding_writes_the_newest_version_first_and_names_no_fields() -> None:
    blob = encode(golden_profile())
    assert blob[0] == SCHEMA_VERSION
    # compressed bytes may differ between versions of the library, what is in them may not
    assert body_of(blob) == body_of(GOLDEN_V5.read_bytes())
    assert b"half_life" not in body_of(blob)
    assert len(blob) < len(body_of(blob))


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


@given(st.sets(st.integers(0, 2**40 - 1), max_size=50))
def test_ids_are_packed_into_five_bytes_each(ids: set[int]) -> None:
    packed = pack_ids(ids)
    assert len(packed) == 5 * len(ids)
    assert unpack_ids(packed) == ids


@given(st.integers(0, 2**64 - 1))
def test_a_short_id_has_40_bits_and_every_one_comes_from_some_id(event_id: int) -> None:
    assert 0 <= short_id(event_id) < 2**40
    assert short_id(long_id(short_id(event_id))) == short_id(event_id)


def test_ids_that_differ_in_their_upper_bits_only_are_told_apart() -> None:
    """A household's id is ``basket << 26 | product``: the same product in 10,000 baskets."""
    assert len({short_id(basket << 26 | 7) for basket in range(31_000_000_000, 31_000_010_000)}) == 10_000


def test_ids_are_packed_little_endian_and_in_order() -> None:
    assert pack_ids({1}) == b"\x01\0\0\0\0"
    assert pack_ids({2**39, 2, 1}) == b"\x01\0\0\0\0" + b"\x02\0\0\0\0" + b"\0\0\0\0\x80"


def test_an_empty_blob_is_an_error_not_an_empty_profile() -> None:
    with pytest.raises(StateError, match="empty"):
        decode(b"")


@pytest.mark.parametrize("version", [0, 6, 9, 255])
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


@pytest.mark.parametrize("version", [1, SCHEMA_VERSION])
def test_the_error_of_a_damaged_blob_shows_nothing_of_it(version: int) -> None:
    profile = Profile(groups={"spend": GroupState(1, 2, {"secret-tag": [1.0, 2.0]})})
    body = (body_of(encode(profile)) if version == SCHEMA_VERSION else v1_blob_of(profile)[1:]).replace(
        b"\xcb?\xf0",
        b"\xa2no",  # a text where the first number of the cell was
    )
    with pytest.raises(StateError) as error:
        decode(blob_of(body) if version == SCHEMA_VERSION else b"\x01" + body)
    assert "secret" not in f"{error.value!r} {error.value.__cause__!r}"
    assert error.value.__suppress_context__


BODY = b"\xdc\0\x10" + b"\0" * 5  # version 4; sixteen fields, the first five zero
REST = b"\0\x80\xc0\x90\xc0\0\xc0\xc0"  # what follows `seen`
BODY_V1 = b"\x01\x99" + b"\0" * 5  # version 1; nine fields, the first five zero


def test_the_least_body_is_a_profile() -> None:
    """What the tests of damage damage."""
    assert decode(blob_of(BODY + b"\x80\0\x80" + REST)) == Profile()
    assert decode(BODY_V1 + b"\x80\0\x80\0") == Profile()


@quick
@given(st.binary(max_size=200))
@example(b"\xc1")
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\x99" + b"\0" * 5 + b"\xdf\xff\xff\xff\xff\0")
@example(b"\x99" + b"\0" * 9)
@example(b"\x99" + b"\0" * 5 + b"\x80\0\x81\0\xc4\x03abc\0")
def test_garbage_of_a_known_version_is_an_error(garbage: bytes) -> None:
    for blob in (b"\x01" + garbage, blob_of(garbage)):
        try:
            profile = decode(blob)
        except StateError:
            continue
        # what decodes is an array of fields, whatever they are: at least not made of nothing
        assert garbage[0] >> 4 == 9 or garbage[0] in (0xDC, 0xDD)
        assert isinstance(profile, Profile)


@quick
@given(st.binary(max_size=200))
@example(b"\x28\xb5\x2f\xfd\xc0\x00" + (2**40).to_bytes(8, "little"))  # claims a terabyte
def test_garbage_that_is_not_compressed_is_an_error(garbage: bytes) -> None:
    with pytest.raises(StateError):
        decode(bytes([SCHEMA_VERSION]) + garbage)


@quick
@given(st.data())
def test_damaging_bytes_gives_a_profile_or_an_error_but_nothing_else(data: st.DataObject) -> None:
    body = bytearray(body_of(encode(golden_profile())))
    old = bytearray(v1_blob_of(golden_profile_v1()))
    for damaged in (body, old):
        for _ in range(data.draw(st.integers(1, 4))):
            damaged[data.draw(st.integers(1, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    for blob in (blob_of(bytes(body)), bytes(old)):
        with suppress(StateError):
            decode(blob)


@quick
@given(st.data())
def test_a_damaged_byte_of_a_blob_is_an_error_never_another_profile(data: st.DataObject) -> None:
    blob = bytearray(encode(golden_profile()))
    place = data.draw(st.integers(1, len(blob) - 1))
    blob[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StateError):
        decode(bytes(blob))


def test_text_that_is_not_utf_8_is_an_error() -> None:
    for blob in (blob_of(BODY + b"\x81\xa2\xff\xff"), BODY_V1 + b"\x81\xa2\xff\xff"):
        with pytest.raises(StateError):
            decode(blob)


def test_nesting_without_end_is_an_error() -> None:
    for blob in (blob_of(BODY + b"\x80\0\x81\0" + b"\x91" * 100_000), BODY_V1 + b"\x80\0\x81\0" + b"\x91" * 100_000):
        with pytest.raises(StateError):
            decode(blob)


@pytest.mark.parametrize("fields", range(9))
def test_missing_fields_of_version_1_are_an_error_not_an_emptier_profile(fields: int) -> None:
    body = (b"\0" * 5 + b"\x80\0\x80\0")[:fields]
    with pytest.raises(StateError):
        decode(bytes([1, 0x90 + fields]) + body)


@pytest.mark.parametrize("fields", range(14))
def test_missing_fields_are_an_error_not_an_emptier_profile(fields: int) -> None:
    body = (b"\0" * 5 + b"\x80\0\x80" + REST)[:fields]
    with pytest.raises(StateError):
        decode(blob_of(bytes([0x90 + fields]) + body))


@pytest.mark.parametrize("ids", [b"\x05", b"\xc4\x03abc", b"\xa1a", b"\xc0"], ids=["int", "3 bytes", "text", "nil"])
def test_buckets_that_are_no_packed_ids_are_an_error(ids: bytes) -> None:
    for blob in (blob_of(BODY + b"\x80\0\x81\0" + ids + REST), BODY_V1 + b"\x80\0\x81\0" + ids + b"\0"):
        with pytest.raises(StateError):
            decode(blob)


def test_a_cell_without_numbers_is_an_error() -> None:
    with pytest.raises(StateError):
        decode(encode(Profile(n=1, groups={"spend": GroupState(1, 2, {"tea": []})})))


def test_upgrades_run_step_by_step_up_to_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = state.msgspec.msgpack.decode(v1_blob_of(golden_profile_v1())[1:])
    monkeypatch.setitem(state._UPGRADES, 0, lambda old: [*old, 42])
    profile = decode(b"\0" + state.msgspec.msgpack.encode(fields[:-1]))
    expected = golden_profile_v1()
    expected.last_write_ms = 42
    assert profile == expected


def test_threads_encode_and_decode_at_the_same_time() -> None:
    """As operators of one process do in thread mode."""
    profiles = [Profile(n=n, groups={"spend": GroupState(n, 2, {f"t{n}": [1.0, 2.0]})}) for n in range(1, 400)]

    def around(thread: int) -> bool:
        return all(decode(encode(deepcopy(profile))) == profile for profile in profiles)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(around, range(4)))
