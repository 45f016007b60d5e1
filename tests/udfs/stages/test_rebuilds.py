"""Answers of the history applied to the state: those that still hold, and nothing else."""

from __future__ import annotations

from copy import deepcopy

import pytest
from msgspec.structs import replace

from schemas import state
from schemas.drift_memory import DriftMemory
from schemas.events import Consent, RightsRequest
from schemas.fleet_memory import FleetMemory
from schemas.outputs import Alarm, FleetAlarm, HistoryBatch, HotBatch, PastPiece, Rebuilt, ShardCounts
from schemas.settings import Settings
from schemas.state import GroupState, Profile
from udfs.profile import rebuild
from udfs.profile.decay import weight_at
from udfs.profile.fold import fold
from udfs.profile.merge_profiles import merge
from udfs.stages.rebuilds import apply_rebuilds, tell_shifts
from udfs.stages.user_states import UserStates
from udfs.tags import GROUPS

T0_MS = 1_767_225_600_000
DAY_MS = 86_400_000
NOW_MS = T0_MS + 90 * DAY_MS
RULES = Settings().rules(GROUPS)
ROWS: list[PastPiece] = [("content", "games", T0_MS, 8.0, 1.0)]


class MemoryBlobs(dict[str, bytes]):
    def put_all(self, blobs: dict[str, bytes]) -> None:
        self.update(blobs)

    def remove(self, key: str) -> None:
        del self[key]


class Shard:
    """Profiles of one shard, and what the history and the hot store were told."""

    def __init__(self) -> None:
        self.blobs = MemoryBlobs()
        self.states = UserStates(self.blobs, 2, {})
        self.counts = ShardCounts(5)
        self.history = HistoryBatch()

    def put(self, user: str, profile: Profile) -> None:
        self.states.store(user, profile)
        self.states.flush(self.counts)

    def answer(self, *answers: Rebuilt) -> HotBatch:
        return apply_rebuilds(answers, self.states, self.counts, RULES, NOW_MS, self.history)

    def weight(self, user: str) -> float:
        group = state.decode(self.blobs[user]).groups["content"]
        return weight_at(group.cells["games"][0], T0_MS, group.half_life_ms, group.landmark)


def waiting(shard: Shard, user: str, since_ms: int = T0_MS) -> Alarm:
    """Somebody whose games, eight uses, were down-weighted by an eighth."""
    half_life_ms = RULES.groups["content"].half_life_ms
    landmark = T0_MS // half_life_ms
    scaled = 8.0 / weight_at(1.0, T0_MS, half_life_ms, landmark)
    profile = Profile(n=8, last_event_ms=T0_MS, drift=DriftMemory())
    profile.groups["content"] = GroupState(landmark, half_life_ms, {"games": [scaled, float(T0_MS)]})
    alarm = Alarm(user, "shares", T0_MS + DAY_MS, since_ms, 0, 8, 2.0, 0.3)
    rebuild.begin(profile, alarm, RULES)
    shard.put(user, profile)
    return deepcopy(alarm)


def test_an_answer_is_applied_told_and_shown() -> None:
    shard = Shard()
    alarm = waiting(shard, "u")
    assert shard.weight("u") == pytest.approx(1.0)
    hot = shard.answer(Rebuilt(alarm, ROWS))
    assert shard.weight("u") == pytest.approx(8.0)
    [(user, blob)] = hot.changed
    assert (user, state.compress_all([blob])) == ("u", [shard.blobs["u"]])
    assert shard.history.alarms == [replace(alarm, status="refined")]
    profile = state.decode(blob)
    assert (profile.generation, profile.n, profile.last_write_ms) == (1, 8, NOW_MS)
    assert profile.drift is not None
    assert profile.drift.pending is None
    assert shard.counts.state_bytes == len(shard.blobs["u"])
    assert shard.counts.users == 0


def test_an_answer_that_did_not_come_in_time_leaves_what_was_done_at_once() -> None:
    shard = Shard()
    alarm = waiting(shard, "u")
    hot = shard.answer(Rebuilt(alarm, None))
    assert shard.weight("u") == pytest.approx(1.0)
    assert shard.history.alarms == [replace(alarm, status="timed_out")]
    assert [user for user, _ in hot.changed] == ["u"]
    assert shard.answer(Rebuilt(alarm, ROWS)) == HotBatch()
    assert shard.weight("u") == pytest.approx(1.0)


def test_an_answer_counts_once() -> None:
    shard = Shard()
    alarm = waiting(shard, "u")
    hot = shard.answer(Rebuilt(alarm, ROWS), Rebuilt(alarm, ROWS))
    assert len(hot.changed) == len(shard.history.alarms) == 1
    assert shard.weight("u") == pytest.approx(8.0)


