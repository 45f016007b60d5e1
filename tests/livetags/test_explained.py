"""Every decision of the evaluator is confirmed by its receipt, and none by a receipt that was altered."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from livetags.explained import Explanation, differences, explain
from schemas.events import Billing, Event
from schemas.outputs import Receipt, Trigger
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule
from tests.udfs.triggers.rule_story import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    RULES,
    T0_MS,
    Life,
    balance,
    ordered,
    rule,
    seen,
    used,
)
from udfs.triggers.evaluate import Fired
from udfs.triggers.trigger_id import trigger_id

GRACE_MS = 1_000
USER = "p.one"
M = MINUTE_MS
NIGHT_MS = T0_MS + 23 * HOUR_MS

STORIES: dict[str, tuple[TriggerRule, list[Event]]] = {
    "pulse": (
        rule(
            "pulse",
            "app_use",
            match={"category": ["video", "music"]},
            tags={"video": "content:video"},
            when="video >= 1.0 && (local_hour >= 22.0 || local_hour < 2.0) && workday",
        ),
        [used(NIGHT_MS, megabytes=3.0)],
    ),
    "pulse once a week": (
        rule("pulse", "app_use", when="flow_mb > 2.0", once_per="week", priority=70, payload={"offer": "pass"}),
        [used(NIGHT_MS, megabytes=3.0)],
    ),
    "pulse with a cool-down": (
        rule("pulse", "recharge", when="amount_yuan >= 100.0", cooldown="20d", valid_from="2026-01-01T00:00:00Z"),
        [Billing("p", 7, T0_MS, "recharge", 120.0)],
    ),
    "enter": (
        rule("level", "traffic", when="included_mb > 0.0 && remaining_share <= 0.2", until="remaining_share > 0.3"),
        [balance(T0_MS, 9_000.0), balance(T0_MS + M, 1_800.0)],
    ),
    "exit": (
        rule(
            "level",
            "traffic",
            when="included_mb > 0.0 && remaining_share <= 0.2",
            until="remaining_share > 0.3",
            fire="exit",
        ),
        [balance(T0_MS, 1_800.0), balance(T0_MS + M, 2_500.0), balance(T0_MS + 2 * M, 9_000.0)],
    ),
    "exit without until": (
        rule("level", "presence", match={"district_kind": ["mall"]}, fire="exit", shadow=True),
        [seen(T0_MS, "mall"), seen(T0_MS + M, "station")],
    ),
    "stay": (
        rule("level", "presence", match={"district_kind": ["mall"]}, hold="20m", hold_exit="10m"),
        [seen(T0_MS, "mall"), seen(T0_MS + 25 * M, "mall")],
    ),
    "left": (
        rule("level", "presence", match={"district_kind": ["mall"]}, hold="20m", hold_exit="10m", fire="exit"),
        [seen(T0_MS, "mall"), seen(T0_MS + 25 * M, "mall"), seen(T0_MS + 30 * M)],
    ),
    "stay once a day": (
        rule(
            "level",
            "presence",
            match={"district_kind": ["mall"]},
            when="home_district != 'x'",
            hold="20m",
            once_per="day",
        ),
        [seen(T0_MS, "mall"), seen(T0_MS + 25 * M, "mall")],
    ),
    "tags": (
        rule("level", "tags", tags={"video": "content:video"}, when="video > 1.5", until="video < 0.5"),
        [used(T0_MS), used(T0_MS + M)],
    ),
    "tags, exit": (
        rule("level", "tags", tags={"video": "content:video"}, when="video > 1.5", until="video < 0.5", fire="exit"),
        [used(T0_MS), used(T0_MS + M), used(T0_MS + 60 * DAY_MS)],
    ),
    "fade": (
        rule("fade", "tags", tags={"video": "content:video"}, above=2.0, below=1.0),
        [used(T0_MS), used(T0_MS), used(T0_MS + M)],
    ),
    "absence": (
        rule(
            "absence",
            "app_use",
            when="flow_mb > 0.5 && workday",
            unless={"on": "order", "when": "subscribed"},
            within="30m",
        ),
        [used(T0_MS), ordered(T0_MS - M)],
    ),
    "count": (
        rule("count", "app_use", when="flow_mb > 0.5", times=3, within="1h"),
        [used(T0_MS + 9 * M), used(T0_MS + 2 * M), used(T0_MS + 5 * M)],
    ),
    "count by the hour, the last one late": (
        rule("count", "app_use", when="local_hour < 1.0", times=2, within="3h"),
        [used(T0_MS + 59 * M), used(T0_MS + 40 * M)],
    ),
}


def sent(life: Life, events: list[Event]) -> list[Receipt]:
    """Receipts of what the events make fire, and time after them."""
    made = []
    for event in events:
        made += [_receipt(fired, event) for fired in life.see(event)]
    return made + [_receipt(fired, None) for fired in life.wait(T0_MS + 400 * DAY_MS)]


def _receipt(fired: Fired, event: Event | None) -> Receipt:
    what = fired.compiled.rule
    place = ("dpi", "dpi.pb", 0, 17) if fired.by_event else ("", "", 0, 0)
    made = Trigger(
        trigger_id(USER, what.id, what.version, fired.episode),
        USER,
        what.id,
        what.version,
        what.scene,
        what.purpose,
        what.priority,
        fired.cause,
        fired.episode,
        fired.at_ms,
        fired.at_ms + 40,
        what.shadow,
        *place,
        event.event_id if fired.by_event and event is not None else 0,
        fired.values,
        what.payload,
    )
    return Receipt(made, 0 if what.shadow else fired.at_ms + 50)


def receipt_of(name: str) -> Receipt:
    what, events = STORIES[name]
    [receipt] = sent(Life(what, grace_ms=GRACE_MS), [replace(event, event_id=n + 1) for n, event in enumerate(events)])
    return receipt


def told(name: str, receipt: Receipt) -> Explanation:
    return explain(receipt, STORIES[name][0], RULES, GRACE_MS)


def altered(receipt: Receipt, **changes: object) -> Receipt:
    return receipt._replace(trigger=replace(receipt.trigger, **changes))


@pytest.mark.parametrize("name", STORIES)
def test_what_the_evaluator_decided_is_confirmed(name: str) -> None:
    found = told(name, receipt_of(name))
    assert found.confirmed, found.verdict
    assert found.verdict == "the decision is confirmed"
    assert not found.emptied
    # and so is what was read back from where receipts are kept
    read = msgspec.json.decode(msgspec.json.encode(receipt_of(name)), type=Receipt)
    assert told(name, read) == found


ALTERATIONS: dict[str, Callable[[Trigger], dict[str, object]]] = {
    "id": lambda made: {"id": made.id[:-1] + ("0" if made.id[-1] != "0" else "1")},
    "user": lambda made: {"user": "p.two"},
    "rule": lambda made: {"rule": "other"},
    "version": lambda made: {"version": made.version + 1},
    "version and id": lambda made: {"version": 2, "id": trigger_id(USER, made.rule, 2, made.episode)},
    "episode": lambda made: {"episode": made.episode + "1"},
    "episode and id": lambda made: {
        "episode": made.episode + "1",
        "id": trigger_id(USER, made.rule, made.version, made.episode + "1"),
    },
    "scene": lambda made: {"scene": "another"},
    "purpose": lambda made: {"purpose": "service"},
    "priority": lambda made: {"priority": made.priority + 1},
    "payload": lambda made: {"payload": {**made.payload, "more": "x"}},
    "cause": lambda made: {"cause": "exit" if made.cause == "enter" else "enter"},
    "shadow": lambda made: {"shadow": not made.shadow},
    "time": lambda made: {"at_ms": made.at_ms + 40 * DAY_MS},
    "one value more": lambda made: {"values": {**made.values, "unheard_of": 1.0}},
    "a place": lambda made: {"log": "x", "feed": ""},
    "an event": lambda made: {"event_id": made.event_id + 1} if made.event_id else {"feed": "dpi"},
}


def only_a_replay_tells(name: str, what: str) -> bool:
    """When something ended, and which event it was where the episode doesn't name it."""
    if what == "time":
        return STORIES[name][0].fire == "exit"
    return what == "an event" and name in (
        "pulse once a week",
        "enter",
        "exit",
        "exit without until",
        "tags",
        "tags, exit",
    )


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("what", ALTERATIONS)
def test_an_altered_receipt_is_not_confirmed(name: str, what: str) -> None:
    receipt = receipt_of(name)
    changed = altered(receipt, **ALTERATIONS[what](receipt.trigger))
    found = told(name, changed)
    assert differences(changed.trigger, receipt.trigger)
    assert found.confirmed == only_a_replay_tells(name, what)
    assert found.confirmed or found.verdict.startswith("NOT confirmed: ")


