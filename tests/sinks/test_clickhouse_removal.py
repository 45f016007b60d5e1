"""Removals in the history, against the embedded ClickHouse."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from fold_into_stores import history_of

from schemas.clickhouse import PERSONAL_TABLES
from schemas.outputs import Alarm, DeadLetter, Export, FoldedEvent, HistoryBatch, LinkedIdentifier, Removal
from sinks.clickhouse_history import ClickHouseHistorySink
from sinks.clickhouse_removal import purge

pytestmark = pytest.mark.stores

T0_MS = 1_767_225_600_000
DAY_MS = 86_400_000
Row = tuple[str, str, str, int, int, float]  # feed, user, tag, event time in ms, event id, value


def batch(rows: Iterable[Row] = (), **more: Any) -> HistoryBatch:
    return history_of(rows, **more)


def row(user: str, tag: str = "app:a", event_id: int = 1, time_ms: int = T0_MS) -> Row:
    return ("dpi", user, tag, time_ms, event_id, float(event_id))


def letter(user: str, offset: int) -> DeadLetter:
    return DeadLetter("dpi", "log", 0, offset, "malformed", user)


def alarm(user: str, at_ms: int = T0_MS, rose: str = "app:a", fell: str = "content:b") -> Alarm:
    changes = [[(f"{name}", 0.25, 0.5)] for name in (rose, fell)]
    return Alarm(user, "shares", at_ms, T0_MS - DAY_MS, 1, 9, 2.5, 0.25, *changes, "provisional", 0.125)


@pytest.fixture
def sink(clickhouse: str, database: str) -> ClickHouseHistorySink:
    return ClickHouseHistorySink(clickhouse, database, "run-1", timeout_s=5.0, give_up_s=20.0)


class Stored:
    """What a reader sees, and what is there without FINAL."""

    def __init__(self, client: Client, database: str) -> None:
        self._client = client
        self._database = database

    def rows(self, table: str, columns: str, final: bool = True) -> list[tuple[Any, ...]]:
        text = f"SELECT {columns} FROM {{database:Identifier}}.{table} {'FINAL' if final else ''} ORDER BY ALL"
        return [tuple(row) for row in self._client.query(text, parameters={"database": self._database}).result_rows]

    def evidence(self) -> list[tuple[str, str, int]]:
        return self.rows("tag_evidence", "user, tag, event_id")

    def dead(self) -> list[tuple[str, int]]:
        return self.rows("dead_letters", "user, offset")

    def alarms(self, final: bool = True) -> list[tuple[str, int, list[str], list[str]]]:
        columns = "user, toUnixTimestamp64Milli(alarm_at), rose.tag, fell.tag"
        return self.rows("drift_alarms", columns, final)

    def users(self) -> set[str]:
        return {user for table in PERSONAL_TABLES for (user,) in self.rows(table, "DISTINCT user", final=False)}


@pytest.fixture
def stored(clickhouse_client: Client, database: str) -> Stored:
    return Stored(clickhouse_client, database)


@pytest.fixture
def export(clickhouse_client: Client, database: str) -> None:
    clickhouse_client.insert(
        f"{database}.exports",
        [["r", user, "hot_profile", "{}"] for user in ("a", "b")],
        column_names=["request", "user", "part", "document"],
    )


@pytest.mark.usefixtures("export")
def test_erase_takes_everything_before_it_and_nothing_after(sink: ClickHouseHistorySink, stored: Stored) -> None:
    before = [row("a", event_id=1), row("b", event_id=2)]
    sink.write_batch([batch(before, dead_letters=[letter("a", 1), letter("", 2)])])
    erase = Removal("erase", "a", time_ms=T0_MS + 5)
    same_call = batch([row("a", event_id=3), row("a", event_id=4)], dead_letters=[letter("a", 3), letter("b", 4)])
    sink.write_batch([same_call, batch([row("a", event_id=5)], removals=[erase], dead_letters=[letter("a", 5)])])
    assert stored.evidence() == [("a", "app:a", 5), ("b", "app:a", 2)]
    assert stored.dead() == [("", 2), ("a", 5), ("b", 4)]
    assert stored.rows("exports", "user") == [("b",)]
    columns = "user, toUnixTimestamp64Milli(erased_at), request"
    assert stored.rows("erasures", columns) == [("a", T0_MS + 5, "")]
    sink.write_batch([HistoryBatch(removals=[Removal("erase", "a", time_ms=T0_MS)])])
    assert stored.rows("erasures", columns) == [("a", T0_MS + 5, "")], "an older erasure never wins"
    assert stored.users() == {"", "b"}


def test_forget_takes_the_groups_and_nothing_else(sink: ClickHouseHistorySink, stored: Stored) -> None:
    rows = [row(user, tag) for user in ("a", "b") for tag in ("app:a", "app:b", "content:a", "app2:a")]
    sink.write_batch([batch(rows[:6], dead_letters=[letter("a", 1)]), batch(rows[6:])])
    forget = Removal("forget", "a", groups=("app", "no such group"))
    later: list[FoldedEvent] = [("dpi", "a", T0_MS, 7, (("app", "a", 1.0), ("content", "a", 1.0)), 6)]
    sink.write_batch([HistoryBatch(later), batch([row("a", "app:c", 8)], removals=[forget])])
    assert stored.evidence() == sorted(
        [("a", "app2:a", 1), ("a", "content:a", 1), ("a", "content:a", 7), ("a", "app:c", 8)]
        + [("b", tag, 1) for tag in ("app:a", "app:b", "content:a", "app2:a")]
    )
    assert stored.dead() == [("a", 1)]
    assert stored.rows("erasures", "user") == []


@pytest.mark.usefixtures("export")
def test_move_gives_everything_but_dead_letters_to_the_other(
    sink: ClickHouseHistorySink, stored: Stored, clickhouse_client: Client, database: str
) -> None:
    sink.write_batch([batch([row("a", event_id=1), row("b", event_id=2)], dead_letters=[letter("a", 1)])])
    before = stored.rows("tag_evidence", "* EXCEPT user, tag_group", final=False)
    more = batch([row("a", event_id=3)], dead_letters=[letter("a", 3)])
    sink.write_batch([more, HistoryBatch(removals=[Removal("move", "a", "b")])])
    assert stored.evidence() == [("b", "app:a", 1), ("b", "app:a", 2), ("b", "app:a", 3)]
    assert stored.dead() == [("a", 1), ("a", 3)]
    assert stored.rows("exports", "user") == [("b",)]
    assert set(before) < set(stored.rows("tag_evidence", "* EXCEPT user, tag_group", final=False))


def test_erase_takes_the_alarms_before_it(sink: ClickHouseHistorySink, stored: Stored) -> None:
    sink.write_batch([batch(alarms=[alarm("a"), alarm("b")])])
    erase = Removal("erase", "a", time_ms=T0_MS + 5)
    held = HistoryBatch(alarms=[alarm("a", T0_MS + 1), alarm("b", T0_MS + 1)])
    sink.write_batch([held, HistoryBatch(removals=[erase], alarms=[alarm("a", T0_MS + 9)])])
    names = (["app:a"], ["content:b"])
    assert stored.alarms() == [("a", T0_MS + 9, *names), ("b", T0_MS, *names), ("b", T0_MS + 1, *names)]
    sink.write_batch([HistoryBatch(removals=[erase])])
    assert stored.users() == {"b"}


def test_forget_takes_the_tags_out_of_alarms_and_leaves_their_factor(
    sink: ClickHouseHistorySink, stored: Stored
) -> None:
    """Without the factor, evidence of the other groups would weigh more in the history than in the profile."""
    before = [
        alarm("a"),
        alarm("a", T0_MS + 1, "app:it's", "app:c"),
        alarm("a", T0_MS + 2, "spend:tea", "app2:x"),
        alarm("b"),
        Alarm("a", "volume", T0_MS, T0_MS, 1, 9, 1.0, 0.0, [("", 1.0, 9.0)]),
    ]
    sink.write_batch([HistoryBatch(alarms=before)])
    before[0].status = "refined"
    sink.write_batch([HistoryBatch(alarms=before[:1])])
    written = stored.rows("drift_alarms", "user, kind, alarm_at, status, factor, written_at")
    forget = Removal("forget", "a", groups=("app", "no such group"))
    held = HistoryBatch(alarms=[alarm("a", T0_MS + 3), alarm("b", T0_MS + 3)])
    later = HistoryBatch(removals=[forget], alarms=[alarm("a", T0_MS + 4)])
    for _ in range(2):
        sink.write_batch([held, later])
        assert stored.alarms() == [
            ("a", T0_MS, [], ["content:b"]),
            ("a", T0_MS, [""], []),
            ("a", T0_MS + 1, [], []),
            ("a", T0_MS + 2, ["spend:tea"], ["app2:x"]),
            ("a", T0_MS + 3, [], ["content:b"]),
            ("a", T0_MS + 4, ["app:a"], ["content:b"]),
            ("b", T0_MS, ["app:a"], ["content:b"]),
            ("b", T0_MS + 3, ["app:a"], ["content:b"]),
        ]
        assert set(written) <= set(stored.rows("drift_alarms", "user, kind, alarm_at, status, factor, written_at"))
    sink.write_batch([HistoryBatch(removals=[forget])])
    named = [tag for user, _, rose, fell in stored.alarms(final=False) for tag in (*rose, *fell) if user == "a"]
    assert not [tag for tag in named if tag.startswith("app:")], "nor in rows that FINAL hides"


def test_forget_and_erase_in_one_batch_leave_no_alarm(sink: ClickHouseHistorySink, stored: Stored) -> None:
    sink.write_batch([HistoryBatch(alarms=[alarm("a")])])
    removals = [Removal("forget", "a", groups=("app",)), Removal("erase", "a", time_ms=T0_MS)]
    sink.write_batch([HistoryBatch(removals=removals)])
    assert stored.alarms(final=False) == []


def test_a_moved_row_has_the_number_of_the_merged_profile(sink: ClickHouseHistorySink, stored: Stored) -> None:
    sink.write_batch([batch([row("a", event_id=n) for n in range(3)] + [row("b", event_id=3), row("c", event_id=4)])])
    held = batch([row("a", event_id=5)])
    moves = [Removal("move", "a", "b", number=20), Removal("move", "b", "d", number=30), Removal("move", "c", "d")]
    for _ in range(2):
        sink.write_batch([held, HistoryBatch(removals=moves[:1])])
        numbers = stored.rows("tag_evidence", "user, event_id, number")
        assert numbers[:5] == [("b", 0, 20), ("b", 1, 20), ("b", 2, 20), ("b", 3, 1), ("b", 5, 20)]
    sink.write_batch([batch([row("e", event_id=6), row("f", event_id=7)]), HistoryBatch(removals=moves[1:])])
    chain = [Removal("move", "e", "f", number=40), Removal("move", "f", "d")]
    sink.write_batch([HistoryBatch(removals=chain)])
    numbers = [*((n, 30) for n in (0, 1, 2, 3)), (4, 1), (5, 30), (6, 40), (7, 1)]
    assert stored.rows("tag_evidence", "user, event_id, number") == [("d", n, number) for n, number in numbers]


def test_a_chain_of_removals_in_one_batch(sink: ClickHouseHistorySink, stored: Stored) -> None:
    rows = [row(user, f"{group}:a", n) for n, (user, group) in enumerate((u, g) for u in "abcde" for g in ("app", "g"))]
    sink.write_batch([batch(rows)])
    removals = [
        Removal("move", "a", "b"),
        Removal("forget", "b", groups=("app",)),
        Removal("move", "b", "c"),
        Removal("erase", "d", time_ms=T0_MS - 1),
        Removal("move", "e", "d"),
    ]
    sink.write_batch([batch(removals=removals), batch(removals=[Removal("move", "c", "a")])])
    assert stored.evidence() == [
        ("a", "app:a", 4),
        ("a", "g:a", 1),
        ("a", "g:a", 3),
        ("a", "g:a", 5),
        ("d", "app:a", 8),
        ("d", "g:a", 9),
    ]


def test_a_key_rotation_of_many_users_at_once(sink: ClickHouseHistorySink, stored: Stored) -> None:
    names = [f"k1.{n:043d}" for n in range(1_500)]
    sink.write_batch([batch([row(name) for name in names])])
    sink.write_batch([HistoryBatch(removals=[Removal("move", name, "k2" + name[2:]) for name in names])])
    assert stored.users() == {"k2" + name[2:] for name in names}


@pytest.mark.parametrize(
    "user", ["用户 1", "a'b", 'a"b', "a\\b", "a\\'", "\t\n", "a,b]", "NULL", "{user:String}", "🙂"]
)
def test_any_text_is_a_user(sink: ClickHouseHistorySink, stored: Stored, user: str) -> None:
    sink.write_batch([batch([row(user, "app:a"), row(user, "it's:a"), row("b")])])
    sink.write_batch([batch(removals=[Removal("forget", user, groups=("it's",))])])
    assert stored.evidence() == sorted([(user, "app:a", 1), ("b", "app:a", 1)])
    sink.write_batch([batch(removals=[Removal("move", user, user + "'")])])
    assert stored.users() == {user + "'", "b"}
    sink.write_batch([batch(removals=[Removal("erase", user + "'")])])
    assert stored.users() == {"b"}


def test_many_months_are_moved_and_deleted(sink: ClickHouseHistorySink, stored: Stored) -> None:
    rows = [row("a", event_id=n, time_ms=T0_MS - n * 31 * DAY_MS) for n in range(24)]
    sink.write_batch([batch(rows)])
    sink.write_batch([batch(removals=[Removal("move", "a", "b")])])
    assert stored.evidence() == [("b", "app:a", n) for n in range(24)]


@pytest.mark.usefixtures("export")
def test_a_move_to_someone_erased_brings_nothing_of_before_it(sink: ClickHouseHistorySink, stored: Stored) -> None:
    """The erasure is another writer's, and may come first though the move was decided before."""
    sink.write_batch([HistoryBatch(removals=[Removal("erase", "b", time_ms=T0_MS + 10)])])
    rows = [row("a", event_id=n, time_ms=T0_MS + n) for n in (9, 10, 11)]
    sink.write_batch([batch([*rows, row("c", event_id=1)], dead_letters=[letter("a", 1), letter("c", 2)])])
    sink.write_batch([batch([row("d", event_id=2)], removals=[Removal("move", "a", "b"), Removal("move", "c", "d")])])
    assert stored.evidence() == [("b", "app:a", 11), ("d", "app:a", 1), ("d", "app:a", 2)]
    assert stored.dead() == [("a", 1), ("c", 2)]
    assert stored.rows("exports", "user") == []
    late = batch(
        [row("e", event_id=n, time_ms=T0_MS + n) for n in (4, 12)], dead_letters=[letter("e", 3), letter("b", 4)]
    )
    sink.write_batch([late, batch(removals=[Removal("move", "e", "b")])])
    assert stored.evidence()[:2] == [("b", "app:a", 11), ("b", "app:a", 12)]
    assert stored.dead() == [("a", 1), ("b", 4), ("c", 2), ("e", 3)]
    # As if the identifier's rows of this batch had been written under the person's name already
    sink.write_batch([batch([row("b", event_id=5)], removals=[Removal("move", "f", "b")])])
    assert stored.evidence()[:2] == [("b", "app:a", 11), ("b", "app:a", 12)]


