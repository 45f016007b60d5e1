from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from livetags.in_process import MemoryBlobs
from udfs.stages.wakes import SLOT_MS, Wakes

instants = st.integers(1, 20 * SLOT_MS)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("note"), st.lists(st.tuples(st.sampled_from("abcdef"), instants), max_size=5)),
        st.tuples(st.just("take"), instants),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_wakes_are_a_sorted_list_that_a_restart_does_not_change(todo: list[tuple[str, object]]) -> None:
    blobs = MemoryBlobs()
    wakes = Wakes(blobs)
    plain: list[tuple[int, str]] = []
    for what, with_it in todo:
        if what == "note":
            assert isinstance(with_it, list)
            wakes.note(with_it)
            plain += [(wake_ms, person) for person, wake_ms in with_it]
        elif what == "take":
            assert isinstance(with_it, int)
            assert wakes.take(with_it) == [person for wake_ms, person in sorted(plain) if wake_ms <= with_it]
            plain = [entry for entry in plain if entry[0] > with_it]
        else:
            wakes = Wakes(blobs)
        assert wakes.next_ms() == min((wake_ms for wake_ms, _ in plain), default=0)
    assert bool(blobs) == bool(plain)
