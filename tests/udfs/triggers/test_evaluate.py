from __future__ import annotations

import pytest

from schemas.events import AppUse, Event
from schemas.settings import Settings
from schemas.trigger_rule import TriggerRule
from tests.udfs.triggers.rule_story import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    T0_MS,
    Life,
    balance,
    metered,
    ordered,
    rule,
    seen,
    times,
    used,
    withdrawn,
)
from udfs.profile.decay import weight_at
from udfs.tags import GROUPS
from udfs.triggers.traffic_model import LEAST_WINDOWS, WINDOW_MS

M = MINUTE_MS


def test_a_pulse_fires_at_each_event_that_qualifies() -> None:
    life = Life(rule("pulse", "app_use", match={"category": ["video", "music"]}, when="flow_mb > 5.0"))
    assert life.see(used(T0_MS, megabytes=4)) == []
    assert life.see(used(T0_MS + M, category="news", megabytes=9)) == []
    [one] = life.see(used(T0_MS + 2 * M, category="music", megabytes=9))
    assert (one.cause, one.at_ms, one.by_event) == ("pulse", T0_MS + 2 * M, True)
    assert one.values == {"category": "music", "flow_mb": 9.0}
    assert len(life.see(used(T0_MS + 3 * M, megabytes=6), used(T0_MS + 4 * M, megabytes=6))) == 2
    assert life.profile.triggers is not None
    assert life.profile.triggers.rules == {}  # nothing to remember


def test_cool_down_and_once_per_period() -> None:
    cooling = Life(rule("pulse", "app_use", cooldown="1h"))
    assert times(cooling.see(*(used(T0_MS + i * 20 * M) for i in range(8)))) == [0, 60, 120]
    daily = Life(rule("pulse", "app_use", once_per="day"))
    fired = daily.see(*(used(T0_MS + i * 7 * HOUR_MS) for i in range(9)))
    assert times(fired) == [0, 28 * 60, 49 * 60]
    assert [each.episode for each in fired] == [f"day-{20_458 + i}" for i in range(3)]
    weekly = Life(rule("pulse", "app_use", once_per="week"))
    assert times(weekly.see(*(used(T0_MS + i * DAY_MS) for i in range(15)))) == [0, 7 * 1440, 14 * 1440]
    monthly = Life(rule("pulse", "app_use", once_per="month"))
    assert times(monthly.see(*(used(T0_MS + i * DAY_MS) for i in range(60)))) == [0, 27 * 1440, 55 * 1440]


def test_a_late_event_does_not_fire_for_a_period_that_is_over() -> None:
    life = Life(rule("pulse", "app_use", once_per="day"))
    assert len(life.see(used(T0_MS + DAY_MS), used(T0_MS + DAY_MS - 1))) == 1


def test_a_rule_fires_only_while_it_is_valid() -> None:
    life = Life(rule("pulse", "app_use", valid_from="2026-01-05T00:00:00+08:00", valid_to="2026-01-05T01:00:00+08:00"))
    assert times(life.see(*(used(T0_MS + i * 20 * M) for i in range(-2, 6)))) == [0, 20, 40]


def test_a_level_fires_when_it_begins_and_again_when_it_has_come_back() -> None:
    life = Life(rule("level", "traffic", when="remaining_share <= 0.2", until="remaining_share > 0.3"))
    shares = [0.5, 0.2, 0.1, 0.25, 0.2, 0.35, 0.15]
    fired = life.see(*(balance(T0_MS + i * M, share * 10_000) for i, share in enumerate(shares)))
    assert times(fired) == [1, 6]
    assert [each.cause for each in fired] == ["enter", "enter"]
    assert fired[0].values == {"remaining_share": 0.2}


def test_use_since_the_balance_counts() -> None:
    life = Life(rule("level", "traffic", when="remaining_mb < 1000.0"))
    assert life.see(balance(T0_MS, 3_000), metered(T0_MS + M, 1_500)) == []
    [one] = life.see(metered(T0_MS + 2 * M, 600))
    assert one.values == {"remaining_mb": pytest.approx(900.0)}
    assert life.see(metered(T0_MS - M, 600)) == []  # from before the balance


