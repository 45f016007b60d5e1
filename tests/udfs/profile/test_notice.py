"""What drift means for a profile: what is watched, what an alarm says, what a withdrawal and an erasure take away."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import pytest
from msgspec.structs import replace

from schemas.drift_memory import DriftMemory
from schemas.drift_rules import DriftRules
from schemas.events import AppUse, Call, Consent, Event, Purchase, Rebuild, RightsRequest
from schemas.outputs import Alarm
from schemas.reasons import Reason
from schemas.settings import Settings
from schemas.state import Profile
from udfs.profile import notice as noticing
from udfs.profile import rebuild
from udfs.profile.decay import weight_at
from udfs.profile.fold import fold
from udfs.profile.notice import ask_rebuild, forget_drift, notice, reason_of
from udfs.profile.output import Folded, Refused
from udfs.profile.snapshot import snapshot
from udfs.tags import GROUPS

T0_MS = 1_767_225_600_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
RULES = Settings().rules(GROUPS)
JUMPY = replace(
    RULES, drift=DriftRules(min_buckets=6, min_days=1, min_distance_bits=0.05, cooldown_ms=0, alpha_per_year=10.0)
)


def use(n: int, time_ms: int, category: str) -> AppUse:
    return AppUse("u", n, time_ms, f"{category}.example", category, 10**6, 10**6)


def granted(purpose: str = "profiling", time_ms: int = T0_MS, yes: bool = True) -> Consent:
    return Consent("u", 10**6, time_ms, purpose, yes, 1)


def consented() -> Profile:
    profile = Profile()
    for purpose in ("profiling", "necessary"):
        fold(profile, granted(purpose), JUMPY)
    return profile


def switching(change_day: int = 8, days: int = 16) -> Iterator[AppUse]:
    for day in range(days):
        for turn in range(4):
            n = day * 4 + turn
            yield use(n, T0_MS + n * 6 * HOUR_MS, "music" if day < change_day else "games")


def with_alarm() -> tuple[Profile, Alarm, AppUse, Profile]:
    """A profile just after its alarm, the alarm, the event that revealed it, and the profile just before."""
    profile = consented()
    for event in switching():
        before = deepcopy(profile)
        output = fold(profile, event, JUMPY)
        assert isinstance(output, Folded)
        for alarm in output.alarms:
            if alarm.kind == "shares":
                return profile, alarm, event, before
    raise AssertionError


def test_an_alarm_says_what_and_when_and_what_the_profile_held() -> None:
    profile, alarm, event, before = with_alarm()
    assert (alarm.user, alarm.kind, alarm.status, alarm.factor) == ("u", "shares", "provisional", 0.125)
    assert (alarm.generation, alarm.seq) == (1, before.n)
    assert (profile.generation, profile.n) == (1, before.n + 1)
    assert alarm.at_ms <= event.event_time_ms
    assert (alarm.at_ms + JUMPY.utc_offset_ms) % (6 * HOUR_MS) == 0
    assert abs(alarm.since_ms - T0_MS - 8 * DAY_MS) <= 3 * DAY_MS
    assert alarm.evidence >= 1.0
    assert alarm.distance_bits >= 0.05
    assert [name for name, _, _ in alarm.rose] == ["content:games"]
    assert alarm.fell[0][0] == "content:music"
    assert profile.drift is not None
    assert profile.drift.pending == alarm


def test_the_rebuild_weighs_what_was_there_and_not_what_is_coming() -> None:
    profile, _, event, before = with_alarm()
    assert before.groups["content"].cells.keys() == {"music", "games"}
    for tag, cell in before.groups["content"].cells.items():
        group, was = profile.groups["content"], before.groups["content"]
        weights = [
            weight_at(c, event.event_time_ms, g.half_life_ms, g.landmark)
            for c, g in ((group.cells[tag][0], group), (cell[0], was))
        ]
        assert weights[0] == pytest.approx(weights[1] / 8 + (tag == event.category))


def test_the_hot_profile_says_why_and_since_when() -> None:
    profile, alarm, _, before = with_alarm()
    shown = snapshot("u", profile, JUMPY)
    assert shown.reason == reason_of(alarm)
    assert shown.reason.startswith("games ")
    assert ", music " in shown.reason
    assert shown.changed_ms == alarm.since_ms
    assert (snapshot("u", before, JUMPY).reason, snapshot("u", before, JUMPY).changed_ms) == ("", 0)


@pytest.mark.parametrize(
    ("alarm", "text"),
    [
        (
            Alarm("u", "shares", 1, 1, 1, 1, 1.0, 0.2, [("content:games", 0.04, 0.384)], [("content:news", 0.3, 0.06)]),
            "games 4% -> 38%, news 30% -> 6%",
        ),
        (Alarm("u", "shares", 1, 1, 1, 1, 1.0, 0.2, [], [("other", 0.5, 0.1)]), "other 50% -> 10%"),
        (
            Alarm("u", "shares", 1, 1, 1, 1, 1.0, 0.2, [("app:a:b", 0.1, 0.9), ("app:c", 0, 1)], []),
            "a:b 10% -> 90%",
        ),
        (Alarm("u", "volume", 1, 1, 1, 1, 1.0, 0.2, [], [("", 80.0, 5.5)]), "80 -> 5.5 events a day"),
        (Alarm("u", "volume", 1, 1, 1, 1, 1.0, 0.2, [("", 5.0, 80.0)], []), "5 -> 80 events a day"),
        (Alarm("u", "shares", 1, 1, 1, 1, 1.0, 0.2), ""),
    ],
)
def test_a_reason_is_an_alarm_in_a_few_words(alarm: Alarm, text: str) -> None:
    assert reason_of(alarm) == text


def test_events_of_families_that_are_not_watched_are_not_seen() -> None:
    profile = consented()
    fold(profile, granted("social_analysis"), JUMPY)
    seen = fold(profile, Call("u", 1, T0_MS, "voice", True, "peer", 60.0, 2), JUMPY)
    assert isinstance(seen, Folded)
    assert seen.evidence
    assert profile.drift is None
    fold(profile, use(2, T0_MS, "music"), JUMPY)
    assert profile.drift is not None
    assert list(profile.drift.open.values()) == [{"content:music": 1}]


def test_refused_events_and_runs_without_watched_groups_see_nothing() -> None:
    profile = Profile()
    assert fold(profile, use(1, T0_MS, "music"), JUMPY) == Refused(Reason.NO_CONSENT)
    assert profile.drift is None
    profile = consented()
    for event in switching():
        assert not fold(profile, event, replace(JUMPY, watched=frozenset())).alarms  # type: ignore[union-attr]
    assert profile.drift is None
    assert Settings(drift=False).rules(GROUPS).watched == frozenset()


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_evidence_without_a_positive_value_is_not_seen(value: float) -> None:
    rules = replace(JUMPY, watched=frozenset({"quantity"}))
    profile = Profile()
    fold(profile, Purchase("u", 1, T0_MS, "milk", 2.0, 1.0), rules)
    before = deepcopy(profile.drift)
    assert fold(profile, Purchase("u", 2, T0_MS + DAY_MS, "wine", value, 1.0), rules).alarms == ()  # type: ignore[union-attr]
    assert profile.drift == before
    assert profile.n == 2
    assert notice(Profile(), "u", [("quantity", "milk", value)], T0_MS, rules, None) == ()


def test_each_piece_of_evidence_counts_once_whatever_its_value() -> None:
    rules = replace(JUMPY, watched=frozenset({"quantity", "spend"}))
    profile = Profile()
    fold(profile, Purchase("u", 1, T0_MS, "milk", 500.0, 0.01), rules)
    assert profile.drift is not None
    assert list(profile.drift.open.values()) == [{"quantity:milk": 1, "spend:milk": 1}]


def test_a_volume_alarm_rebuilds_nothing() -> None:
    profile = consented()
    alarms: list[Alarm] = []
    for day in range(80):
        for n in range(40 if day < 50 else 1):
            event = use(day * 100 + n, T0_MS + day * DAY_MS + n * HOUR_MS // 4, "music")
            alarms += fold(profile, event, JUMPY).alarms  # type: ignore[union-attr]
    assert {alarm.kind for alarm in alarms} == {"volume"}
    assert {(alarm.status, alarm.factor, alarm.generation) for alarm in alarms} == {("noted", 1.0, 0)}
    assert profile.generation == 0
    assert profile.drift is not None
    assert profile.drift.pending is None
    assert profile.drift.reason.endswith("events a day")


def test_a_withdrawal_takes_what_the_detectors_know_and_the_rebuild_that_waits() -> None:
    profile, alarm, event, _ = with_alarm()
    assert profile.drift is not None
    profile.drift.by_hand_ms = 77
    fold(profile, granted(time_ms=event.event_time_ms + 1, yes=False), JUMPY)
    assert profile.drift == DriftMemory(by_hand_ms=77)
    assert snapshot("u", profile, JUMPY).reason == ""
    with pytest.raises(ValueError, match="no rebuild of this profile waits"):
        rebuild.refine(profile, [("content", "music", alarm.since_ms, 1.0, 1.0)], JUMPY)
    assert "content" not in profile.groups


def test_a_withdrawal_of_other_groups_keeps_the_detectors_but_drops_the_rebuild() -> None:
    profile, _, _, _ = with_alarm()
    assert profile.drift is not None
    kept = replace(profile.drift, pending=None)
    forget_drift(profile, ("spend",), RULES)
    assert profile.drift == kept


def test_forgetting_no_groups_changes_nothing() -> None:
    profile, alarm, _, _ = with_alarm()
    forget_drift(profile, (), RULES)
    assert profile.drift is not None
    assert profile.drift.pending is alarm
    forget_drift(Profile(), ("content",), RULES)


def test_a_group_known_from_open_buckets_alone_is_forgotten_too() -> None:
    profile = consented()
    fold(profile, use(1, T0_MS, "music"), JUMPY)
    assert profile.drift is not None
    assert profile.drift.tags == []
    forget_drift(profile, {"content"}, RULES)
    assert profile.drift == DriftMemory()


def test_who_comes_back_after_a_withdrawal_is_learnt_anew() -> None:
    profile, _, event, _ = with_alarm()
    later_ms = event.event_time_ms
    fold(profile, granted(time_ms=later_ms + 1, yes=False), JUMPY)
    fold(profile, granted(time_ms=later_ms + 2), JUMPY)
    for n in range(6):
        output = fold(profile, use(900 + n, later_ms + n * 6 * HOUR_MS, "news"), JUMPY)
        assert isinstance(output, Folded)
        assert output.alarms == ()
    assert profile.drift is not None
    assert profile.drift.tags == ["content:news"]


def test_an_erasure_leaves_nothing_of_drift() -> None:
    profile, _, event, _ = with_alarm()
    fold(profile, RightsRequest("u", 1, event.event_time_ms + 1, "erase", "case"), JUMPY)
    assert profile.drift is None
    assert profile.generation == 2
    assert "music" not in repr(profile)


def asked(time_ms: int, since_ms: int) -> Rebuild:
    return Rebuild("u", time_ms, time_ms, since_ms)


def test_a_rebuild_by_hand_is_an_alarm_of_its_own_and_counts_once() -> None:
    profile = consented()
    for event in list(switching())[:8]:
        fold(profile, event, JUMPY)
    n = profile.n
    at_ms = T0_MS + 3 * DAY_MS
    output = fold(profile, asked(at_ms, T0_MS + DAY_MS), JUMPY)
    assert isinstance(output, Folded)
    [alarm] = output.alarms
    assert (alarm.kind, alarm.at_ms, alarm.since_ms, alarm.seq) == ("by_hand", at_ms, T0_MS + DAY_MS, n)
    assert (alarm.generation, alarm.status, alarm.factor) == (1, "provisional", 0.125)
    assert (alarm.rose, alarm.fell) == ([], [])
    assert profile.drift is not None
    assert (profile.drift.reason, profile.drift.changed_ms) == ("by hand", T0_MS + DAY_MS)
    before = deepcopy(profile)
    for earlier_ms in (at_ms, at_ms - 1):
        assert ask_rebuild(profile, asked(earlier_ms, T0_MS), JUMPY) == ()
    assert profile == before
    assert len(ask_rebuild(profile, asked(at_ms + 1, T0_MS), JUMPY)) == 1


def test_nobody_without_a_profile_is_rebuilt() -> None:
    profile = Profile()
    assert fold(profile, asked(T0_MS, T0_MS - 1), JUMPY) == Refused(Reason.NO_PROFILE)
    assert profile == Profile()


def test_the_detectors_see_every_watched_event_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[str], int]] = []

    def observed(memory: DriftMemory, tags: list[str], time_ms: int, *rest: object) -> list[object]:
        seen.append((list(tags), time_ms))
        return []

    monkeypatch.setattr(noticing, "observe", observed)
    profile = consented()
    events: list[Event] = [use(1, T0_MS, "music"), use(2, T0_MS + 1, ""), Purchase("u", 3, T0_MS, "milk", 1.0, 1.0)]
    for event in events:
        fold(profile, event, JUMPY)
    assert seen == [(["content:music"], T0_MS), (["content:other"], T0_MS + 1), (["quantity:milk"], T0_MS)]
