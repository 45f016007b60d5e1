"""What can be odd about a record: a bit each, with the kind and the detail that `truth/dirt.jsonl` gives it."""

from __future__ import annotations

from typing import NamedTuple


class Mark(NamedTuple):
    """A bit and how it is told; an empty detail stands for the seconds between event and arrival."""

    bit: int
    kind: str
    detail: str = ""


_LISTED: list[Mark] = []


def _mark(kind: str, detail: str = "") -> int:
    bit = 1 << len(_LISTED)
    _LISTED.append(Mark(bit, kind, detail))
    return bit


DUPLICATE = _mark("duplicate")
GARBAGE_RANDOM = _mark("garbage", "random bytes")
GARBAGE_TRUNCATED = _mark("garbage", "truncated record")
GARBAGE_KEYED = _mark("garbage", "valid field 1, then random bytes")
LATE = _mark("late")
SHUFFLED = _mark("shuffled")
PING_PONG = _mark("ping_pong", "bounce between neighbouring cells")
DRIFT = _mark("drift", "one record at a distant cell")
MISSING_AGE = _mark("missing", "age")
MISSING_DEVICE = _mark("missing", "device_model")
MISSING_CATEGORY = _mark("missing", "category")
MISSING_PROVINCE = _mark("missing", "province")
OUTLIER_DATA = _mark("outlier", "counter jumps by more than 100 GB")
OUTLIER_CALL = _mark("outlier", "call longer than 24 h")
OUTLIER_BILL = _mark("outlier", "bill more than 50 times the usual")
COUNTER_RESET = _mark("counter_reset", "counter restarts from 0")
ALIAS_APP = _mark("alias", "app")
ALIAS_REGION = _mark("alias", "region")
ALIAS_DEVICE = _mark("alias", "device_model")

MARKS: tuple[Mark, ...] = tuple(_LISTED)
"""All that are told."""

KINDS: tuple[str, ...] = tuple(dict.fromkeys(mark.kind for mark in MARKS))
"""Kinds of dirt, each once."""

GARBAGE = GARBAGE_RANDOM | GARBAGE_TRUNCATED | GARBAGE_KEYED
"""Any garbage."""

STEADY = 1 << len(_LISTED)
"""Not dirt: the record belongs to a little story (a bounce, a jump) and must arrive on time and in order."""
