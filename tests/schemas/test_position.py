"""Positions: three numbers in one, and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.position import FEED_SHIFT, pack_position, unpack_position

parts = st.tuples(st.integers(0, 127), st.integers(0, 65_535), st.integers(0, 2**40 - 1))


@given(parts)
def test_a_position_unpacks_to_what_was_packed_and_fits_a_signed_long(position: tuple[int, int, int]) -> None:
    packed = pack_position(*position)
    assert unpack_position(packed) == position
    assert 0 <= packed < 2**63
    assert packed >> FEED_SHIFT == position[0]


@given(parts, parts)
def test_positions_order_as_feed_partition_offset_do(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    assert (pack_position(*one) < pack_position(*other)) == (one < other)


def test_the_layout_is_the_documented_one() -> None:
    assert pack_position(3, 2, 1) == 3 * 2**56 + 2 * 2**40 + 1