def test_dwelling_fires_when_it_has_lasted_without_an_event() -> None:
    life = Life(rule("level", "presence", match={"district_kind": ["airport"]}, hold="20m", hold_exit="10m"))
    life.see(seen(T0_MS, "airport"), seen(T0_MS + 5 * M, "airport"))
    assert life.wait(T0_MS + 20 * M - 1) == []
    [one] = life.wait(T0_MS + 20 * M)
    assert (one.cause, one.at_ms, one.by_event, one.episode) == ("enter", T0_MS + 20 * M, False, str(T0_MS))
    assert life.wait(T0_MS + DAY_MS) == []
    # out for less than ten minutes is not out
    assert life.see(seen(T0_MS + 30 * M), seen(T0_MS + 38 * M, "airport"), seen(T0_MS + 70 * M, "airport")) == []
    # out, and back: another episode
    life.see(seen(T0_MS + 80 * M), seen(T0_MS + 100 * M, "airport"))
    assert times(life.wait(T0_MS + 200 * M)) == [120]


def test_a_passer_by_does_not_dwell() -> None:
    life = Life(rule("level", "presence", match={"district_kind": ["mall"]}, hold="20m"))
    life.see(seen(T0_MS, "mall"), seen(T0_MS + 19 * M), seen(T0_MS + 30 * M, "mall"))
    assert life.wait(T0_MS + 49 * M) == []
    assert times(life.wait(T0_MS + 50 * M)) == [50]


def test_leaving_fires_at_the_end() -> None:
    life = Life(rule("level", "presence", match={"district_kind": ["school"]}, fire="exit", hold="5m", hold_exit="10m"))
    life.see(seen(T0_MS, "school"), seen(T0_MS + 60 * M))
    [one] = life.wait(T0_MS + DAY_MS)
    assert (one.cause, one.at_ms) == ("exit", T0_MS + 70 * M)
    # a short visit does not come into force, so it can't end
    life.see(seen(T0_MS + 2 * DAY_MS, "school"), seen(T0_MS + 2 * DAY_MS + 4 * M))
    assert life.wait(T0_MS + 3 * DAY_MS) == []


def test_roaming_is_a_level_against_the_home_province() -> None:
    life = Life(rule("level", "presence", when="home_province != '' && province != '' && province != home_province"))
    for day in range(5):
        life.see(*(seen(T0_MS + day * DAY_MS + hour * HOUR_MS) for hour in (8, 20)))
    [one] = life.see(seen(T0_MS + 5 * DAY_MS, province="上海"), seen(T0_MS + 5 * DAY_MS + M, province="上海"))
    assert one.values == {"home_province": "北京", "province": "上海"}
    assert life.see(seen(T0_MS + 6 * DAY_MS), seen(T0_MS + 7 * DAY_MS, province="上海")) != []


def test_a_tag_crosses_a_level_upwards_and_the_way_down_needs_no_event_to_be_noticed() -> None:
    life = Life(rule("level", "tags", tags={"video": "content:video"}, when="video >= 2.5", until="video < 1.0"))
    [one] = life.see(*(used(T0_MS + i * M) for i in range(5)))
    assert one.at_ms == T0_MS + 2 * M
    assert one.values["video"] == pytest.approx(3.0, abs=1e-3)
    # half-life 7 days: five uses are 0.7 after 20 days, so two more are a new crossing
    assert times(life.see(*(used(T0_MS + 20 * DAY_MS + i * M) for i in range(3)))) == [20 * 1440 + 1]


def test_below_the_lower_level_only_hysteresis_decides() -> None:
    life = Life(rule("level", "tags", tags={"video": "content:video"}, when="video >= 2.5", until="video < 1.0"))
    life.see(*(used(T0_MS + i * M) for i in range(3)))
    assert life.see(*(used(T0_MS + 10 * DAY_MS + i * M) for i in range(3))) == []  # 3 -> 1.1 -> 4.1


