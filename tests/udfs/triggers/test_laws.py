"""Laws of the triggers: what a slow and plain reading of a whole timeline says, and what must not matter."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import state
from schemas.events import AppUse, Event, Order, Presence
from tests.udfs.triggers.rule_story import HOUR_MS, MINUTE_MS, T0_MS, Life, ordered, rule, seen, used
from udfs.triggers.watermarks import Watermarks

M = MINUTE_MS
STAY = rule("level", "presence", id="stay", match={"district_kind": ["mall"]}, hold="20m", hold_exit="10m")
LEFT = rule("level", "presence", id="left", match={"district_kind": ["mall"]}, hold="20m", hold_exit="10m", fire="exit")
NOTHING = rule("absence", "app_use", id="nothing", unless={"on": "order"}, within="30m")
OFTEN = rule("count", "app_use", id="often", times=3, within="1h")
UNREAD = rule("absence", "app_use", id="unread", unless={"on": "app_use", "when": "flow_mb > 1.0"}, within="30m")
FADED = rule("fade", "tags", id="faded", tags={"video": "content:video"}, above=2.0, below=1.9999)

ALL = (STAY, LEFT, NOTHING, UNREAD, OFTEN, FADED)

minutes = st.lists(st.integers(0, 600), min_size=1, max_size=40, unique=True).map(sorted)
quick = settings(max_examples=200, deadline=None)
END_MS = T0_MS + 10_000 * M

Made = list[tuple[str, str, int]]


def made(life: Life) -> Made:
    return sorted((each.compiled.rule.id, each.cause, (each.at_ms - T0_MS) // M) for each in life.fired)


@st.composite
def timelines(draw: st.DrawFn) -> list[Event]:
    """Events of one person in order of time, never two at once."""
    return [
        draw(
            st.sampled_from(
                [
                    seen(T0_MS + at * M, "mall"),
                    seen(T0_MS + at * M),
                    used(T0_MS + at * M),
                    used(T0_MS + at * M, megabytes=2.0),
                    ordered(T0_MS + at * M),
                ]
            )
        )
        for at in draw(minutes)
    ]


def plain(events: list[Event]) -> Made:
    """The same by looking at the whole timeline at once."""
    fired: Made = []
    sightings = [(e.event_time_ms, e.district_kind == "mall") for e in events if isinstance(e, Presence)]
    # spells in the mall, by what each sighting says until the next
    inside_from, out_from, spells = None, None, []
    for at, inside in sightings:
        if inside_from is not None and out_from is not None and at >= out_from + 10 * M:
            spells.append((inside_from, out_from))
            inside_from = out_from = None
        if inside:
            inside_from = at if inside_from is None else inside_from
            out_from = None
        elif inside_from is not None and out_from is None:
            if at < inside_from + 20 * M:
                inside_from = None  # it had not lasted
            else:
                out_from = at
    if inside_from is not None:
        spells.append((inside_from, out_from))
    for begin, out in spells:
        fired.append(("stay", "enter", (begin - T0_MS) // M + 20))
        if out is not None:
            fired.append(("left", "exit", (out - T0_MS) // M + 10))
    uses = [e.event_time_ms for e in events if isinstance(e, AppUse)]
    orders = [e.event_time_ms for e in events if not isinstance(e, AppUse | Presence)]
    free_from = -1
    for at in uses:
        if at > free_from:
            bought = [order for order in orders if at <= order <= at + 30 * M]
            free_from = min(bought, default=at + 30 * M)
            if not bought:
                fired.append(("nothing", "absence", (at - T0_MS) // M + 30))
    counted: list[int] = []
    for at in uses:
        counted = [each for each in [*counted, at] if each > at - HOUR_MS]
        if len(counted) == 3:
            fired.append(("often", "count", (at - T0_MS) // M))
            counted = []
    return sorted(fired)


@quick
@given(timelines())
def test_all_shapes_fire_as_the_whole_timeline_says(events: list[Event]) -> None:
    life = Life(STAY, LEFT, NOTHING, OFTEN)
    life.see(*events)
    life.wait(END_MS)
    assert made(life) == plain(events)


@quick
@given(timelines(), st.lists(st.integers(0, 700), max_size=20), st.integers(0, 5))
def test_who_looks_when_does_not_matter(events: list[Event], looks: list[int], grace_minutes: int) -> None:
    rules = (STAY, LEFT, NOTHING, OFTEN, FADED)
    left_alone, looked_at = Life(*rules, grace_ms=grace_minutes * M), Life(*rules, grace_ms=grace_minutes * M)
    left_alone.see(*events)
    for at in sorted([*[(e.event_time_ms, 1) for e in events], *[(T0_MS + look * M, 0) for look in looks]]):
        if at[1]:
            looked_at.see(next(e for e in events if e.event_time_ms == at[0]))
        else:
            looked_at.wait(at[0] - grace_minutes * M - 1)
    for life in (left_alone, looked_at):
        life.wait(END_MS)
    assert made(left_alone) == made(looked_at)
    assert {(e.episode, e.at_ms) for e in left_alone.fired} == {(e.episode, e.at_ms) for e in looked_at.fired}


FEED_OF: dict[type[Event], str] = {Presence: "signalling", AppUse: "dpi", Order: "order"}


@quick
@given(timelines(), st.randoms(use_true_random=False), st.integers(0, 5))
def test_feeds_that_are_behind_by_different_times_change_nothing(
    events: list[Event], random: Random, grace_minutes: int
) -> None:
    """Each feed is read in its order and at its own pace, and the job looks at the person at any time."""
    grace_ms = grace_minutes * M
    in_step, apart = Life(*ALL, grace_ms=grace_ms), Life(*ALL, grace_ms=grace_ms)
    in_step.see(*events)
    in_step.wait(END_MS)
    waiting = {feed: [e for e in events if FEED_OF[type(e)] == feed] for feed in FEED_OF.values()}
    read = dict.fromkeys(waiting, 0)
    while any(waiting.values()):
        feed = random.choice([each for each in waiting if waiting[each]])
        # what begins an absence and what stops it are read in step: docs/decisions/0012-triggers.md says why
        if feed != "signalling":
            feed = min((each for each in ("dpi", "order") if waiting[each]), key=lambda f: waiting[f][0].event_time_ms)
        event = waiting[feed].pop(0)
        apart.see(event, watermarks=Watermarks(END_MS, dict(read)))
        read[feed] = event.event_time_ms
        if random.random() < 0.5:
            apart.look(Watermarks(END_MS, dict(read)))
    apart.wait(END_MS)
    assert made(apart) == made(in_step)
    assert {(e.episode, e.at_ms, *e.values.items()) for e in apart.fired} == {
        (e.episode, e.at_ms, *e.values.items()) for e in in_step.fired
    }


@quick
@given(timelines())
def test_the_next_due_instant_is_the_first_at_which_anything_happens(events: list[Event]) -> None:
    life = Life(STAY, LEFT, NOTHING, FADED)
    life.see(*events)
    while due_ms := life.due_ms():
        before = state.encode(life.profile)
        assert life.wait(due_ms - 1) == []
        assert state.encode(life.profile) == before
        life.wait(due_ms)
        assert life.due_ms() != due_ms


@quick
@given(timelines(), st.data())
def test_a_replay_of_a_tail_from_a_snapshot_fires_the_same_again(events: list[Event], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(events)))
    life = Life(STAY, LEFT, NOTHING, OFTEN, FADED)
    life.see(*events[:cut])
    snapshot, so_far = state.encode(life.profile), len(life.fired)
    life.see(*events[cut:])
    again = Life(STAY, LEFT, NOTHING, OFTEN, FADED)
    again.profile = state.decode(snapshot)
    again.see(*events[cut:])
    assert [each[1:] for each in again.fired] == [each[1:] for each in life.fired[so_far:]]


@quick
@given(st.lists(st.integers(0, 600), min_size=1, max_size=20, unique=True))
def test_sightings_of_one_stay_fire_once_in_any_order(sightings: list[int]) -> None:
    order = [seen(T0_MS + at * M, "mall") for at in sightings]
    life = Life(rule("level", "presence", match={"district_kind": ["mall"]}))
    life.see(*order)
    assert len(life.fired) == 1


def test_the_plain_reading_has_something_to_read() -> None:
    events: list[Event] = [
        seen(T0_MS, "mall"),
        used(T0_MS + M),
        used(T0_MS + 2 * M),
        used(T0_MS + 3 * M),
        seen(T0_MS + 60 * M),
    ]
    assert plain(events) == [
        ("left", "exit", 70),
        ("nothing", "absence", 31),
        ("often", "count", 3),
        ("stay", "enter", 20),
    ]
