"""What travels between operators comes back as it was, or is an error that shows nothing of it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import AppUse, CardsOpened, Consent, Registration
from schemas.outputs import (
    Alarm,
    DamagedBatch,
    DeadLetter,
    Export,
    FleetAlarm,
    Forwarded,
    HistoryBatch,
    HotBatch,
    LinkedIdentifier,
    Partial,
    Removal,
    ShardCounts,
    pack,
    pack_text,
    unpack_counts,
    unpack_forwarded,
    unpack_history,
    unpack_hot,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
events = st.tuples(
    texts,
    texts,
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**64 - 1),
    st.lists(st.tuples(texts, texts, st.floats(allow_nan=False)), max_size=4),
    st.integers(0, 2**64 - 1),
)


users = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
times = st.integers(-(2**63), 2**63 - 1)
removals = st.lists(
    st.builds(
        Removal,
        st.sampled_from(["move", "forget", "erase", "unlink"]),
        users,
        texts,
        st.lists(texts, max_size=3).map(tuple),
        times,
        st.integers(0, 2**63),
    ),
    max_size=4,
)
changes = st.lists(st.tuples(texts, st.floats(0, 1), st.floats(0, 1)), max_size=3)
alarms = st.lists(
    st.builds(
        Alarm,
        users,
        st.sampled_from(["shares", "volume", "by_hand"]),
        times,
        times,
        st.integers(0, 9),
        st.integers(0, 2**63),
        st.floats(1, 100),
        st.floats(0, 1),
        changes,
        changes,
        st.sampled_from(["noted", "provisional", "refined", "timed_out"]),
        st.floats(0, 1),
    ),
    max_size=3,
)
counted = st.integers(0, 9)
fleet_alarms = st.lists(st.builds(FleetAlarm, counted, times, counted, counted, st.floats(0, 1)), max_size=2)
links = st.lists(st.builds(LinkedIdentifier, users, users, times), max_size=4)
counts = st.builds(
    ShardCounts,
    st.integers(0, 9),
    rejected=st.dictionaries(texts, st.integers(0, 9)),
    corrected=st.dictionaries(texts, st.integers(0, 9)),
)


@given(st.lists(events, max_size=20), removals, links, counts | st.none(), texts, alarms, fleet_alarms)
def test_a_batch_of_history_comes_back_as_it_was(
    folded: list[tuple[object, ...]],
    gone: list[Removal],
    linked: list[LinkedIdentifier],
    totals: ShardCounts | None,
    user: str,
    noticed: list[Alarm],
    shifts: list[FleetAlarm],
) -> None:
    batch = HistoryBatch(
        folded,  # type: ignore[arg-type]
        [DeadLetter("f", "log", 1, 2, "malformed", user)],
        totals,
        gone,
        linked,
        [Export("request", user, "state", "{}")],
        alarms=noticed,
        fleet_alarms=shifts,
    )
    assert unpack_history(pack_text(batch).encode()) == batch


@given(st.lists(st.tuples(users, st.binary(max_size=30)), max_size=5), removals, links)
def test_a_batch_for_the_hot_store_comes_back_as_it_was(
    changed: list[tuple[str, bytes]], gone: list[Removal], linked: list[LinkedIdentifier]
) -> None:
    batch = HotBatch(changed, gone, linked)
    assert unpack_hot(pack(batch)) == batch


forwarded_events = st.one_of(
    st.builds(AppUse, users, st.integers(0, 2**64 - 1), times, texts, texts, st.just(1), st.just(2), texts, texts),
    st.builds(Consent, users, st.integers(0, 2**64 - 1), times, texts, st.booleans(), st.integers(0, 9)),
    st.builds(CardsOpened, users, st.integers(0, 2**64 - 1), times, st.integers(0, 9)),
    st.builds(Registration, users, st.integers(0, 2**64 - 1), times, users, filled=st.lists(texts).map(tuple)),
)


@given(
    st.lists(st.tuples(st.integers(0, 2**40), st.integers(-1, 2**63 - 1), forwarded_events), max_size=8),
    st.lists(st.builds(Partial, st.integers(0, 2**40), users, users, st.binary(max_size=30)), max_size=3),
)
def test_what_a_door_forwards_comes_back_as_it_was(
    passed: list[tuple[int, int, object]], partials: list[Partial]
) -> None:
    batch = Forwarded(passed, partials)  # type: ignore[arg-type]
    back = unpack_forwarded(pack_text(batch).encode())
    assert back == batch
    assert [type(event) for *_, event in back.events] == [type(event) for *_, event in passed]


@given(counts)
def test_totals_come_back_as_they_were(totals: ShardCounts) -> None:
    assert unpack_counts(pack(totals)) == totals


@pytest.mark.parametrize("unpack", [unpack_history, unpack_forwarded])
@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"secret",
        b64encode(b"secret"),
        b64encode(zstandard.compress(b"secret")),
        b64encode(zstandard.compress(b"secret" * 9)[:-4]),
        b64encode(b"\x28\xb5\x2f\xfd\xc0\x00" + (2**40).to_bytes(8, "little")),  # claims a terabyte
    ],
)
def test_a_damaged_batch_is_an_error_that_shows_nothing_of_it(packed: bytes, unpack: Callable[[bytes], object]) -> None:
    with pytest.raises(DamagedBatch, match="restore from an earlier checkpoint") as error:
        unpack(packed)
    assert "secret" not in f"{error.value!r} {error.value.__cause__!r}"
