"""What rebuilds do to weights read from the history, against the rule applied to every piece of evidence."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import groupby
from math import fsum, isclose, sqrt
from typing import Any, NamedTuple

import pytest
from clickhouse_connect.driver.client import Client
from msgspec.structs import replace

from schemas.outputs import Alarm, AlarmKind, AlarmStatus, FoldedEvent, HistoryBatch
from schemas.tag_group import FOREVER_DAYS, TagGroup
from serving.history import profile_as_of, query_text, timeline
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.clickhouse_schema import publish_groups

pytestmark = pytest.mark.stores

T0_MS = 1_767_225_600_000
DAY_MS = 86_400_000
FACTOR = 2.0**-3
GROUPS = {
    group.name: group
    for group in (
        TagGroup("seen", "weight", "events", 7.0, "what a person turns to", drift="watched"),
        TagGroup("spent", "numeric", "euro", 30.0, "what it costs", drift="rebuilt"),
        TagGroup("kept", "weight", "events", 7.0, "what drift does not touch"),
        TagGroup("bill", "numeric", "euro", 30.0, "what drift does not touch either"),
        TagGroup("plan", "fact", "present", FOREVER_DAYS, "a fact"),
    )
}


class Piece(NamedTuple):
    time_ms: int
    event_id: int
    tag: str
    value: float
    number: int

    @property
    def group(self) -> TagGroup:
        return GROUPS[self.tag.partition(":")[0]]


class Weighed(NamedTuple):
    weight: float
    mean: float | None
    std: float | None


@pytest.fixture
def sink(clickhouse: str, clickhouse_client: Client, database: str) -> ClickHouseHistorySink:
    publish_groups(clickhouse_client, database, GROUPS, {name: group.half_life_ms for name, group in GROUPS.items()})
    return ClickHouseHistorySink(clickhouse, database, "run", 5.0, 10.0)


def alarm(
    at_ms: int,
    since_ms: int,
    seq: int,
    status: AlarmStatus = "provisional",
    factor: float = FACTOR,
    user: str = "u",
    kind: AlarmKind = "shares",
) -> Alarm:
    return Alarm(user, kind, at_ms, since_ms, 1, seq, 2.5, 0.25, status=status, factor=factor)


def event(piece: Piece, user: str = "u") -> FoldedEvent:
    group, _, name = piece.tag.partition(":")
    return ("f", user, piece.time_ms, piece.event_id, ((group, name, piece.value),), piece.number)


def weighed(pieces: Sequence[Piece], alarms: Sequence[Alarm], at_ms: int) -> Weighed:
    """The rule, piece by piece, for evidence of one tag."""
    weights = []
    for piece in pieces:
        weight = 2.0 ** (-(at_ms - piece.time_ms) / piece.group.half_life_ms)
        for a in alarms:
            before = a.status != "refined" or piece.time_ms < a.since_ms
            if piece.group.drift and a.at_ms <= at_ms and piece.number <= a.seq and before:
                weight *= a.factor
        weights.append((weight, piece.value))
    if pieces[0].group.kind == "weight":
        return Weighed(fsum(w * v for w, v in weights), None, None)
    total = fsum(w for w, _ in weights)
    mean = fsum(w * v for w, v in weights) / total
    return Weighed(total, mean, sqrt(fsum(w * (v - mean) ** 2 for w, v in weights) / total))


def by_tag(pieces: Sequence[Piece], until_ms: int) -> dict[str, list[Piece]]:
    known = sorted((p for p in pieces if p.time_ms <= until_ms), key=lambda p: p.tag)
    return {tag: list(each) for tag, each in groupby(known, key=lambda p: p.tag)}


def close(a: Weighed, b: Weighed) -> bool:
    """The deviation of values that are all the same is a rounding error of the mean; the tiniest doubles are rough."""
    size = abs(b.mean or 0.0) + (b.std or 0.0)
    return all(
        x is y or (x is not None and y is not None and isclose(x, y, rel_tol=1e-9, abs_tol=tolerance))
        for x, y, tolerance in zip(a, b, (1e-300, 1e-9 * size, 1e-7 * size), strict=True)
    )


def at_last_event(client: Client, database: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    parameters = {"database": database, "from_user": "", "before_user": ""}
    rows = client.query(query_text("profiles_at_last_event"), parameters=parameters).result_rows
    return {(row[0], row[1]): tuple(row[2:]) for row in rows}


def random_story(rng: random.Random, user: str, span_days: int) -> tuple[list[Piece], list[Alarm]]:
    """Evidence in random order, on a grid coarse enough that times and numbers often equal those of the alarms."""
    step_ms = max(span_days // 60, 1) * DAY_MS // 2
    steps = span_days * DAY_MS // step_ms
    tags = ("seen:a", "seen:b", "spent:all", "kept:a", "bill:all")
    pieces = [
        Piece(
            T0_MS + rng.randrange(steps) * step_ms, number, rng.choice(tags), round(rng.lognormvariate(1, 1), 2), number
        )
        for number in range(1, rng.randrange(20, 250))
    ]
    alarms: dict[tuple[str, int], Alarm] = {}
    for _ in range(rng.randrange(5)):
        at_ms = T0_MS + rng.randrange(steps) * step_ms
        kind: AlarmKind = rng.choice(["shares", "shares", "volume", "by_hand"])
        status: AlarmStatus = rng.choice(["provisional", "refined", "refined", "timed_out"])
        since_ms = at_ms - rng.randrange(steps // 2 + 1) * step_ms
        seq = rng.randrange(len(pieces) + 2)
        noted = kind == "volume"
        alarms[kind, at_ms] = alarm(
            at_ms, since_ms, seq, "noted" if noted else status, 1.0 if noted else FACTOR, user, kind
        )
    return pieces, list(alarms.values())


@pytest.mark.parametrize("seed", range(12))
def test_weights_are_those_of_the_rule(
    sink: ClickHouseHistorySink, clickhouse_client: Client, database: str, seed: int
) -> None:
    """As of any time, as of the last event, and after every piece of evidence; also over thousands of half-lives."""
    rng = random.Random(seed)
    span_days = (3, 40, 400, 30_000)[seed % 4]
    stories = {user: random_story(rng, user, span_days) for user in ("u", "v", "w")}
    batch = HistoryBatch()
    for user, (pieces, alarms) in stories.items():
        batch.events += [event(piece, user) for piece in pieces]
        batch.alarms += alarms
    sink.write_batch([batch])
    if seed % 2:  # as a replay writes it
        sink.write_batch([HistoryBatch(events=batch.events[: len(batch.events) // 2], alarms=batch.alarms)])

    pieces, alarms = stories["u"]
    newest_ms = max(p.time_ms for p in pieces)
    times = {newest_ms, newest_ms + DAY_MS, *(a.at_ms + offset for a in alarms for offset in (-1, 0, 1))}
    for at_ms in times:
        found = profile_as_of(clickhouse_client, database, "u", at_ms)
        expected = {tag: weighed(each, alarms, at_ms) for tag, each in by_tag(pieces, at_ms).items()}
        assert set(found) == {tag for tag, each in expected.items() if each.weight >= 1e-6}
        for tag, view in found.items():
            assert close(Weighed(view.weight, view.mean, view.std), expected[tag]), tag

    last = at_last_event(clickhouse_client, database)
    assert set(last) == {(user, p.tag) for user, (pieces, _) in stories.items() for p in pieces}
    for user, (pieces, alarms) in stories.items():
        as_of_ms = max(p.time_ms for p in pieces)
        raised = [replace(alarm, at_ms=0) for alarm in alarms]  # whenever they are dated, as in Redis
        for tag, each in by_tag(pieces, as_of_ms).items():
            got_as_of_ms, weight, mean, std, _, rows, value_sum, _ = last[user, tag]
            assert (got_as_of_ms, rows) == (as_of_ms, len(each))
            assert isclose(value_sum, fsum(p.value for p in each))
            assert close(Weighed(weight, mean, std), weighed(each, raised, as_of_ms)), (user, tag)

    pieces, alarms = stories["u"]
    for tag, each in by_tag(pieces, newest_ms).items():
        ordered = sorted(each)
        points = timeline(clickhouse_client, database, "u", tag)
        assert [(p.event_time_ms, p.event_id) for p in points] == [(p.time_ms, p.event_id) for p in ordered]
        for index, point in enumerate(points):
            weight, mean, _ = weighed(ordered[: index + 1], alarms, point.event_time_ms)
            assert close(Weighed(point.weight, point.mean, None), Weighed(weight, mean, None)), (tag, index)
        assert timeline(clickhouse_client, database, "u", tag, limit=3) == points[-3:]


def test_a_rebuild_by_hand_worked_out(sink: ClickHouseHistorySink, clickhouse_client: Client, database: str) -> None:
    """Late evidence counts in full, refined alarms leave what came since, two alarms multiply; one half-life apart."""
    week = 7 * DAY_MS
    pieces = [
        Piece(T0_MS, 1, "seen:a", 8.0, 1),
        Piece(T0_MS + week, 2, "seen:a", 8.0, 2),
        Piece(T0_MS, 3, "seen:a", 16.0, 3),  # comes after the first alarm
        Piece(T0_MS + 2 * week, 4, "seen:a", 1.0, 4),
    ]
    sink.write_batch([HistoryBatch([event(piece) for piece in pieces])])
    at_ms = T0_MS + 2 * week

    def weight_then(*alarms: Alarm) -> tuple[float, list[float]]:
        sink.write_batch([HistoryBatch(alarms=list(alarms))])
        points = timeline(clickhouse_client, database, "u", "seen:a")
        return profile_as_of(clickhouse_client, database, "u", at_ms)["seen:a"].weight, [p.weight for p in points]

    assert weight_then() == (2.0 + 4.0 + 4.0 + 1.0, [8.0, 24.0, 20.0, 11.0])
    first = alarm(T0_MS + week, T0_MS + week, 2)
    assert weight_then(first) == (0.25 + 0.5 + 4.0 + 1.0, [8.0, 24.0, 0.5 + 1.0 + 8.0, 5.75])
    first.status = "refined"
    assert weight_then(first) == (0.25 + 4.0 + 4.0 + 1.0, [8.0, 24.0, 0.5 + 8.0 + 8.0, 9.25])
    second = alarm(at_ms, at_ms, 3, kind="by_hand")
    weights = (0.25 / 8 + 0.5 + 0.5 + 1.0, [8.0, 24.0, 16.5, 2.03125])
    assert weight_then(second) == weights
    assert weight_then(alarm(at_ms, T0_MS, 9, user="someone else"), alarm(at_ms, T0_MS, 9, "noted", 1.0)) == weights
    [(_, _, last_weight, *_, rows, value_sum, _)] = [
        (0, 0, *each[1:]) for each in at_last_event(clickhouse_client, database).values()
    ]
    assert (last_weight, rows, value_sum) == (weights[0], 4, 33.0)


def test_facts_and_other_groups_are_never_rebuilt(
    sink: ClickHouseHistorySink, clickhouse_client: Client, database: str
) -> None:
    tags = ("plan:gold", "kept:a", "bill:all", "seen:a")
    pieces = [Piece(T0_MS, number, tag, 4.0, number) for number, tag in enumerate(tags, 1)]
    sink.write_batch([HistoryBatch([event(p) for p in pieces], alarms=[alarm(T0_MS, T0_MS, 9)])])
    expected = {"plan:gold": 4.0, "kept:a": 4.0, "bill:all": 1.0, "seen:a": 0.5}
    found = profile_as_of(clickhouse_client, database, "u", T0_MS)
    assert {tag: view.weight for tag, view in found.items()} == expected
    assert {tag: row[1] for (_, tag), row in at_last_event(clickhouse_client, database).items()} == expected
    assert {tag: timeline(clickhouse_client, database, "u", tag)[0].weight for tag in tags} == expected