@pytest.mark.parametrize("name", STORIES)
def test_a_value_that_is_missing_or_of_another_type_is_not_confirmed(name: str) -> None:
    receipt = receipt_of(name)
    for key, value in receipt.trigger.values.items():
        others = {k: v for k, v in receipt.trigger.values.items() if k != key}
        assert not told(name, altered(receipt, values=others)).confirmed
        other: object = "text" if isinstance(value, float) else 1.0
        assert not told(name, altered(receipt, values={**others, key: other})).confirmed


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("pulse", {"category": "news"}, 'category = "news" is not one of music, video'),
        ("pulse", {"video": 0.5}, "video >= 1.0 is false, with video = 0.5"),
        ("pulse", {"local_hour": 22.5}, "local_hour is 22.5, at that time 23.0"),
        ("pulse", {"workday": False}, "workday is false, at that time true"),
        ("pulse", {"video": -1.0}, "expected a weight"),
        ("enter", {"remaining_share": 0.21}, "remaining_share <= 0.2 is false, with remaining_share = 0.21"),
        ("enter", {"included_mb": 0.0}, "included_mb > 0.0 is false"),
        ("exit", {"remaining_share": 0.3}, "remaining_share > 0.3 is false"),
        ("exit without until", {"district_kind": "mall"}, "it still qualifies"),
        ("fade", {"video": 1.000001}, "has not faded"),
        ("fade", {"video": 0.999}, "would have faded earlier"),
        ("fade", {"video": 0.0}, "would have faded earlier"),
        ("count", {"flow_mb": 0.4}, "flow_mb > 0.5 is false"),
    ],
)
def test_values_under_which_it_would_not_have_fired(name: str, values: dict[str, object], why: str) -> None:
    receipt = receipt_of(name)
    assert values.keys() <= receipt.trigger.values.keys()
    found = told(name, altered(receipt, values={**receipt.trigger.values, **values}))
    assert not found.confirmed
    assert why in found.verdict