def test_a_fade_fires_at_the_exact_instant_with_no_event() -> None:
    life = Life(rule("fade", "tags", tags={"video": "content:video"}, above=3.0, below=1.0))
    assert life.see(*(used(T0_MS + i) for i in range(2))) == []
    assert life.due_ms() == 0
    life.see(used(T0_MS + 2), used(T0_MS + 3))
    due_ms = life.due_ms()
    # four uses, half-life of seven days: two half-lives to one
    assert due_ms == pytest.approx(T0_MS + 14 * DAY_MS, abs=10)
    assert life.wait(due_ms - 1) == []
    [one] = life.wait(due_ms)
    assert (one.cause, one.at_ms, one.by_event) == ("fade", due_ms, False)
    group = life.profile.groups["content"]
    half_life_ms = GROUPS["content"].half_life_ms
    cell = group.cells["video"]
    assert weight_at(cell[0], due_ms, half_life_ms, group.landmark) <= 1.0
    assert weight_at(cell[0], due_ms - 1, half_life_ms, group.landmark) > 1.0
    assert one.values["video"] == pytest.approx(1.0, abs=1e-6)
    assert life.wait(due_ms + DAY_MS) == []
    # it can rise and fade again
    life.see(*(used(T0_MS + 30 * DAY_MS + i) for i in range(4)))
    assert len(life.wait(T0_MS + 60 * DAY_MS)) == 1


def test_more_evidence_puts_a_fade_off() -> None:
    life = Life(rule("fade", "tags", tags={"video": "content:video"}, above=1.5, below=1.0))
    life.see(used(T0_MS), used(T0_MS + 1), used(T0_MS + 6 * DAY_MS))
    assert life.due_ms() > T0_MS + 12 * DAY_MS
    assert life.wait(T0_MS + 8 * DAY_MS) == []


def test_the_next_event_finds_a_fade_that_nobody_has_waited_for() -> None:
    life = Life(rule("fade", "tags", tags={"video": "content:video"}, above=1.5, below=1.0))
    life.see(used(T0_MS), used(T0_MS + 1))
    [one] = life.see(used(T0_MS + 30 * DAY_MS))
    assert one.at_ms == pytest.approx(T0_MS + 7 * DAY_MS, abs=10)


def test_something_that_does_not_follow() -> None:
    browsed = rule(
        "absence",
        "app_use",
        match={"category": ["shopping"]},
        unless={"on": "order", "match": {"product": ["pack"]}},
        within="30m",
    )
    life = Life(browsed)
    life.see(used(T0_MS, category="shopping"), used(T0_MS + 10 * M, category="shopping"))
    assert life.wait(T0_MS + 30 * M - 1) == []
    [one] = life.wait(T0_MS + 30 * M)
    assert (one.cause, one.episode) == ("absence", str(T0_MS))
    life.see(used(T0_MS + 60 * M, category="shopping"), ordered(T0_MS + 65 * M, "other"), ordered(T0_MS + 80 * M))
    assert life.wait(T0_MS + 200 * M) == []
    # the very moment is still in time, a moment later is not
    life.see(used(T0_MS + 300 * M, category="shopping"), ordered(T0_MS + 330 * M))
    life.see(used(T0_MS + 400 * M, category="shopping"), ordered(T0_MS + 430 * M + 1))
    assert times(life.fired[1:]) == [430]


def test_so_many_times_within_a_window() -> None:
    life = Life(rule("count", "app_use", match={"app": ["car"]}, times=3, within="1h"))
    at = [0, 30, 61, 62, 70, 80, 90]
    assert times(life.see(*(used(T0_MS + minute * M, app="car") for minute in at))) == [62, 90]


def test_a_surge_is_against_the_own_habit() -> None:
    life = Life(rule("level", "app_use", when="surge >= 5.0 && window_mb >= 20.0", until="surge < 2.0"))
    for i in range(round(LEAST_WINDOWS) + 10):
        life.see(used(T0_MS + i * HOUR_MS, megabytes=10))
    assert life.fired == []
    at = T0_MS + DAY_MS * 3
    [one] = life.see(*(used(at + i * 30_000, megabytes=20) for i in range(5)))
    assert one.at_ms == at + 2 * 30_000
    assert one.values == {"surge": pytest.approx(6.0), "window_mb": pytest.approx(60.0)}
    assert life.see(used(at + 2 * WINDOW_MS, megabytes=10)) == []


def test_no_surge_before_a_habit_is_known() -> None:
    life = Life(rule("pulse", "app_use", when="surge > 0.0"))
    life.see(*(used(T0_MS + i * HOUR_MS, megabytes=10) for i in range(15)))
    assert life.fired == []


