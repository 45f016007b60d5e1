"""Triggers for tests: one by one, and any there can be."""

from __future__ import annotations

from hypothesis import strategies as st

from schemas.outputs import Trigger

T0_MS = 1_767_225_600_000  # 2026-01-01 UTC


def trigger(number: int = 1, user: str = "p.one", **changed: object) -> Trigger:
    """A trigger of a rule about traffic; triggers of different numbers have different ids and times."""
    made: dict[str, object] = {
        "id": f"id-{number}",
        "user": user,
        "rule": "traffic-surge",
        "version": 2,
        "scene": "uses much more data than usual",
        "purpose": "marketing",
        "priority": 60,
        "cause": "pulse",
        "episode": str(T0_MS + number),
        "at_ms": T0_MS + number,
        "decided_ms": T0_MS + number + 40,
        "feed": "dpi",
        "log": "livetags.dpi",
        "partition": 3,
        "offset": 7_000 + number,
        "event_id": 2**64 - 1,
        "values": {"app": "抖音", "window_mb": 82.5, "surge": 0.1 + 0.2, "roaming": True},
        "payload": {"offer": "pack 10g"},
    }
    return Trigger(**{**made, **changed})  # type: ignore[arg-type]


_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_times_ms = st.integers(0, 2**53)
_values = _words | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
any_trigger: st.SearchStrategy[Trigger] = st.builds(
    Trigger,
    id=_words,
    user=_words,
    rule=_words,
    version=st.integers(1, 1_000_000),
    scene=_words,
    purpose=_words,
    priority=st.integers(0, 100),
    cause=st.sampled_from(["pulse", "enter", "exit", "fade", "absence", "count"]),
    episode=_words,
    at_ms=_times_ms,
    decided_ms=_times_ms,
    shadow=st.booleans(),
    feed=_words,
    log=_words,
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    event_id=st.integers(0, 2**64 - 1),
    values=st.dictionaries(_words, _values, max_size=5),
    payload=st.dictionaries(_words, _words, max_size=3),
)