def test_links_and_exports(sink: ClickHouseHistorySink, stored: Stored) -> None:
    links = [
        LinkedIdentifier("i", "a", T0_MS),
        LinkedIdentifier("j", "b", T0_MS),
        LinkedIdentifier("i", "b", T0_MS + 1),
    ]
    exports = [Export("r", user, "state", f'{{"of": "{user}"}}') for user in ("a", "b", "i")]
    written = HistoryBatch(links=links, exports=exports)
    for _ in range(2):
        sink.write_batch([written])
    assert stored.rows("identity_links", "identifier, person, toUnixTimestamp64Milli(valid_from)") == sorted(links)
    assert stored.rows("exports", "request, user, part, document") == sorted(exports)
    removals = [Removal("erase", "a"), Removal("move", "i", "b")]
    for batches in ([HistoryBatch(removals=removals)], [written, HistoryBatch(removals=removals)]):
        sink.write_batch(batches)
        # links stay: without them nobody could tell whose later records are
        assert stored.rows("identity_links", "identifier, person") == [("i", "a"), ("i", "b"), ("j", "b")]
        assert stored.rows("exports", "user", final=False).count(("a",)) == 0
        assert stored.rows("exports", "user") == [("b",)]


@pytest.mark.parametrize("seed", range(6))
def test_replays_cut_differently_end_at_the_same_rows(
    sink: ClickHouseHistorySink, stored: Stored, clickhouse_client: Client, database: str, seed: int
) -> None:
    """As after a failure: from some batch on everything comes again, to the end, in other cuts."""
    rng = random.Random(seed)
    alive = [f"u{n}" for n in range(8)]  # who has moved away gets nothing any more
    whole = set(alive)  # and who has lost rows doesn't get another's
    rows: dict[tuple[int, int], tuple[str, str]] = {}
    persons = ["u0", "u1", "u2"]  # have detectors, and don't move away
    alarms: dict[tuple[str, int], list[str]] = {}
    batches = []
    for number in range(14):
        removals = []
        for _ in range(rng.choice([0, 0, 1, 2])):
            user = rng.choice(alive)
            kind = rng.choice(["move", "move", "erase", "forget"])
            targets = sorted(whole.intersection(alive) - {user})
            if kind == "move" and targets and user not in persons:
                alive.remove(user)
                removals.append(Removal("move", user, rng.choice(targets)))
                rows = {k: (removals[-1].to if u == user else u, tag) for k, (u, tag) in rows.items()}
            elif kind == "erase":
                whole.discard(user)
                removals.append(Removal("erase", user, time_ms=T0_MS + number - 1))
                rows = {k: v for k, v in rows.items() if v[0] != user}
                alarms = {k: v for k, v in alarms.items() if k[0] != user}
            elif kind == "forget":
                whole.discard(user)
                removals.append(Removal("forget", user, groups=("g0", "g2")))
                rows = {k: v for k, v in rows.items() if v[0] != user or v[1][:2] == "g1"}
                alarms = {k: [t for t in v if k[0] != user or t[:2] == "g1"] for k, v in alarms.items()}
        mine = {(number, n): (rng.choice(alive), f"g{rng.randrange(3)}:x") for n in range(12)}
        rows |= mine
        new = [row(user, tag, number * 100 + n, T0_MS + number) for (_, n), (user, tag) in mine.items()]
        raised = alarm(rng.choice(persons), T0_MS + number, *rng.sample(["g0:x", "g1:x", "g2:x"], 2))
        alarms[raised.user, raised.at_ms] = [raised.rose[0][0], raised.fell[0][0]]
        letters = [letter(rng.choice(alive), number)]
        batches.append(batch(new, removals=removals, dead_letters=letters, alarms=[raised]))

    def write(part: list[HistoryBatch]) -> None:
        while part:
            cut = rng.randint(1, 5)
            sink.write_batch(part[:cut])
            part = part[cut:]

    write(batches)
    expected = sorted((user, tag, number * 100 + n) for (number, n), (user, tag) in rows.items())
    assert stored.evidence() == expected
    expected_alarms = sorted((*key, names) for key, names in alarms.items())

    def alarms_now() -> list[tuple[str, int, list[str]]]:
        return sorted((user, at_ms, rose + fell) for user, at_ms, rose, fell in stored.alarms())

    assert alarms_now() == expected_alarms
    dead, erased = stored.dead(), stored.rows("erasures", "user, erased_at, written_at")
    for first in (rng.randrange(len(batches)), 0, rng.randrange(len(batches))):
        write(batches[first:])
        assert stored.evidence() == expected
        assert stored.dead() == dead
        assert alarms_now() == expected_alarms
        if rng.random() < 0.5:
            clickhouse_client.command(f"OPTIMIZE TABLE {database}.tag_evidence FINAL")
    assert stored.rows("erasures", "user, erased_at, written_at") == erased