def test_answers_for_several_people_at_once() -> None:
    shard = Shard()
    alarms = [waiting(shard, user) for user in "abcd"]
    rows = [None, ROWS, [], ROWS]
    hot = shard.answer(*(Rebuilt(alarm, each) for alarm, each in zip(alarms, rows)))
    assert [shard.weight(user) for user in "abcd"] == [pytest.approx(w) for w in (1.0, 8.0, 1.0, 8.0)]
    assert [alarm.status for alarm in shard.history.alarms] == ["timed_out", "refined", "refined", "refined"]
    assert [user for user, _ in hot.changed] == list("abcd")


STALE = {
    "nobody": {"user": "stranger"},
    "another kind": {"kind": "by_hand"},
    "another time": {"at_ms": T0_MS + DAY_MS + 1},
    "another generation": {"generation": 2},
    "an earlier generation": {"generation": 0},
}


@pytest.mark.parametrize("name", STALE)
@pytest.mark.parametrize("rows", [None, ROWS])
def test_an_answer_to_something_else_changes_nothing(name: str, rows: list[PastPiece] | None) -> None:
    shard = Shard()
    alarm = replace(waiting(shard, "u"), **STALE[name])
    before = dict(shard.blobs)
    assert shard.answer(Rebuilt(alarm, rows)) == HotBatch()
    assert shard.blobs == before
    assert shard.history.alarms == []


def test_a_profile_of_another_generation_than_its_alarm_is_left_alone() -> None:
    shard = Shard()
    alarm = waiting(shard, "u")
    profile = state.decode(shard.blobs["u"])
    profile.generation += 1
    shard.put("u", profile)
    assert shard.answer(Rebuilt(alarm, ROWS)) == HotBatch()
    assert shard.weight("u") == pytest.approx(1.0)


def test_what_was_withdrawn_meanwhile_is_not_brought_back() -> None:
    shard = Shard()
    alarm = waiting(shard, "u")
    profile = state.decode(shard.blobs["u"])
    fold(profile, Consent("u", 1, T0_MS + 2 * DAY_MS, "profiling", False, 1), RULES)
    shard.put("u", profile)
    for rows in (ROWS, None):
        assert shard.answer(Rebuilt(alarm, rows)) == HotBatch()
    assert "content" not in state.decode(shard.blobs["u"]).groups
    assert shard.history.alarms == []


def test_whoever_was_erased_meanwhile_is_not_brought_back() -> None:
    shard = Shard()
    alarm = waiting(shard, "u")
    profile = state.decode(shard.blobs["u"])
    fold(profile, RightsRequest("u", 1, T0_MS + 2 * DAY_MS, "erase", "case"), RULES)
    shard.put("u", profile)
    assert shard.answer(Rebuilt(alarm, ROWS)) == HotBatch()
    assert (state.decode(shard.blobs["u"]).groups, shard.history.alarms) == ({}, [])


def test_whoever_was_erased_while_no_job_ran_is_not_brought_back() -> None:
    shard = Shard()
    alarm = waiting(shard, "u")
    shard.states = UserStates(shard.blobs, 2, {"u": T0_MS + 2 * DAY_MS})
    assert shard.answer(Rebuilt(alarm, ROWS)) == HotBatch()
    assert state.decode(shard.blobs["u"]).groups == {}


def test_a_newer_alarm_is_answered_in_place_of_the_one_it_replaced() -> None:
    shard = Shard()
    old = waiting(shard, "u")
    profile = state.decode(shard.blobs["u"])
    new = Alarm("u", "by_hand", T0_MS + 3 * DAY_MS, T0_MS, 0, 8, 1.0, 0.0)
    rebuild.begin(profile, new, RULES)
    shard.put("u", profile)
    rows: list[PastPiece] = [("content", "games", T0_MS, 8.0, 0.125)]
    hot = shard.answer(Rebuilt(old, ROWS), Rebuilt(deepcopy(new), rows))
    assert len(hot.changed) == 1
    assert [(alarm.kind, alarm.status) for alarm in shard.history.alarms] == [("by_hand", "refined")]
    assert shard.weight("u") == pytest.approx(1.0)


def test_after_a_merge_with_a_profile_rebuilt_more_often_nothing_waits_for_ever() -> None:
    shard = Shard()
    waiting(shard, "u")
    profile = state.decode(shard.blobs["u"])
    merge(profile, Profile(generation=3, n=1, last_event_ms=T0_MS), RULES)
    shard.put("u", profile)
    assert profile.drift is not None
    if profile.drift.pending is not None:
        shard.answer(Rebuilt(deepcopy(profile.drift.pending), ROWS))
    drift = state.decode(shard.blobs["u"]).drift
    assert drift is not None
    assert drift.pending is None


def test_shifts_are_told_once_with_their_shard() -> None:
    counts = ShardCounts(5, fleet=FleetMemory(raised=[(100, 4, 90, 0.0), (200, 6, 128, 0.01)]))
    history = HistoryBatch()
    tell_shifts(counts, history)
    assert history.fleet_alarms == [FleetAlarm(5, 100, 4, 90, 0.0), FleetAlarm(5, 200, 6, 128, 0.01)]
    tell_shifts(counts, history)
    assert len(history.fleet_alarms) == 2
