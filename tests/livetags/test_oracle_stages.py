"""The oracle against both stages, and both stores as the stages' removals leave them, whatever arrives.

Identifiers that are linked late or change hands, consents granted and withdrawn, erasures before and within the log,
repeats, late and broken records, in batches cut anywhere.
"""

from __future__ import annotations

from contextlib import suppress
from math import isclose

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, note, settings
from hypothesis import strategies as st
from staged_stores import (
    DAY_MS,
    HOUR_MS,
    HOURS,
    IDENTIFIERS,
    NOW_MS,
    PERSONS,
    T0_MS,
    WIDE,
    Said,
    assert_same,
    bill,
    broken,
    call,
    consent,
    link,
    log_of,
    order,
    reading,
    registration,
    right,
    staged,
    use,
)

from livetags.oracle import recompute
from schemas.pb.livetags.v1 import billing_pb2, cdr_pb2, consent_pb2, link_pb2, order_pb2, registration_pb2, rights_pb2
from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.settings import Settings
from udfs.privacy.pseudonym import GivenPseudonyms

identifiers = st.sampled_from(IDENTIFIERS)
persons = st.sampled_from(PERSONS)
numbers = st.integers(0, 6)
hours = st.integers(0, HOURS) | st.integers(0, HOURS * 60).map(lambda minute: minute / 60)
purposes = st.sampled_from(["profiling", "necessary", "credit_risk", "social_analysis"])

records = st.one_of(
    st.builds(use, identifiers, numbers, hours, st.sampled_from(["video", "news", ""]), st.integers(0, 3)),
    st.builds(call, identifiers, numbers, hours, st.sampled_from(["a", "b", "c"]), st.sampled_from([2, 4])),
    st.builds(reading, identifiers, numbers, hours, st.integers(0, 500)),
    st.builds(order, identifiers, numbers, hours, st.sampled_from(["film", "music"])),
    st.builds(bill, identifiers, numbers, hours, st.sampled_from([0.0, 30.0, 150.0]), st.sampled_from(["", "a", "b"])),
    st.builds(consent, identifiers, numbers, hours, purposes, st.sampled_from([True, True, True, False])),
    st.builds(link, identifiers, numbers, hours, persons),
    st.builds(registration, identifiers, numbers, hours, st.sampled_from([*PERSONS, "p.3"]), st.sampled_from([0, 30])),
    st.builds(right, identifiers, numbers, hours, st.sampled_from([True, False])),
    st.builds(broken, identifiers, numbers, hours),
    st.builds(use, identifiers, numbers, st.just(-48)) | st.builds(use, identifiers, numbers, st.just(HOURS + 2)),
)


@st.composite
def logs(draw: st.DrawFn, max_size: int = 40) -> list[Said]:
    """Records of every feed, some of them again."""
    said = draw(st.lists(records, min_size=1, max_size=max_size))
    again = draw(st.lists(st.tuples(st.integers(0, len(said) - 1), st.integers(0, len(said))), max_size=4))
    for what, where in again:
        said.insert(where, said[what])
    # who has consented to nothing has nothing to compare
    if draw(st.booleans()):
        granted = [consent(who, 90 + n, 0, p) for who in IDENTIFIERS for n, p in enumerate(["profiling", "necessary"])]
        said = granted + said
    return said


erasures = st.dictionaries(
    st.sampled_from([*IDENTIFIERS, *PERSONS]), st.integers(0, 10).map(lambda h: T0_MS + h * HOUR_MS), max_size=2
)


MESSAGES = {
    "link": link_pb2.LinkRecord,
    "consent": consent_pb2.ConsentRecord,
    "rights": rights_pb2.RightsRecord,
    "dpi": DpiRecord,
    "cdr": cdr_pb2.CdrRecord,
    "order": order_pb2.OrderRecord,
    "billing": billing_pb2.BillingRecord,
    "registration": registration_pb2.RegistrationRecord,
}