@given(st.floats(allow_nan=True))
def test_of_any_share_exactly_those_are_confirmed_that_meet_the_condition(share: float) -> None:
    receipt = receipt_of("enter")
    found = told("enter", altered(receipt, values={**receipt.trigger.values, "remaining_share": share}))
    assert found.confirmed == (-float("inf") < share <= 0.2)


@given(
    st.integers(-(10**12), 10**12).filter(bool),
    st.sampled_from([name for name, (what, _) in STORIES.items() if what.fire == "enter" and what.once_per is None]),
)
def test_at_another_time_nothing_is_confirmed(shift_ms: int, name: str) -> None:
    receipt = receipt_of(name)
    found = told(name, altered(receipt, at_ms=receipt.trigger.at_ms + shift_ms))
    # the newest of those counted is within the window from the one that the episode names
    assert not found.confirmed or (STORIES[name][0].shape == "count" and abs(shift_ms) < 3 * HOUR_MS)


def test_it_says_what_held_and_why_it_fired() -> None:
    texts = [step.text for step in told("enter", receipt_of("enter")).steps]
    assert "when: remaining_share <= 0.2 is true, with remaining_share = 0.18" in texts
    assert any(text.startswith("the event that made it fire: feed dpi, log dpi.pb, partition 0") for text in texts)
    texts = [step.text for step in told("pulse", receipt_of("pulse")).steps]
    assert 'category = "video" is one of music, video' in texts
    assert any("half-life of 7 d" in step.text for step in told("fade", receipt_of("fade")).steps)
    texts = [step.text for step in told("stay", receipt_of("stay")).steps]
    assert "time alone made it fire, no event" in texts
    assert 'district_kind = "mall" is one of mall' in texts


def test_emptied_values_are_said_and_not_confirmed() -> None:
    found = told("enter", altered(receipt_of("enter"), values={}))
    assert found.emptied
    assert not found.confirmed
    assert found.verdict == "NOT confirmed: its values were emptied when the person withdrew a consent"
    # a rule that reads nothing has nothing to be emptied
    nothing = receipt_of("count by the hour, the last one late")
    assert nothing.trigger.values
    quiet = rule("pulse", "app_use")
    [receipt] = sent(Life(quiet), [used(T0_MS)])
    assert explain(receipt, quiet, RULES, GRACE_MS).confirmed


def test_a_weight_that_a_change_of_behaviour_has_cut_fades_at_once() -> None:
    receipt = receipt_of("fade")
    cut = altered(receipt, values={"video": 0.4})
    what, at_ms = STORIES["fade"][0], receipt.trigger.at_ms
    assert not explain(cut, what, RULES, GRACE_MS).confirmed
    assert not explain(cut, what, RULES, GRACE_MS, [at_ms + 1]).confirmed
    assert explain(cut, what, RULES, GRACE_MS, [at_ms - DAY_MS]).confirmed


def test_a_rule_that_can_no_longer_be_used_confirms_nothing() -> None:
    fewer = Settings().rules({})
    found = explain(receipt_of("fade"), STORIES["fade"][0], fewer, GRACE_MS)
    assert "the rule can't be used any more: tags.video: unknown tag group" in found.verdict


def test_it_was_sent_though_in_shadow() -> None:
    shadow = receipt_of("exit without until")
    assert "in shadow" in told("exit without until", shadow._replace(sent_ms=5)).verdict


@pytest.mark.parametrize("name", STORIES)
def test_a_replay_differs_in_nothing_but_when_it_was_decided(name: str) -> None:
    was = receipt_of(name).trigger
    assert differences(was, replace(receipt_of(name).trigger, decided_ms=1)) == []
    assert differences(was, None) == ["the replay fires no trigger of that id"]
    for field in Trigger.__struct_fields__:
        before = getattr(was, field)
        if field in ("decided_ms", "values"):
            continue
        other = {**before, "x": "y"} if isinstance(before, dict) else not before if isinstance(before, bool) else None
        other = (f"{before}x" if isinstance(before, str) else before + 1) if other is None else other
        assert len(differences(was, replace(was, **{field: other}))) == 1, field
    assert differences(was, replace(was, log="elsewhere", offset=9), same_logs=False) == []


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_values_are_compared_bit_for_bit(one: float, other: float) -> None:
    was = replace(receipt_of("fade").trigger, values={"video": one})
    assert (differences(was, replace(was, values={"video": other})) == []) == (one.hex() == other.hex())
    assert differences(was, replace(was, values={"video": one})) == []
