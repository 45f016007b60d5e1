"""Evidence re-read for a rebuild, against a loop over what was written."""

from __future__ import annotations

import random

import pytest
from clickhouse_connect.driver.client import Client

from schemas.outputs import Alarm, AlarmKind, AlarmStatus, Evidence, FoldedEvent, HistoryBatch, Removal
from serving.evidence_since import AlarmKey, PastEvidence, Wanted, alarms_written, evidence_since_many
from sinks.clickhouse_history import ClickHouseHistorySink

pytestmark = pytest.mark.stores

T0_MS = 1_767_225_600_000
HOUR_MS = 3_600_000
GROUPS = ["app", "spend"]


@pytest.fixture
def sink(clickhouse: str, database: str) -> ClickHouseHistorySink:
    return ClickHouseHistorySink(clickhouse, database, "run", 5.0, 10.0)


def events_of(rng: random.Random, user: str, count: int) -> list[FoldedEvent]:
    """Over four months, in random order, so that numbers and times disagree."""
    events: list[FoldedEvent] = []
    for number in range(1, count + 1):
        groups = rng.sample(["app", "app2", "spend", "content"], rng.randrange(1, 4))
        evidence: list[Evidence] = [(group, rng.choice(["a", "b:c", "é: "]), float(number)) for group in groups]
        time_ms = T0_MS + rng.randrange(3_000) * HOUR_MS
        events.append(("f", user, time_ms, rng.getrandbits(64), evidence, number))
    return events


def test_what_was_folded_before_and_happened_since(
    sink: ClickHouseHistorySink, clickhouse_client: Client, database: str
) -> None:
    """For more users than one query takes, some of them unknown; bounds that events hit exactly."""
    rng = random.Random(3)
    stories = {f"user {n}'é": events_of(rng, f"user {n}'é", rng.randrange(1, 12)) for n in range(700)}
    batch = HistoryBatch([event for events in stories.values() for event in events])
    sink.write_batch([batch])
    sink.write_batch([HistoryBatch(batch.events[::3])])
    wanted = [Wanted(user, rng.choice(ev)[2], rng.randrange(len(ev) + 2), 1) for user, ev in stories.items()]
    wanted += [Wanted("nobody", T0_MS, 5, 1), Wanted("", 0, 2**64 - 1, 1)]
    rng.shuffle(wanted)
    answers = evidence_since_many(clickhouse_client, database, wanted, GROUPS)
    assert set(answers) == {each.user for each in wanted}
    for user, since_ms, until, _ in wanted:
        expected = [
            PastEvidence(group, tag, time_ms, value, 1.0)
            for _, _, time_ms, _, evidence, number in stories.get(user, [])
            for group, tag, value in evidence
            if group in GROUPS and number <= until and time_ms >= since_ms
        ]
        assert sorted(answers[user]) == sorted(expected)
        times = [piece.event_time_ms for piece in answers[user]]
        assert times == sorted(times)
    assert sum(map(bool, answers.values())) > 200
    one = max(wanted, key=lambda each: len(answers[each.user]))
    assert evidence_since_many(clickhouse_client, database, [], GROUPS) == {}
    assert evidence_since_many(clickhouse_client, database, [one], []) == {one.user: []}


def test_a_user_wanted_twice_is_an_error_that_names_nobody(clickhouse_client: Client, database: str) -> None:
    wanted = [Wanted("u", T0_MS, 1, 1), Wanted("v", T0_MS, 1, 1), Wanted("u", T0_MS, 2, 1)]
    with pytest.raises(ValueError, match="of 2 users is wanted 3 times: expected each user once"):
        evidence_since_many(clickhouse_client, database, wanted, GROUPS)


def test_which_alarms_can_be_seen(sink: ClickHouseHistorySink, clickhouse_client: Client, database: str) -> None:
    kinds: list[AlarmKind] = ["shares", "volume", "by_hand"]
    keys = [AlarmKey(f"u{n}'", kinds[n % 3], T0_MS + n) for n in range(900)]
    written = [key for n, key in enumerate(keys) if n % 7]
    alarms = [Alarm(key.user, kinds[int(key.user[1:-1]) % 3], key.at_ms, T0_MS, 1, 1, 1.0, 0.5) for key in written]
    for _ in range(2):
        sink.write_batch([HistoryBatch(alarms=alarms)])
    # Same user with another kind or time
    others = [AlarmKey(user, kinds[(n + 1) % 3], at_ms) for n, (user, _, at_ms) in enumerate(keys)]
    others += [AlarmKey(user, kind, at_ms + 1) for user, kind, at_ms in keys]
    assert alarms_written(clickhouse_client, database, keys + others) == set(written)
    assert alarms_written(clickhouse_client, database, []) == set()
    sink.write_batch([HistoryBatch(removals=[Removal("erase", written[0][0], time_ms=T0_MS)])])
    assert alarms_written(clickhouse_client, database, written[:2]) == {written[1]}


def test_what_earlier_rebuilds_have_left(sink: ClickHouseHistorySink, clickhouse_client: Client, database: str) -> None:
    """Of four events: the first rebuild, refined, took those before hour 1; the second everything up to number 3."""
    events: list[FoldedEvent] = [
        ("f", "u", T0_MS + n * HOUR_MS, n, [("app", "a", 1.0)], number) for number, n in enumerate(range(4), 1)
    ]

    def alarm(generation: int, since_hour: int, seq: int, status: AlarmStatus) -> Alarm:
        since_ms = T0_MS + since_hour * HOUR_MS
        at_ms = T0_MS + generation
        return Alarm("u", "shares", at_ms, since_ms, generation, seq, 1.0, 0.5, status=status, factor=0.125)

    alarms = [alarm(1, 1, 2, "refined"), alarm(2, 3, 3, "provisional"), alarm(3, 0, 4, "provisional")]
    sink.write_batch([HistoryBatch(events, alarms=alarms)])
    [pieces] = evidence_since_many(clickhouse_client, database, [Wanted("u", T0_MS, 4, 3)], GROUPS).values()
    assert [piece.kept for piece in pieces] == [0.125 * 0.125, 0.125, 0.125, 1.0]