def told(said: list[Said]) -> None:
    """Show the records of a failure, readable."""
    for number, each in enumerate(said):
        with suppress(DecodeError):
            note(f"{number} {each.feed} {' '.join(str(MESSAGES[each.feed].FromString(each.value)).split())}")


def check(said: list[Said], cuts: list[int], chosen: Settings, erased: dict[str, int]) -> None:
    log = log_of(said)
    stages, stores = staged(log, sorted(min(cut, len(log)) for cut in cuts), chosen, erased)
    assert_same(stages, stores, recompute(log, chosen, NOW_MS, pseudonyms=GivenPseudonyms(), erased=erased))


@settings(max_examples=300, deadline=None)
@given(
    logs(),
    st.lists(st.integers(0, 45), max_size=8),
    st.sampled_from([{}, {"dedup_horizon_hours": 6}, {"dedup_max_ids": 5}, {"max_events_per_bucket": 1}]),
    st.just({}) | erasures,
)
def test_both_stages_and_both_stores_are_what_the_oracle_says(
    said: list[Said], cuts: list[int], limits: dict[str, int], erased: dict[str, int]
) -> None:
    told(said)
    check(said, cuts, Settings(**WIDE, **limits), erased)


few = st.sampled_from(IDENTIFIERS[:2])
times = st.integers(0, 5)
pointed = st.one_of(
    st.builds(use, few, numbers, times),
    st.builds(order, few, numbers, times),
    st.builds(bill, few, numbers, times),
    st.builds(consent, few, numbers, times, st.sampled_from(["profiling", "necessary"]), st.booleans()),
    st.builds(link, few, numbers, times, persons),
    st.builds(right, few, numbers, times),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(pointed, max_size=14), st.lists(st.integers(0, 14), max_size=5))
def test_links_decisions_and_erasures_close_together_are_what_the_oracle_says(
    said: list[Said], cuts: list[int]
) -> None:
    told(said)
    check(said, cuts, Settings(**WIDE), {})


def granted(who: str, hour: float = 0) -> list[Said]:
    return [consent(who, 90, hour), consent(who, 91, hour, "necessary")]


BOTH_LINKED = [link("one", 0, 0), link("two", 0, 0)]
CASES: dict[str, tuple[list[Said], list[int]]] = {
    "consents of a partial profile are taken together": (
        [*granted("one"), use("one", 1, 0), order("one", 2, 0), link("one", 3, 0)],
        [],
    ),
    "after an erasure the same number of events again": (
        [consent("one", 1, 0), right("one", 2, 5), consent("one", 3, 6)],
        [1],
    ),
    "the same of a person": ([link("one", 0, 0), consent("one", 1, 0), right("one", 2, 5), consent("one", 3, 6)], [2]),
    "a late record, then the link, in one batch": (
        [*granted("one"), use("one", 2, -48), use("one", 3, 5), link("one", 4, 6)],
        [],
    ),
    "a late record, then the link, in two batches": (
        [*granted("one"), use("one", 2, -48), use("one", 3, 5), link("one", 4, 6)],
        [4],
    ),
    "a late record, the link, and erasure by the other identifier": (
        [
            *granted("one"),
            use("one", 2, -48),
            use("one", 3, 5),
            link("two", 4, 0),
            link("one", 5, 0),
            right("two", 7, 8),
        ],
        [3],
    ),
    "the partial profile's withdrawal is newer than the person's consent": (
        [
            *BOTH_LINKED[:1],
            *granted("one"),
            use("one", 3, 1),
            *granted("two"),
            use("two", 4, 1),
            consent("two", 5, 9, granted=False),
            link("two", 6, 0),
        ],
        [],
    ),
    "the person's withdrawal is newer than the partial profile's consent": (
        [
            *BOTH_LINKED[:1],
            *granted("one"),
            *granted("two"),
            use("two", 4, 1),
            consent("one", 5, 9, granted=False),
            link("two", 6, 0),
        ],
        [5],
    ),
    "a late event of before a change of hands": (
        [link("one", 1, 0), *granted("one"), link("one", 2, 10, "p.2"), *granted("one", 11), use("one", 5, 9)],
        [],
    ),
    "an older link that arrives later": (
        [link("one", 1, 5, "p.2"), *granted("one", 6), use("one", 5, 7), link("one", 2, 0), use("one", 6, 1)],
        [3],
    ),
    "two links of one instant": (
        [link("one", 1, 0), link("one", 2, 0, "p.2"), *granted("one"), use("one", 5, 3)],
        [],
    ),
    "cards of one document": (
        [registration("one", n, n, f"p.{n}") for n in range(1, 5)] + [link("one", 1, 0), *granted("one")],
        [2],
    ),
    "back after an erasure": (
        [
            *BOTH_LINKED,
            *granted("one"),
            use("one", 1, 1),
            right("two", 2, 5),
            use("one", 3, 1),
            use("one", 4, 6),
            *granted("one", 7),
            use("one", 5, 8),
            use("two", 6, 3),
        ],
        [5, 7],
    ),
    "erased, and newer events than the request are gone with the rest": (
        [*BOTH_LINKED, *granted("one"), use("one", 1, 9), right("two", 2, 5), use("one", 3, 9), *granted("one", 10)],
        [],
    ),
}


