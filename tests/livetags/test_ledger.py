"""Which logs may be run over filled stores, and which runs' totals stand for the log."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from livetags.inputs import Input, input_named
from livetags.ledger import MixedLogs, RunRecord, Totals, inherit_totals, refuse_mixed, totals
from livetags.past_inputs import newest_runs
from sources import FEEDS

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def of(feed: str, *files: str) -> Input:
    return Input(FEEDS[feed], tuple(Path("/in") / file for file in files))


def run(number: int, status: str, *inputs: Input) -> RunRecord:
    listed = [{"feed": i.feed.name, "input": i.name} for i in inputs]
    return RunRecord(f"r{number}", "profile_update", listed, status, T0)


def test_the_same_log_may_be_run_again_and_another_population_too() -> None:
    earlier = [run(1, "finished", of("dpi", "a.pb"))]
    refuse_mixed(earlier, [of("dpi", "a.pb")])
    refuse_mixed(earlier, [of("household", "b.jsonl")])
    refuse_mixed(earlier, [of("dpi", "a.pb"), of("household", "b.jsonl")])


@pytest.mark.parametrize("status", ["finished", "failed", "running", "stopped"])
def test_another_log_of_the_same_people_is_refused_even_after_a_failure(status: str) -> None:
    with pytest.raises(MixedLogs, match=r"dpi: /in/a.pb"):
        refuse_mixed([run(1, status, of("dpi", "a.pb"))], [of("dpi", "b.pb")])


def test_a_run_that_could_use_nothing_blocks_nothing() -> None:
    refuse_mixed([run(1, "empty", of("dpi", "household.jsonl"))], [of("dpi", "a.pb")])


@pytest.mark.parametrize("files", [["a.pb"], ["a,b.pb"], ["a.pb", "b,c.pb", "d e.pb"]])
def test_an_input_is_found_again_by_its_name(files: list[str]) -> None:
    source = of("dpi", *files)
    assert input_named("dpi", source.name) == source


def test_the_newest_run_over_each_input_counts_and_failures_do_not() -> None:
    d, h = of("dpi", "a.pb"), of("household", "b.jsonl")
    both, only_h = run(1, "finished", d, h), run(2, "finished", h)
    assert newest_runs([run(1, "finished", d), run(2, "failed", d)]) == [run(1, "finished", d)]
    assert newest_runs([run(1, "finished", d), run(2, "finished", d)]) == [run(2, "finished", d)]
    assert newest_runs([both, only_h]) == [both]
    assert newest_runs([only_h, run(3, "finished", d, h)]) == [run(3, "finished", d, h)]


@pytest.mark.stores
def test_a_run_that_continues_has_the_totals_of_shards_without_records_since(
    clickhouse_client: Client, database: str
) -> None:
    source = of("dpi", "a.pb")
    rows = [
        ["r1", 0, 10, 6, 4, {}, 2, 50, {}],
        ["r1", 1, 5, 5, 0, {}, 1, 20, {"dpi/x": 1}],
        ["other", 0, 9, 9, 0, {}, 1, 1, {}],
    ]
    names = ["run_id", "shard", "events_in", "folded", "duplicates", "rejected", "users", "state_bytes", "corrected"]
    clickhouse_client.insert(f"{database}.run_counts", rows, column_names=names)
    inherit_totals(clickhouse_client, database, "r2", [run(1, "stopped", source)], [source])
    clickhouse_client.insert(f"{database}.run_counts", [["r2", 0, 12, 8, 4, {}, 2, 60, {}]], column_names=names)
    assert totals(clickhouse_client, database, "r2", 1) == Totals(17, 13, 4, {}, 3, 80, 20, {"dpi/x": 1})
    assert totals(clickhouse_client, database, "r1", 1).events_in == 15


@pytest.mark.stores
def test_a_run_over_another_input_inherits_nothing(clickhouse_client: Client, database: str) -> None:
    inherit_totals(clickhouse_client, database, "r2", [run(1, "stopped", of("dpi", "a.pb"))], [of("dpi", "b.pb")])
    assert totals(clickhouse_client, database, "r2") == Totals()
