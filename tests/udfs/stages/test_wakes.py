from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from livetags.in_process import MemoryBlobs
from udfs.stages.wakes import SLOT_MS, Wake, Wakes

instants = st.integers(1, 20 * SLOT_MS)
queues = st.sampled_from(["", "dpi", "dpi+order"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("note"), st.lists(st.tuples(queues, st.sampled_from("abcdef"), instants), max_size=5)),
        st.tuples(st.just("take"), st.tuples(queues, instants)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_wakes_are_sorted_lists_that_a_restart_does_not_change(todo: list[tuple[str, Any]]) -> None:
    blobs = MemoryBlobs()
    wakes = Wakes(blobs)
    plain: list[Wake] = []
    for what, with_it in todo:
        if what == "note":
            wakes.note(with_it)
            plain = list(dict.fromkeys([*plain, *with_it]))
        elif what == "take":
            queue, until_ms = with_it
            due = [each for each in plain if each[0] == queue and each[2] <= until_ms]
            assert wakes.take(queue, until_ms) == [who for _, who, _ in sorted(due, key=lambda e: (e[2], e[1]))]
            plain = [each for each in plain if each not in due]
        else:
            wakes = Wakes(blobs)
        assert sorted(wakes.queues()) == sorted({queue for queue, _, _ in plain})
        for queue in ("", "dpi", "dpi+order"):
            assert wakes.next_ms(queue) == min((each[2] for each in plain if each[0] == queue), default=0)
    assert bool(blobs) == bool(plain)


def test_entries_from_before_there_were_queues_are_those_of_the_nameless_one() -> None:
    blobs = MemoryBlobs()
    Wakes(blobs).note([("", "p", 5)])
    assert [key for key, _ in blobs.items()] == ["0"]
    assert Wakes(blobs).take("", 5) == ["p"]
