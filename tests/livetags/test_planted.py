"""Alarms laid beside the city's planted changes: by hand, over real stores, and of a city that was lived through."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from math import isnan
from pathlib import Path

import pytest
from alarm_rows import DAY_MS, T0_MS, alarm, write_alarms
from clickhouse_connect.driver.client import Client

from city.building import build
from livetags.city_truth import Moved, Span, Subscriber, subscribers
from livetags.drift_score import DriftScore, score
from livetags.drifted import clearest, noticed_text, score_text, truth_text
from livetags.in_process import replay
from livetags.inputs import resolve
from livetags.key_file import ensure_keys
from livetags.planted import Matched, match
from livetags.turned import together, turned
from schemas.outputs import Trigger
from schemas.pseudonym_keys import new_keys
from schemas.settings import Settings
from sources.dictionaries import load
from udfs.privacy.pseudonym import KeyedPseudonyms

PSEUDONYMS = KeyedPseudonyms(new_keys())
LAST = 60


def person(reference: str, *interests: tuple[str, int, int], profiling: bool = True) -> Subscriber:
    spans = [Span(T0_MS + begin * DAY_MS, T0_MS + end * DAY_MS, category) for category, begin, end in interests]
    return Subscriber(reference, "home", interests=spans, consents={"profiling": profiling}, from_ms=T0_MS)


SWITCHED = person("switched", ("music", 0, 20), ("games", 20, LAST), ("shopping", 0, LAST))
GAINED = person("gained", ("music", 0, LAST), ("games", 30, LAST))
LOST = person("lost", ("music", 0, LAST), ("games", 0, 25))
STEADY = person("steady", ("music", 0, LAST))
PRIVATE = person("private", ("music", 0, 20), ("games", 20, LAST), profiling=False)
PEOPLE = [SWITCHED, GAINED, LOST, STEADY, PRIVATE]


def named(who: Subscriber) -> str:
    return PSEUDONYMS.person(who.person_ref)


def test_the_first_alarm_after_a_change_noticed_it_and_all_others_are_unplanted() -> None:
    alarms = [
        alarm(named(SWITCHED), day=28, since_day=19),
        alarm(named(SWITCHED), day=50, since_day=45),
        alarm(named(SWITCHED), day=15, since_day=10),
        alarm(named(SWITCHED), day=26, kind="volume"),
        alarm(named(LOST), day=40, since_day=27),
        alarm(named(STEADY), day=40),
        alarm(named(PRIVATE), day=40),
        alarm("a stranger", day=40),
    ]
    found = match(PEOPLE, alarms, PSEUDONYMS)
    assert [(each.planted.person.person_ref, each.alarm.at_ms) for each in found.noticed] == [
        ("switched", T0_MS + 28 * DAY_MS),
        ("lost", T0_MS + 40 * DAY_MS),
    ]
    assert [(each.story, each.ended, each.began) for each in found.planted] == [
        ("switch", ["music"], ["games"]),
        ("gain", [], ["games"]),
        ("lose", ["games"], []),
    ]
    assert sorted((each.user, each.at_ms) for each in found.unplanted) == sorted(
        [
            (named(SWITCHED), T0_MS + 15 * DAY_MS),
            (named(SWITCHED), T0_MS + 50 * DAY_MS),
            (named(STEADY), T0_MS + 40 * DAY_MS),
        ]
    )
    figures = score(found)
    assert figures.stories["switch"].recall == 1.0
    assert figures.stories["switch"].delay_days == pytest.approx(8)
    assert figures.stories["switch"].bias_days == pytest.approx(-1)
    assert figures.stories["lose"].error_days == pytest.approx(2)
    assert (figures.stories["gain"].planted, figures.stories["gain"].noticed) == (1, 0)
    assert isnan(figures.stories["gain"].error_days)
    assert figures.steady_alarms == 1
    assert figures.steady_years == pytest.approx(LAST / 365.25)
    assert figures.false_alarms_per_year == pytest.approx(365.25 / LAST)


def test_of_several_words_on_one_alarm_the_last_counts() -> None:
    words = [alarm(named(SWITCHED), day=28, status=status) for status in ("provisional", "refined")]
    found = match(PEOPLE, words, PSEUDONYMS)
    assert [each.alarm.status for each in found.noticed] == ["refined"]
    assert found.unplanted == []


def test_a_city_without_people_has_nothing() -> None:
    assert match([], [alarm()], PSEUDONYMS) == Matched()
    assert isnan(DriftScore().false_alarms_per_year)


def test_who_drifted_and_the_truth_are_told_in_words_clearest_first() -> None:
    moved = Subscriber(
        **{name: getattr(SWITCHED, name) for name in SWITCHED.__struct_fields__}
        | {"moved": Moved(T0_MS + 3 * DAY_MS, "elsewhere"), "churning": {"from_ms": T0_MS + 4 * DAY_MS}}
    )
    alarms = [
        alarm(named(LOST), day=40, since_day=27, distance_bits=0.9),
        alarm(named(SWITCHED), day=28, since_day=19, distance_bits=0.2),
    ]
    found = match([LOST, moved, GAINED], alarms, PSEUDONYMS)
    shown = clearest(found, 3)
    assert [each.planted.story for each in shown] == ["switch", "lose"]
    assert clearest(found, 1) == shown[:1]
    assert noticed_text(shown[0], 0) == (
        "games 2 % -> 30 %, music 35 % -> 3 % since about 2026-01-20, noticed 2026-01-29, "
        "profile rebuilt (generation 1, refined)"
    )
    assert truth_text(shown[0].planted, 0) == (
        "music until 2026-01-21, games from 2026-01-21, shopping throughout, moved house 2026-01-04, "
        "use falls from 2026-01-05"
    )
    lines = score_text(score(found))
    assert lines[0] == (
        "of 1 people who exchanged an interest for another 1 noticed (100%), in the median 8.0 days after it; time of "
        "the change off by 1.0 days (-1.0)"
    )
    assert "of 1 people with one more interest 0 noticed (0%)" in lines
    assert lines[-1] == "alarms without a planted change: 0; people with steady interests: 0 in 0.0 years lived"


def fired_at(user: str, day: float, rule: str = "interests-changed") -> Trigger:
    at_ms = int(T0_MS + day * DAY_MS)
    return Trigger(f"{user} {day}", user, rule, 1, "scene", "marketing", 50, "pulse", f"{day}", at_ms, at_ms)


def test_triggers_about_changed_interests_are_laid_beside_the_changes_and_not_beside_the_alarms() -> None:
    early = person("early", ("music", 0, 10), ("games", 10, LAST))
    late = person("late", ("music", 0, 45), ("games", 45, LAST))
    people = [SWITCHED, GAINED, STEADY, PRIVATE, early, late]
    for each in people:
        each.consents["marketing"] = True
    alarms = [
        alarm(named(SWITCHED), day=28, since_day=19),
        alarm(named(early), day=20),
        alarm(named(STEADY), day=40),
        alarm(named(GAINED), day=40),  # has no trigger
        alarm(named(PRIVATE), day=40),
    ]
    triggers = [
        fired_at(named(SWITCHED), 28.1),  # at the event that closed the alarm's bucket
        fired_at(named(early), 20),
        fired_at(named(STEADY), 40.5),
        fired_at(named(GAINED), 39),  # no alarm had been raised
        fired_at(named(PRIVATE), 40),
        fired_at(named(SWITCHED), 29, "another"),
    ]
    found = turned("interests-changed", people, alarms, triggers, PSEUDONYMS)
    assert (found.planted, found.visible, found.noticed) == (3, 1, 1)  # of early and late nobody could tell
    assert found.delays_days == [pytest.approx(8.1)]
    assert (found.fired, found.unplanted) == (4, 2)
    assert (found.passed_on, found.alarms) == (3, 4)
    twice = together([found, found])
    assert (twice.planted, twice.noticed, twice.delay_days_median) == (6, 2, pytest.approx(8.1))
    nothing = turned("interests-changed", people, alarms, [], PSEUDONYMS)
    assert (nothing.visible, nothing.noticed, nothing.passed_on) == (1, 0, 0)
    assert isnan(nothing.delay_days_median)
    assert turned("interests-changed", [], alarms, triggers, PSEUDONYMS).planted == 0


@pytest.mark.stores
def test_the_command_lays_alarms_beside_a_citys_truth(
    command: Callable[..., tuple[int, str, str]], clickhouse_client: Client, database: str, tmp_path: Path
) -> None:
    folder = tmp_path / "city"
    build(folder, 60, 40, 3)
    pseudonyms = KeyedPseudonyms(ensure_keys(Settings()))
    code, _, err = command("drifted", str(folder))
    assert code == 1
    assert "was the job run over it" in err
    planted = match(subscribers(folder / "truth"), [], pseudonyms).planted
    exchanged = [change for change in planted if change.story == "switch"]
    raised = [
        alarm(change.user, day=(change.at_ms - T0_MS) / DAY_MS + 8, since_day=(change.at_ms - T0_MS) / DAY_MS - 1)
        for change in exchanged
    ]
    assert len(raised) > 2
    write_alarms(clickhouse_client, database, raised)
    code, out, _ = command("drifted", str(folder), "--people", "2")
    assert code == 0
    assert out.count("drifted: p.") == out.count("truth: ") == 2
    assert f"of {len(raised)} people who exchanged an interest for another {len(raised)} noticed (100%)" in out
    told = json.loads(command("drifted", str(folder), "--json")[1])
    assert told["score"]["stories"]["switch"]["bias_days"] == pytest.approx(-1)
    assert {each["alarm"]["user"] for each in told["people"]} <= {change.user for change in exchanged}
    code, _, err = command("drifted", str(tmp_path))
    assert code == 2
    assert "no truth in" in err


def test_most_exchanged_interests_of_a_lived_city_are_noticed_and_nobody_steady_is_suspected(tmp_path: Path) -> None:
    """The feeds that content comes from, over sixty days: without the others it takes seconds."""
    build(tmp_path, 60, LAST, 2)
    settings = Settings(data_dir=tmp_path / "data", dictionaries_dir=tmp_path / "dictionaries")
    inputs = [source for source in resolve("all", str(tmp_path)) if source.feed.name in ("link", "consent", "dpi")]
    replayed = replay(inputs, settings, PSEUDONYMS, load(settings.dictionaries_folder()), int(time.time() * 1000))
    found = score(match(subscribers(tmp_path / "truth"), replayed.alarms, PSEUDONYMS))
    print(*score_text(found), sep="\n")
    exchanged = found.stories["switch"]
    assert exchanged.planted >= 5
    assert exchanged.recall >= 0.6
    assert exchanged.error_days <= 4
    assert exchanged.delay_days <= 15
    assert found.steady_alarms == 0