def test_purge_rewrites_what_is_deleted(
    sink: ClickHouseHistorySink, stored: Stored, clickhouse_client: Client, database: str
) -> None:
    def rows_on_disk() -> int:
        found = clickhouse_client.query(
            "SELECT sum(rows) FROM system.parts "
            "WHERE active AND database = {database:String} AND table = 'tag_evidence'",
            parameters={"database": database},
        )
        return int(found.result_rows[0][0])

    clickhouse_client.command(f"SYSTEM STOP MERGES {database}.tag_evidence")
    sink.write_batch([batch([row("a", event_id=n) for n in range(50)] + [row("b")])])
    clickhouse_client.command(f"SYSTEM START MERGES {database}.tag_evidence")
    sink.write_batch([batch(removals=[Removal("erase", "a")])])
    purge(clickhouse_client, database)
    assert rows_on_disk() == 1
    assert stored.users() == {"b"}


def test_every_table_with_a_user_is_known(clickhouse_client: Client, database: str) -> None:
    """Else erasing and exporting a person would miss it."""
    found = clickhouse_client.query(
        "SELECT table, name FROM system.columns "
        "WHERE database = {database:String} AND name IN ('user', 'person', 'identifier')",
        parameters={"database": database},
    ).result_rows
    known = {(table, column) for table, columns in PERSONAL_TABLES.items() for column in columns}
    staying = {("erasures", "user"), ("identity_links", "identifier"), ("identity_links", "person")}
    assert set(found) == known | staying