@pytest.mark.parametrize(("said", "cuts"), CASES.values(), ids=[name.replace(" ", "_") for name in CASES])
@pytest.mark.parametrize("one_by_one", [False, True], ids=["as cut", "one by one"])
def test_cases_that_once_went_wrong_or_easily_could(said: list[Said], cuts: list[int], one_by_one: bool) -> None:
    check(said, list(range(len(said))) if one_by_one else cuts, Settings(**WIDE), {})


@pytest.mark.parametrize("in_the_log", [True, False])
def test_a_profile_of_before_the_persons_erasure_comes_back_through_no_link(in_the_log: bool) -> None:
    old = [*granted("two"), use("two", 1, 1)]
    erasing = [link("one", 1, 0), right("one", 2, 10)] if in_the_log else []
    said = [*old, *erasing, link("two", 3, 20)]
    check(said, [len(said) - 1], Settings(**WIDE), {} if in_the_log else {"p.1": T0_MS + 10 * HOUR_MS})


def test_what_the_oracle_keeps_of_both_stages_by_hand() -> None:
    """One story with the numbers worked out, so that both sides can't be wrong alike."""
    said = [
        *granted("two"),
        use("two", 1, 0, mb=2),  # of nobody known, handed over by the link
        link("one", 1, 0),
        link("two", 2, 2),
        use("one", 3, 24 * 7 + 0, "news", 4),  # a half-life later
        use("one", 3, 24 * 7 + 0, "news", 4),  # a repeat
        consent("one", 4, 24 * 7, "social_analysis", granted=False),
        call("two", 5, 24 * 7),  # of service only
    ]
    log = log_of(said)
    expected = recompute(log, Settings(**WIDE), NOW_MS + 8 * DAY_MS, pseudonyms=GivenPseudonyms())
    person = expected.profiles["p.1"]
    assert set(expected.profiles) == {"p.1"}
    assert (person.n, person.as_of_ms) == (2 + 1 + 1 + 1 + 1, T0_MS + 7 * DAY_MS)
    assert isclose(person.tags["content:video"].weight, 0.5)
    assert isclose(person.tags["content:news"].weight, 1.0)
    assert isclose(person.tags["flow_mb:all"].weight, 1.5)
    assert isclose(person.tags["flow_mb:all"].mean or 0, (0.5 * 2 + 4) / 1.5)
    assert "calls:voice_in" not in person.tags
    assert expected.counts == (9, 8, 1, {})
