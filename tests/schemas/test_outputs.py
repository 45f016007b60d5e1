"""What travels between operators comes back as it was, or is an error that shows nothing of it."""

from __future__ import annotations

from base64 import b64encode

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from schemas.outputs import DamagedBatch, DeadLetter, HistoryBatch, ShardCounts, pack_history, unpack_history

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
events = st.tuples(
    texts,
    texts,
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**64 - 1),
    st.lists(st.tuples(texts, texts, st.floats(allow_nan=False)), max_size=4),
)


@given(st.lists(events, max_size=20))
def test_a_batch_of_history_comes_back_as_it_was(folded: list[tuple[object, ...]]) -> None:
    batch = HistoryBatch(folded, [DeadLetter("f", "log", 1, 2, "malformed")], ShardCounts(3, 5, 4))  # type: ignore[arg-type]
    assert unpack_history(pack_history(batch).encode()) == batch


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
def test_a_damaged_batch_is_an_error_that_shows_nothing_of_it(packed: bytes) -> None:
    with pytest.raises(DamagedBatch, match="restore from an earlier checkpoint") as error:
        unpack_history(packed)
    assert "secret" not in f"{error.value!r} {error.value.__cause__!r}"
