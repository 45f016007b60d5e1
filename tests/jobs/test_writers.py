"""The operators in front of the sinks: all of a batch is handed over before they return, and counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from fakes import FakeEngine
from pyflink.common import Row

from jobs.operators import history_writer, hot_writer
from schemas import state
from schemas.outputs import (
    DeadLetter,
    Export,
    HistoryBatch,
    HotBatch,
    HotProfile,
    LinkedIdentifier,
    Receipt,
    Removal,
    ShardCounts,
    Trigger,
    pack,
    pack_text,
    unpack_history,
)
from schemas.settings import Settings
from schemas.tag_group import TagGroup
from udfs.profile.snapshot import snapshot
from udfs.tags import GROUPS

SETTINGS = Settings(redis_url="redis://127.0.0.1:1", clickhouse_url="http://127.0.0.1:1")


class FakeSink:
    def __init__(self, *_: Any) -> None:
        self.batches: list[Any] = []
        self.calls: list[tuple[str, Any]] = []
        self.closed = False

    def open(self, half_lives_ms: dict[str, int], groups: Iterable[TagGroup] = ()) -> None:
        self.half_lives_ms = half_lives_ms
        self.groups = list(groups)

    def write_batch(self, batch: Any) -> tuple[int, int]:
        self.batches.append(list(batch))
        self.calls.append(("write", [profile.user for profile in batch if isinstance(profile, HotProfile)]))
        return len(batch) - 1, 1

    def remove(self, removals: list[Removal]) -> None:
        self.calls.append(("remove", removals))

    def link(self, links: list[LinkedIdentifier]) -> None:
        self.calls.append(("link", links))

    def close(self) -> None:
        self.closed = True


def history_batch(number: int) -> HistoryBatch:
    evidence = (("spend", "tea", 1.5), ("quantity", "tea", 2.0))
    return HistoryBatch(
        [("household", f"u{number}", 1_767_225_600_000 + number, 2**64 - 1 - number, evidence, number)],
        [DeadLetter("dpi", "log", 0, number, "malformed", f"u{number}")],
        ShardCounts(number, 2, 1, 0, {"dpi/malformed": 1}, corrected={"dpi/app_normalised": 1}),
        [Removal("move", f"u{number}", to="p")],
        [LinkedIdentifier(f"u{number}", "p", number)],
        [Export("request", f"u{number}", "state", "{}")],
    )


@pytest.fixture(autouse=True)
def no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_writer, "TriggerStream", FakeStream)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(0)


def test_every_packed_batch_of_history_reaches_the_sink_in_one_write(
    monkeypatch: pytest.MonkeyPatch, engine: FakeEngine
) -> None:
    monkeypatch.setattr(history_writer, "ClickHouseHistorySink", FakeSink)
    writer = history_writer.HistoryWriter(SETTINGS.public(), "run")
    writer.open(engine.restarted())
    sent = [history_batch(number) for number in range(3_000)]
    assert writer.map(Row(0, [pack_text(batch).encode() for batch in sent])) == 3_000
    (written,) = writer._sink.batches
    for got, expected in zip(written, sent, strict=True):
        assert [(*event[:4], [tuple(e) for e in event[4]], event[5]) for event in got.events] == [
            (*event[:4], list(event[4]), event[5]) for event in expected.events
        ]
        for part in ("dead_letters", "counts", "removals", "links", "exports"):
            assert getattr(got, part) == getattr(expected, part)
    assert engine.counters["history_rows"].count == 6_000
    writer.close()
    assert writer._sink.closed


def test_every_changed_profile_is_shown_and_refusals_are_counted(
    monkeypatch: pytest.MonkeyPatch, engine: FakeEngine
) -> None:
    monkeypatch.setattr(hot_writer, "RedisHotSink", FakeSink)
    writer = hot_writer.HotWriter(SETTINGS.public())
    writer.open(engine.restarted())
    groups = {"spend": state.GroupState(681, GROUPS["spend"].half_life_ms, {"tea": [3.5, 1_767_225_600_000.0]})}
    profiles = {f"u{n}": state.Profile(n=n, last_event_ms=1_767_225_600_000, groups=groups) for n in range(1, 1_001)}
    packed = pack(HotBatch([(user, state.encode(profile)) for user, profile in profiles.items()]))
    assert list(writer.flat_map(packed)) == []
    rules = SETTINGS.rules(GROUPS)
    shown: list[HotProfile] = [snapshot(user, profile, rules) for user, profile in profiles.items()]
    assert writer._sink.batches == [shown]
    assert (engine.counters["hot_written"].count, engine.counters["hot_refused"].count) == (999, 1)
    assert writer._sink.half_lives_ms == {name: rule.half_life_ms for name, rule in rules.groups.items()}
    writer.close()
    assert writer._sink.closed


def test_what_must_go_goes_before_links_and_profiles_are_written(
    monkeypatch: pytest.MonkeyPatch, engine: FakeEngine
) -> None:
    monkeypatch.setattr(hot_writer, "RedisHotSink", FakeSink)
    writer = hot_writer.HotWriter(SETTINGS.public())
    writer.open(engine.restarted())
    removals = [Removal("erase", "p.1", time_ms=5), Removal("move", "i", to="p.2")]
    links = [LinkedIdentifier("i", "p.2", 7)]
    list(writer.flat_map(pack(HotBatch([("p.2", state.encode(state.Profile(n=1)))], removals, links))))
    assert writer._sink.calls == [("remove", removals), ("link", links), ("write", ["p.2"])]


class FakeStream:
    def __init__(self, *_: Any) -> None:
        self.sent: list[Trigger] = []

    def open(self) -> None:
        pass

    def write_batch(self, triggers: list[Trigger]) -> list[Receipt]:
        self.sent += triggers
        return [Receipt(trigger, 0 if trigger.shadow else 99) for trigger in triggers]

    def close(self) -> None:
        pass


def test_triggers_are_sent_after_the_profiles_and_their_receipts_go_to_the_history(
    monkeypatch: pytest.MonkeyPatch, engine: FakeEngine
) -> None:
    monkeypatch.setattr(hot_writer, "RedisHotSink", FakeSink)
    writer = hot_writer.HotWriter(SETTINGS.public())
    writer.open(engine.restarted())
    triggers = [
        Trigger(f"id{n}", "p", "r", 1, "s", "marketing", 50, "pulse", "e", n, n, shadow=n == 2, values={"a": 0.1})
        for n in (1, 2)
    ]
    batch = HotBatch([("p", state.encode(state.Profile(n=1)))], triggers=triggers)
    rows = []
    for row in writer.flat_map(pack(batch)):
        assert writer._sink.calls == [("write", ["p"])]
        rows.append(row)
    [row] = rows
    assert writer._stream.sent == triggers
    assert row[0] == 0
    assert unpack_history(row[1].encode()).receipts == [Receipt(triggers[0], 99), Receipt(triggers[1], 0)]
    assert engine.counters["triggers_sent"].count == 1


def test_an_erasure_shows_in_the_snapshot(monkeypatch: pytest.MonkeyPatch, engine: FakeEngine) -> None:
    monkeypatch.setattr(hot_writer, "RedisHotSink", FakeSink)
    writer = hot_writer.HotWriter(SETTINGS.public())
    writer.open(engine.restarted())
    list(writer.flat_map(pack(HotBatch([("p", state.encode(state.Profile(generation=1, n=1, erased_ms=77)))]))))
    assert writer._sink.batches[0][0].erased_ms == 77


def test_a_writer_that_never_opened_closes() -> None:
    history_writer.HistoryWriter(SETTINGS.public(), "run").close()
    hot_writer.HotWriter(SETTINGS.public()).close()