def test_running_out_before_the_month_ends() -> None:
    out = rule("level", "traffic", when="days_left < days_to_month_end", until="days_left > days_to_month_end + 2.0")
    life = Life(out)
    for day in range(10):
        life.see(metered(T0_MS + day * DAY_MS, 500.0))
    assert life.fired == []  # no balance yet
    [one] = life.see(balance(T0_MS + 9 * DAY_MS + M, 4_000))
    assert one.values["days_left"] == pytest.approx(8.0, rel=0.15)
    assert one.values["days_to_month_end"] == pytest.approx(18.0, abs=0.01)
    assert life.see(balance(T0_MS + 9 * DAY_MS + 2 * M, 40_000), balance(T0_MS + 9 * DAY_MS + 3 * M, 4_000)) != []


def test_without_consent_nothing_fires_and_nothing_is_kept() -> None:
    life = Life(
        rule("level", "presence", match={"district_kind": ["mall"]}, hold="20m"),
        rule("pulse", "traffic", id="service-rule", purpose="service", when="used_mb > 0.0"),
    )
    life.see(seen(T0_MS, "mall"))
    life.see(withdrawn(T0_MS + M, "marketing"))
    assert life.wait(T0_MS + DAY_MS) == []
    assert life.profile.triggers is None or life.profile.triggers.rules == {}
    assert len(life.see(metered(T0_MS + DAY_MS, 5))) == 1
    life.see(withdrawn(T0_MS + 2 * DAY_MS, "necessary"))
    assert life.see(metered(T0_MS + 3 * DAY_MS, 5)) == []


def test_a_rule_needs_consent_to_what_it_reads_too() -> None:
    life = Life(rule("pulse", "traffic", purpose="service", tags={"video": "content:video"}, when="video >= 0.0"))
    assert len(life.see(metered(T0_MS, 5))) == 1
    life.see(withdrawn(T0_MS + M, "profiling"))
    assert life.see(metered(T0_MS + 2 * M, 5)) == []


def test_late_sightings_change_nothing_that_later_ones_have_shown() -> None:
    life = Life(rule("level", "presence", match={"district_kind": ["mall"]}))
    life.see(seen(T0_MS, "mall"), seen(T0_MS + 60 * M, "mall"), seen(T0_MS + 30 * M))
    life.see(seen(T0_MS + 90 * M), seen(T0_MS + 50 * M, "mall"))
    assert times(life.fired) == [0]


def test_an_open_episode_ends_by_the_version_it_began_with() -> None:
    first = rule("level", "presence", match={"district_kind": ["mall"]}, fire="exit")
    second = rule("level", "presence", version=2, match={"district_kind": ["airport"]}, fire="exit")
    life = Life(first)
    life.see(seen(T0_MS, "mall"))
    life.publish(second)
    [one] = life.see(seen(T0_MS + M))
    assert one.compiled.rule.version == 1
    assert life.see(seen(T0_MS + 2 * M, "mall"), seen(T0_MS + 3 * M)) == []
    [two] = life.see(seen(T0_MS + 4 * M, "airport"), seen(T0_MS + 5 * M))
    assert two.compiled.rule.version == 2


def test_a_restarted_worker_knows_earlier_versions() -> None:
    first = rule("level", "presence", match={"district_kind": ["mall"]}, fire="exit")
    second = rule("level", "presence", version=2, match={"district_kind": ["airport"]}, fire="exit")
    life = Life(first)
    life.see(seen(T0_MS, "mall"))
    again = Life(second)
    again.publish(second, older=[first])
    again.profile = life.profile
    assert [each.compiled.rule.version for each in again.see(seen(T0_MS + M))] == [1]


def test_a_retired_rule_fires_no_more() -> None:
    life = Life(rule("level", "presence", match={"district_kind": ["mall"]}, hold="20m"))
    life.see(seen(T0_MS, "mall"))
    life.publish()
    assert life.wait(T0_MS + DAY_MS) == []
    assert life.due_ms() == 0


def test_memory_of_what_is_long_over_goes() -> None:
    life = Life(rule("level", "presence", match={"district_kind": ["mall"]}))
    life.see(seen(T0_MS, "mall"), seen(T0_MS + M))
    assert life.profile.triggers is not None
    assert life.profile.triggers.rules
    life.see(seen(T0_MS + 3 * DAY_MS))
    assert life.profile.triggers.rules == {}


