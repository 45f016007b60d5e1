"""A sequence of removals carried out at once does what they do one after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.outputs import Removal
from sinks.removals import Removals

USERS = ["a", "b", "c", "d"]
GROUPS = ["g", "h", "i"]
Row = tuple[str, str, int, int]  # user, group, its own number, number of the newest move that has one

users = st.sampled_from(USERS)
removal_lists = st.lists(
    st.one_of(
        st.builds(Removal, st.just("move"), users, users, number=st.integers(0, 3)),
        st.builds(Removal, st.just("erase"), users, time_ms=st.integers(0, 9)),
        st.builds(Removal, st.just("forget"), users, groups=st.lists(st.sampled_from(GROUPS)).map(tuple)),
    ),
    max_size=12,
)


def one_by_one(rows: set[Row], removals: list[Removal]) -> set[Row]:
    for r in removals:
        if r.kind == "move":
            gone = {row for row in rows if row[0] == r.user != r.to}
            rows = (rows - gone) | {(r.to, group, n, r.number or number) for _, group, n, number in gone}
        else:
            rows = {row for row in rows if row[0] != r.user or (r.kind == "forget" and row[1] not in r.groups)}
    return rows


def at_once(rows: set[Row], removals: Removals) -> set[Row]:
    """As the statements do: insert what moved, then delete."""
    moved, forgotten, numbers = removals.moved(), set(removals.forgotten()), removals.numbers()
    assert set(numbers) <= set(moved)
    copies = {
        (moved[u], g, n, numbers.get(u, number)) for u, g, n, number in rows if u in moved and (u, g) not in forgotten
    }
    return {row for row in rows | copies if row[0] not in removals.emptied and row[:2] not in forgotten}


@given(removal_lists)
def test_at_once_is_one_by_one(sequence: list[Removal]) -> None:
    rows = {(user, group, number, 9) for number, (user, group) in enumerate((u, g) for u in USERS for g in GROUPS)}
    expected = one_by_one(rows, sequence)
    removals = Removals()
    for removal in sequence:
        if not removals.take(removal):
            rows = at_once(rows, removals)
            removals = Removals()
            assert removals.take(removal)
    assert at_once(rows, removals) == expected


def test_an_erasure_is_recorded_as_of_its_newest_time() -> None:
    removals = Removals()
    for time_ms in (5, 9, 7):
        assert removals.take(Removal("erase", "a", time_ms=time_ms))
    assert removals.erased == {"a": 9}


def test_a_sequence_is_of_bounded_length() -> None:
    removals = Removals()
    taken = 0
    while removals.take(Removal("forget", f"u{taken}", groups=("g", "h"))):
        taken += 1
    assert 100 < taken < 1_000


@pytest.mark.parametrize(
    "removal", [Removal("erase", ""), Removal("move", "", "b"), Removal("move", "a"), Removal("lose", "a")]
)
def test_a_removal_of_nobody_is_an_error(removal: Removal) -> None:
    """Records about nobody known carry an empty name: they must not go with it."""
    with pytest.raises(ValueError, match=removal.kind):
        Removals().take(removal)
