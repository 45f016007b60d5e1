"""Exact counts: for a purpose that allows the audience, and with a record before the figure."""

from __future__ import annotations

import pytest
from audience_trees import VOCABULARY

from serving.audience.exact_count import Asker, ExactCountRecord, exact_count
from serving.audience.expression import parse
from serving.audience.reads import UseRefused, reads
from udfs.tags import GROUPS

AUDIENCE = parse("plan = 'plus' and home = 'A3'", VOCABULARY)
READ = reads(AUDIENCE, GROUPS)
MAY_USE = ("marketing", "service", "location_services")


def test_it_is_recorded_and_then_given() -> None:
    records: list[ExactCountRecord] = []
    asker = Asker("campaigns", "marketing", MAY_USE, sensitive=True)
    assert exact_count(asker, "people", AUDIENCE, READ, 5, 9, lambda at_ms: at_ms * 100, records.append) == 500
    assert records == [
        ExactCountRecord(9, "campaigns", "marketing", "people", "home = 'A3' and plan = 'plus'", 5, True, 500)
    ]


@pytest.mark.parametrize(
    "asker",
    [Asker("x", "marketing", ("marketing",), True), Asker("x", "marketing", MAY_USE, False), Asker("x", "", ())],
)
def test_without_the_purpose_nothing_is_counted(asker: Asker) -> None:
    def never(_: object) -> int:
        raise AssertionError

    with pytest.raises(UseRefused):
        exact_count(asker, "people", AUDIENCE, READ, 5, 9, never, never)


def test_without_a_record_there_is_no_figure() -> None:
    def full(record: ExactCountRecord) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        exact_count(Asker("x", "marketing", MAY_USE, True), "people", AUDIENCE, READ, 5, 9, lambda _: 500, full)
