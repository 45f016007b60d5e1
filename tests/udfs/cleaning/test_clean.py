"""Laws of cleaning as a whole: steps are listed, memory is small, nothing but `Rejected` is raised."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cleaning_world import CELLS, CORNER, FAR, HOME, HOUR, MINUTE, NEXT, NOON, RULES, SECOND, outcome, reading, seen_at
from hypothesis import given, settings
from hypothesis import strategies as st

import udfs.cleaning
from schemas.cleaning_memory import CleaningMemory, Counter, Place, Spread
from schemas.events import AppUse, Billing, Call, DataUsage, Event, Order, Presence, Registration
from schemas.reasons import Reason, Rejected
from udfs.cleaning import STEPS, Correction, clean
from udfs.cleaning.correction import MEANING
from udfs.cleaning.figures import precision_recall

HELPERS = {"__init__", "align", "correction", "distance", "figures", "neighbours", "spread"}
FEEDS_OF_ONE_IDENTIFIER = {"imsi": (Presence, AppUse), "msisdn": (DataUsage, Call), "account": (Billing, Order)}

times = st.integers(NOON - 48 * HOUR, NOON + 48 * HOUR) | st.integers(NOON, NOON + 5 * MINUTE)
words = st.sampled_from(["", "video", "shop.example", "a.shop.example", "bill", "recharge", "balance"]) | st.text(
    max_size=8
)
counts = st.integers(-(2**63), 2**63 - 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)


def event_of(cls: type[Event], /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(cls, user=st.just("i"), event_id=st.integers(0, 2**64 - 1), event_time_ms=times, **fields)


ANY: dict[type[Event], st.SearchStrategy[Any]] = {
    Presence: event_of(Presence, kind=words, cell=st.sampled_from([*CELLS, "NOWHERE"]), province=words),
    AppUse: event_of(AppUse, app=words, category=words, bytes_up=counts, bytes_down=counts, host=words, keyword=words),
    DataUsage: event_of(DataUsage, bytes_total=counts | st.integers(0, 10**12)),
    Call: event_of(Call, kind=words, outgoing=st.booleans(), peer=words, duration_s=numbers, parties=counts),
    Billing: event_of(Billing, kind=words, amount_yuan=numbers | st.floats(0, 1e4), plan_tier=words),
    Registration: event_of(Registration, person=words, age=counts, gender=words, region=words, device_model=words),
    Order: event_of(Order, product=words, subscribed=st.booleans(), amount_yuan=numbers),
}
encode = msgspec.msgpack.encode


def test_every_file_is_a_step_that_is_listed_or_a_known_helper() -> None:
    assert udfs.cleaning.__file__
    files = {path.stem for path in Path(udfs.cleaning.__file__).parent.glob("*.py")} - HELPERS
    listed = {step.__name__ for steps in STEPS.values() for step in steps}
    assert listed == files


def test_every_correction_says_what_it_means() -> None:
    assert set(MEANING) == set(Correction)
    assert all(MEANING.values())


def test_an_event_of_no_listed_kind_passes_untouched() -> None:
    event = Order("i", 1, NOON, "p", True, 1.0)
    assert clean(event, CleaningMemory(), RULES, []) is event


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(*ANY.values()), max_size=60))
def test_only_rejected_is_raised_and_the_same_again_gives_the_same(events: list[Event]) -> None:
    def run() -> tuple[list[Any], bytes]:
        memory = CleaningMemory()
        found: list[Any] = []
        for each in events:
            event = msgspec.structs.replace(each)
            corrections: list[str] = []
            try:
                found.append((clean(event, memory, RULES, corrections), corrections))
            except Rejected as rejected:
                found.append((rejected.reason, corrections))
            # as between two batches
            memory = msgspec.msgpack.decode(encode(memory), type=CleaningMemory)
        return found, encode(memory)

    assert run() == run()


@pytest.mark.parametrize("kinds", FEEDS_OF_ONE_IDENTIFIER.values(), ids=FEEDS_OF_ONE_IDENTIFIER.keys())
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_memory_stays_small(kinds: tuple[type[Event], ...], data: st.DataObject) -> None:
    memory = CleaningMemory()
    for event in data.draw(st.lists(st.one_of(*(ANY[kind] for kind in kinds)), max_size=60)):
        outcome(event, memory)
        assert len(encode(memory)) < 120


def test_memory_stays_small_over_a_long_stream() -> None:
    dice = random.Random(3)
    memory = CleaningMemory()
    cells = list(CELLS)
    for _ in range(20_000):
        at_ms = NOON + dice.randrange(2 * HOUR)
        outcome(seen_at(dice.choice(cells), at_ms), memory)
        assert len(encode(memory)) < 120


def test_sizes_of_empty_and_full() -> None:
    at_ms = NOON
    spread = Spread(32, 1.5, 0.5, 2)
    assert len(encode(CleaningMemory())) < 10
    place = Place(HOME, at_ms, {NEXT: at_ms, CORNER: at_ms}, at_ms, FAR)
    assert len(encode(CleaningMemory(place=place))) < 120
    counter = Counter(2**62, at_ms, (2**62, at_ms))
    assert len(encode(CleaningMemory(counter=counter, usage=spread, call=spread))) < 120
    assert len(encode(CleaningMemory(bill=spread, recharge=spread))) < 60


def test_the_last_cell_is_forgotten_at_a_record_of_another_feed() -> None:
    memory = CleaningMemory()
    outcome(seen_at(HOME, NOON), memory)
    flow = AppUse("i", 1, NOON + 30 * MINUTE, "video", "", 1, 1)
    clean(flow, memory, RULES, [])
    assert memory.place is not None
    flow.event_time_ms += 1
    clean(flow, memory, RULES, [])
    assert memory.place is None


@pytest.mark.parametrize(
    ("labelled", "found", "expected"),
    [
        (set(), set(), (1.0, 1.0)),
        ({1, 2}, {1, 2}, (1.0, 1.0)),
        ({1, 2}, {2, 3, 4, 5}, (0.25, 0.5)),
        ({1}, set(), (1.0, 0.0)),
        (set(), {1}, (0.0, 1.0)),
    ],
)
def test_precision_and_recall(labelled: set[int], found: set[int], expected: tuple[float, float]) -> None:
    assert precision_recall(labelled, found) == expected


def planted_day() -> tuple[list[Event], dict[Reason, set[int]]]:
    """A day of one person: at home, on the way, at the corner, with planted bounces, drifts and counter glitches."""
    events: list[Event] = []
    labelled: dict[Reason, set[int]] = {
        Reason.PING_PONG: set(),
        Reason.SIGNAL_DRIFT: set(),
        Reason.VALUE_OUTLIER: set(),
    }

    def add(event: Event, label: Reason | None = None) -> None:
        event.event_id = len(events)
        events.append(event)
        if label is not None:
            labelled[label].add(event.event_id)

    total = 10**9
    for slot in range(140):
        at_ms = NOON + slot * 10 * MINUTE
        here = HOME if slot < 70 else CORNER
        add(seen_at(here, at_ms))
        if slot % 20 == 5:
            add(seen_at(NEXT, at_ms + 10 * SECOND))
            for k, cell in enumerate([here, NEXT, here, NEXT, here]):
                add(seen_at(cell, at_ms + (14 + 4 * k) * SECOND), Reason.PING_PONG)
        if slot % 20 == 12:
            add(seen_at(FAR, at_ms + 30 * SECOND), Reason.SIGNAL_DRIFT)
            add(seen_at(here, at_ms + 60 * SECOND))
        if slot % 3 == 0:
            total += (30 + slot % 7) * 10**6
            glitch = slot % 30 == 15
            add(reading(total + 10**15 * glitch, at_ms + 1), Reason.VALUE_OUTLIER if glitch else None)
    return events, labelled


def test_a_planted_day_is_cleaned_exactly() -> None:
    events, labelled = planted_day()
    assert len(events) > 200
    memory = CleaningMemory()
    found: dict[Reason, set[int]] = {reason: set() for reason in labelled}
    used = 0
    for event in events:
        reason = outcome(event, memory)
        if reason is not None:
            found[reason].add(event.event_id)
        elif isinstance(event, DataUsage):
            used += event.bytes_used
    assert {reason: precision_recall(labelled[reason], found[reason]) for reason in labelled} == {
        Reason.PING_PONG: (1.0, 1.0),
        Reason.SIGNAL_DRIFT: (1.0, 1.0),
        Reason.VALUE_OUTLIER: (1.0, 1.0),
    }
    readings = [
        e.bytes_total for e in events if isinstance(e, DataUsage) and e.event_id not in labelled[Reason.VALUE_OUTLIER]
    ]
    assert used == readings[-1] - readings[0]


def test_small_shuffles_cost_little() -> None:
    events, labelled = planted_day()
    dice = random.Random(11)
    shuffled = sorted(events, key=lambda event: event.event_time_ms + dice.randrange(8 * SECOND))
    memory = CleaningMemory()
    found: dict[Reason, set[int]] = {reason: set() for reason in labelled}
    for event in shuffled:
        reason = outcome(event, memory)
        if reason is not None:
            found[reason].add(event.event_id)
    for reason, ids in labelled.items():
        precision, recall = precision_recall(ids, found[reason])
        assert precision > 0.85, reason
        assert recall > 0.8, reason