def test_a_late_sighting_does_not_begin_a_stay_that_later_ones_have_shown_to_be_over() -> None:
    life = Life(rule("level", "presence", match={"district_kind": ["mall"]}))
    assert life.see(seen(T0_MS + 60 * M), seen(T0_MS + 30 * M, "mall")) == []
    assert len(life.see(seen(T0_MS + 61 * M, "mall"))) == 1


def test_grace_lets_late_records_be_in_time() -> None:
    life = Life(
        rule("absence", "app_use", unless={"on": "order"}, within="30m"),
        grace_ms=5 * M,
    )
    life.see(used(T0_MS), seen(T0_MS + 34 * M), ordered(T0_MS + 20 * M), seen(T0_MS + DAY_MS))
    assert life.fired == []


def test_a_new_version_on_tags_leaves_the_open_episode_of_the_old_one_alone() -> None:
    mall = rule("level", "presence", when="district_kind == 'mall'", fire="exit")
    video = rule("pulse", "tags", version=2, tags={"video": "content:video"}, when="video > 0.0")
    life = Life(mall)
    life.see(seen(T0_MS, "mall"))
    life.publish(video, older=[mall])
    assert life.see(used(T0_MS + MINUTE_MS)) == []
    assert [each.compiled.rule.version for each in life.see(seen(T0_MS + 2 * MINUTE_MS))] == [1]
    assert [each.compiled.rule.version for each in life.see(used(T0_MS + 3 * MINUTE_MS))] == [2]


@pytest.mark.parametrize(
    ("when", "event"),
    [
        ("10 / (int(flow_mb) - 7) > 1", used(T0_MS, megabytes=7.5)),
        ("[1, 2][int(flow_mb)] > 0", used(T0_MS, megabytes=5.0)),
        ("int(flow_mb * 1e15) > 0", used(T0_MS, megabytes=1e9)),
    ],
)
def test_what_can_not_be_worked_out_is_not_true_and_stops_nothing(when: str, event: AppUse) -> None:
    life = Life(rule("pulse", "app_use", when=when))
    assert life.see(event) == []


def test_an_open_episode_does_not_fire_without_consent_to_its_own_version() -> None:
    offer = rule("level", "traffic", purpose="marketing", when="used_mb > 5.0", fire="exit")
    notice = rule("level", "traffic", version=2, purpose="service", when="used_mb > 5.0", fire="exit")
    life = Life(offer)
    life.see(metered(T0_MS, 10))
    life.publish(notice, older=[offer])
    life.see(withdrawn(T0_MS + MINUTE_MS, "marketing"))
    assert life.see(metered(T0_MS + 2 * MINUTE_MS, 1)) == []


def test_an_open_episode_does_not_fire_when_older_lists_of_consent_no_longer_count() -> None:
    offer = rule("level", "traffic", purpose="marketing", when="used_mb > 5.0", fire="exit")
    life = Life(offer)
    life.see(metered(T0_MS, 10))
    again = Life(offer, settings=Settings(drift=False, consent_list_version=2).rules(GROUPS))
    again.profile = life.profile
    again.profile.consents["necessary"] = (1, 1, 2)
    assert again.see(metered(T0_MS + 2 * MINUTE_MS, 1)) == []


def test_what_time_decides_says_how_it_began() -> None:
    stay = rule("level", "presence", match={"district_kind": ["mall"]}, when='district != ""', hold="20m")
    life = Life(stay)
    [one] = [
        *life.see(seen(T0_MS, "mall", district="A3"), seen(T0_MS + M, "mall", district="B1")),
        *life.wait(T0_MS + DAY_MS),
    ]
    assert one.values == {"district": "A3", "district_kind": "mall"}
    nothing = rule(
        "absence", "app_use", when="flow_mb > 1.0", unless={"on": "order", "when": "amount_yuan > 1.0"}, within="30m"
    )
    life = Life(nothing)
    life.see(used(T0_MS, megabytes=2.5))
    [one] = life.wait(T0_MS + DAY_MS)
    assert one.values == {"flow_mb": 2.5}


def test_a_stay_that_is_left_says_where_it_began() -> None:
    left = rule(
        "level", "presence", match={"district_kind": ["mall"]}, when='district != ""', hold_exit="10m", fire="exit"
    )
    life = Life(left)
    life.see(seen(T0_MS, "mall", district="A3"), seen(T0_MS + M, "home", district="B1"))
    [one] = life.wait(T0_MS + DAY_MS)
    assert (one.cause, one.values) == ("exit", {"district": "A3", "district_kind": "mall"})


