"""The oracle against hand-made cases, and against `advance` on hostile orders of arrival."""

from __future__ import annotations

from math import isclose

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetags.oracle import OracleCounts, OracleTag, Record, recompute
from schemas.events import Event
from schemas.reasons import Rejected
from schemas.settings import Settings
from schemas.state import Profile
from sources import FEEDS
from udfs.privacy.pseudonym import GivenPseudonyms
from udfs.profile.advance import advance
from udfs.profile.output import DUPLICATE, Folded, Refused
from udfs.profile.snapshot import snapshot
from udfs.tags import GROUPS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
T0_MS = 1_767_225_600_000
NOW_MS = T0_MS + 10 * DAY_MS


def line(time_ms: int, number: int, category: str | None = "milk", spend: float = 2.0, user: str = "7") -> bytes:
    return msgspec.json.encode(
        {
            "household_id": user,
            "basket_id": number,
            "product_id": 1,
            "category": category,
            "quantity": 1,
            "sales_value": spend,
            "event_time_ms": time_ms,
        }
    )


def log_of(*values: bytes | None) -> list[Record]:
    subscriber = FEEDS["household"].subscriber
    return [
        ("household", "log.jsonl", 0, number, subscriber(value) if value else None, value)
        for number, value in enumerate(values, 1)
    ]


def test_weights_by_hand() -> None:
    result = recompute(
        log_of(line(T0_MS + 30 * DAY_MS, 2, spend=1.0), line(T0_MS, 1, spend=3.0), line(T0_MS, 3, "tea", 0.0)),
        Settings(dedup_horizon_hours=24 * 60),
        NOW_MS + 60 * DAY_MS,
    )
    profile = result.profiles["7"]
    assert (profile.n, profile.as_of_ms) == (3, T0_MS + 30 * DAY_MS)
    assert profile.tags["spend:milk"] == OracleTag(2.5, None, None, T0_MS + 30 * DAY_MS, 2, 4.0)
    assert profile.tags["quantity:milk"].weight == 1.5
    assert profile.tags["spend:tea"] == OracleTag(0.0, None, None, T0_MS, 1, 0.0)
    old = 2.0 ** (-1 / 3)  # 30 days at a half-life of 90
    mean = (1.0 + 3.0 * old) / (1 + 2 * old)
    spread = ((1.0 - mean) ** 2 + old * (3.0 - mean) ** 2 + old * mean**2) / (1 + 2 * old)
    tag = profile.tags["line_spend:all"]
    assert tag.mean is not None
    assert tag.std is not None
    assert isclose(tag.weight, 1 + 2 * old)
    assert isclose(tag.mean, mean)
    assert isclose(tag.std, spread**0.5)


def test_every_refusal_is_counted_and_placed() -> None:
    log = log_of(
        line(T0_MS, 1),
        line(T0_MS, 1),
        b"{",
        b"",
        None,
        line(T0_MS, 2, None),
        line(NOW_MS + HOUR_MS + 1, 3),
        line(NOW_MS + HOUR_MS, 4),
        line(NOW_MS - 2 * DAY_MS, 5),
        line(946_684_799_999, 6),
        b"x" * 65_537,
        line(T0_MS, 7, user=""),
    )
    log.append(("household", "log.jsonl", 0, 13, b"8", line(T0_MS, 8)))
    result = recompute(log, Settings(), NOW_MS)
    reasons = {offset: reason for _, _, _, offset, reason in result.dead_letters}
    assert reasons == {
        3: "malformed",
        4: "value_missing",
        5: "value_missing",
        6: "tag_missing",
        7: "time_in_future",
        9: "late_beyond_horizon",
        10: "time_before_minimum",
        11: "record_too_large",
        12: "key_missing",
        13: "key_mismatch",
    }
    assert set(result.dead_letters.values()) == {""}  # what the door refuses names nobody
    assert result.counts == OracleCounts(
        13, 2, 1, {f"household/{r}": list(reasons.values()).count(r) for r in reasons.values()}
    )
    assert {user: profile.n for user, profile in result.profiles.items()} == {"7": 2}


def test_a_user_of_whom_nothing_was_folded_has_no_profile() -> None:
    assert recompute(log_of(line(0, 1)), Settings(), NOW_MS).profiles == {}


def test_progress_ends_at_all_records() -> None:
    told: list[int] = []
    recompute(log_of(line(T0_MS, 1), line(T0_MS, 2)), Settings(), NOW_MS, told.append)
    assert told == [2]


# Times on a grid of a few buckets around the horizon, and few ids: repeats, late events and floods are common.
_ARRIVALS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 5), st.sampled_from(["a", "b", "c"]), st.sampled_from("12")),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(_ARRIVALS, st.integers(1, 6), st.integers(1, 12), st.integers(1, 4))
def test_the_same_as_advance_whatever_arrives(
    arrivals: list[tuple[int, int, str, str]], horizon_hours: int, max_ids: int, max_per_bucket: int
) -> None:
    chosen = Settings(dedup_horizon_hours=horizon_hours, dedup_max_ids=max_ids, max_events_per_bucket=max_per_bucket)
    log = log_of(
        *(
            line(T0_MS + half_hours * HOUR_MS // 2, number, category, number + 0.5, user)
            for half_hours, number, category, user in arrivals
        )
    )
    rules = chosen.rules(GROUPS)
    profiles: dict[str, Profile] = {}
    dead: dict[int, str] = {}
    folded = duplicates = 0
    for _, _, _, offset, key, value in log:
        event = _decoded(key, value)
        _, output, _ = advance(profiles.setdefault(event.user, Profile()), event, rules, NOW_MS)
        folded += isinstance(output, Folded)
        duplicates += output is DUPLICATE
        if isinstance(output, Refused):
            dead[offset] = output.reason.value

    result = recompute(log, chosen, NOW_MS)
    assert (result.counts.folded, result.counts.duplicates) == (folded, duplicates)
    assert {offset: reason for _, _, _, offset, reason in result.dead_letters} == dead
    assert set(result.profiles) == {user for user, profile in profiles.items() if profile.n}
    for user, expected in result.profiles.items():
        found = snapshot(user, profiles[user], rules)
        assert (profiles[user].n, found.as_of_ms) == (expected.n, expected.as_of_ms)
        assert found.last_evidence_ms == {name: tag.last_ms for name, tag in expected.tags.items()}
        for name, tag in expected.tags.items():
            assert isclose(found.weights[name], tag.weight, rel_tol=1e-12)
            if tag.mean is not None and tag.std is not None:
                assert isclose(found.weights[name + ".mean"], tag.mean, rel_tol=1e-12)
                assert isclose(found.weights[name + ".std"], tag.std, rel_tol=1e-12, abs_tol=1e-12)


def _decoded(key: bytes | None, value: bytes | None) -> Event:
    try:
        return FEEDS["household"].decode(key or b"", value or b"", GivenPseudonyms())
    except Rejected:
        pytest.fail("these tests make only records that decode")
