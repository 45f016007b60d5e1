"""A receipt that comes after a withdrawal brings no values from before it."""

from __future__ import annotations

from made_triggers import T0_MS, trigger

from schemas.outputs import Receipt, Removal
from sinks.withdrawals import Withdrawals


def test_only_what_is_from_before_it_and_of_the_person_loses_its_values() -> None:
    withdrawals = Withdrawals()
    before, after, others = (Receipt(trigger(n, user), 5) for n, user in ((3, "u"), (4, "u"), (1, "v")))
    assert withdrawals.applied(before) == before
    withdrawals.take(Removal("forget", "u", groups=("app",), time_ms=T0_MS + 3))
    withdrawals.take(Removal("forget", "u", groups=("app",), time_ms=T0_MS))  # a replay of an older one
    withdrawals.take(Removal("move", "v", "u", time_ms=T0_MS + 9))
    assert withdrawals.applied(before) == Receipt(trigger(3, "u", values={}), 5)
    assert withdrawals.applied(after) == after
    assert withdrawals.applied(others) == others


def test_the_newest_are_remembered() -> None:
    withdrawals = Withdrawals()
    for number in [*range(10_000), 0, *range(20_000, 20_005)]:
        withdrawals.take(Removal("forget", f"u{number}", groups=("app",), time_ms=T0_MS + 9))
    kept = {n for n in range(10) if not withdrawals.applied(Receipt(trigger(1, f"u{n}"), 5)).trigger.values}
    assert kept == {0, 6, 7, 8, 9}