def test_what_begins_again_while_late_records_are_waited_for_is_not_lost() -> None:
    life = Life(rule("absence", "app_use", unless={"on": "order"}, within="30m"), grace_ms=5 * M)
    life.see(used(T0_MS), used(T0_MS + 10 * M), used(T0_MS + 32 * M), used(T0_MS + 34 * M))
    assert times(life.wait(T0_MS + DAY_MS)) == [30, 62]
    # what did not follow the first may follow the second
    life = Life(rule("absence", "app_use", unless={"on": "order"}, within="30m"), grace_ms=5 * M)
    life.see(used(T0_MS), used(T0_MS + 32 * M), ordered(T0_MS + 33 * M))
    assert times(life.wait(T0_MS + DAY_MS)) == [30]
    # and what is late may have followed the first
    life = Life(rule("absence", "app_use", unless={"on": "order"}, within="30m"), grace_ms=5 * M)
    life.see(used(T0_MS), used(T0_MS + 32 * M), ordered(T0_MS + 29 * M))
    assert times(life.wait(T0_MS + DAY_MS)) == [62]


def test_evidence_just_after_a_fade_does_not_undo_it() -> None:
    life = Life(rule("fade", "tags", tags={"video": "content:video"}, above=1.5, below=1.0), grace_ms=5 * M)
    life.see(used(T0_MS), used(T0_MS + 1))
    due_ms = life.due_ms() - 5 * M
    [one] = life.see(used(due_ms + M))
    assert one.at_ms == due_ms


def test_a_decision_about_something_else_forgets_nothing() -> None:
    """Neither what was seen last, nor an open episode of a version that asks for less than the newest."""
    mall = rule("level", "presence", match={"district_kind": ["mall"]}, fire="exit", purpose="service")
    stricter = rule("level", "presence", version=2, match={"district_kind": ["mall"]}, fire="exit", purpose="marketing")
    life = Life(mall)
    life.see(withdrawn(T0_MS - M, "marketing"), seen(T0_MS, "mall"))
    life.publish(stricter, older=[mall])
    life.see(withdrawn(T0_MS + M, "social_analysis"))
    assert life.profile.triggers is not None
    assert life.profile.triggers.newest_ms == {"presence": T0_MS}
    [one] = life.see(seen(T0_MS + 2 * M))
    assert one.compiled.rule.version == 1


def test_a_rule_that_is_withdrawn_and_comes_back_keeps_its_cool_down() -> None:
    video = rule("pulse", "app_use", match={"category": ["video"]}, cooldown="7d")
    life = Life(video)
    assert len(life.see(used(T0_MS))) == 1
    life.publish()
    life.see(used(T0_MS + 2 * DAY_MS))
    life.publish(video)
    assert life.see(used(T0_MS + 3 * DAY_MS)) == []
    assert len(life.see(used(T0_MS + 7 * DAY_MS))) == 1


def test_who_still_waits_for_something_is_told_from_who_only_never_came_back() -> None:
    def waits(days: int, what: TriggerRule, *events: Event) -> bool:
        life = Life(what)
        life.see(*events)
        return life.triggers.still_waits(life.profile, T0_MS + days * DAY_MS)

    video = {"match": {"category": ["video"]}}
    absence = rule("absence", "app_use", unless={"on": "order"}, within="60d")
    assert waits(59, absence, used(T0_MS))
    assert not waits(1, absence)
    assert waits(59, rule("pulse", "app_use", cooldown="60d", **video), used(T0_MS))
    assert not waits(63, rule("pulse", "app_use", cooldown="60d", **video), used(T0_MS))
    assert not waits(61, rule("level", "app_use", **video), used(T0_MS))


def test_a_cool_down_is_remembered_for_what_comes_late() -> None:
    life = Life(rule("pulse", "app_use", match={"category": ["video"]}, cooldown="20d"))
    assert len(life.see(used(T0_MS + 10 * HOUR_MS))) == 1
    life.see(seen(T0_MS + 21 * DAY_MS))
    assert life.see(used(T0_MS + 20 * DAY_MS + 4 * HOUR_MS)) == []
