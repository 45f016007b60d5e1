"""What every tag group and every family promises, checked for all of them."""

from __future__ import annotations

import importlib
import json
import re
from collections import Counter
from math import isfinite
from random import Random
from types import ModuleType

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetags.catalogue import entries, half_life_text
from schemas.dictionaries import Dictionaries, District
from schemas.events import (
    AppUse,
    Billing,
    Call,
    CardsOpened,
    Consent,
    Contact,
    DataUsage,
    Event,
    Link,
    Order,
    Presence,
    Purchase,
    Rebuild,
    Registration,
    RightsRequest,
)
from schemas.person_memory import PersonMemory
from schemas.purposes import PURPOSES
from schemas.rules import Rules
from schemas.tag_group import FOREVER_DAYS, TagGroup
from sources.dictionaries import PRICE_BANDS
from udfs.profile.decay import decayed
from udfs.tags import FAMILIES, FEED_OF, GROUPS, evidence_of, families_of, forget

FEEDS = {
    "household",
    "dpi",
    "signalling",
    "cdr",
    "billing",
    "registration",
    "order",
    "contact",
    "consent",
    "link",
    "rights",
    "rebuild",
}
MAX_MEMORY_BYTES = 350
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
T0_MS = 1_767_225_600_000  # 2026-01-01 UTC

DISTRICTS = {
    "东湖小区": District("residential", "北京", 39.95, 116.30),
    "望山新城": District("new_estate", "北京", 39.80, 116.60),
    "云栖商务区": District("business", "北京", 39.90, 116.45),
    "金桥广场": District("mall", "北京", 39.92, 116.40),
    "珠江商务区": District("business", "广东", 23.13, 113.26),
}
KEYWORDS = (("全屋定制", "renovation"), ("二手房", "home_purchase"))
RULES = Rules({}, utc_offset_ms=8 * HOUR_MS, dictionaries=Dictionaries(districts=DISTRICTS, keywords=KEYWORDS))

USER, PEERS, CONTACT = "user-pseudonym", ("peer-pseudonym", "another-peer"), "contact-pseudonym"

users = st.just(USER)
ids = st.integers(0, 2**64 - 1)
times_ms = st.integers(T0_MS, T0_MS + 200 * DAY_MS) | st.integers(RULES.min_event_time_ms, T0_MS)
amounts = st.sampled_from([0.0, 1e-300, 0.5, 80.0, 1e15]) | st.floats(0, 1e15)
counts = st.sampled_from([0, 1, 10**6, 2**62]) | st.integers(0, 2**62)
words = st.sampled_from(["", "video", "property", "抖音", "\x00"]) | st.text(max_size=8)


def _presence(user: str, event_id: int, time_ms: int, kind: str, district: str) -> Presence:
    where = DISTRICTS.get(district)
    province, district_kind = (where.province, where.kind) if where else ("北京", "")
    return Presence(user, event_id, time_ms, kind, "", province, district, district_kind)


EVENTS: dict[type[Event], st.SearchStrategy[Event]] = {
    Purchase: st.builds(Purchase, users, ids, times_ms, words, amounts, amounts),
    AppUse: st.builds(
        AppUse,
        users,
        ids,
        times_ms,
        words,
        words | st.sampled_from(["property", "cars", "shopping"]),
        counts,
        counts,
        words,
        words | st.sampled_from(["全屋定制 预算10万", "二手房"]),
    ),
    Presence: st.builds(
        _presence, users, ids, times_ms, st.sampled_from(["attach", "detach"]), st.sampled_from(["", "x", *DISTRICTS])
    ),
    Call: st.builds(
        Call,
        users,
        ids,
        times_ms,
        st.sampled_from(["voice", "sms"]),
        st.booleans(),
        st.sampled_from(PEERS),
        amounts,
        counts,
    ),
    DataUsage: st.builds(DataUsage, users, ids, times_ms, counts, counts),
    Billing: st.builds(
        Billing,
        users,
        ids,
        times_ms,
        st.sampled_from(["bill", "recharge", "balance"]),
        amounts,
        st.sampled_from(["", "plus"]),
        amounts,
        amounts,
    ),
    Registration: st.builds(
        Registration,
        users,
        ids,
        times_ms,
        st.just(USER),
        counts | st.integers(1, 99),
        st.sampled_from(["", "male", "female"]),
        words,
        times_ms | st.just(0),
        words,
        words,
        words,
        words,
        words,
        st.sampled_from(["", *PRICE_BANDS]),
        counts,
        counts,
        st.lists(st.sampled_from(["age", "gender", "device_brand", "device_model"])).map(tuple),
    ),
    CardsOpened: st.builds(CardsOpened, users, ids, times_ms, counts),
    Order: st.builds(Order, users, ids, times_ms, words, st.booleans(), amounts),
    Contact: st.builds(
        Contact,
        users,
        ids,
        times_ms,
        st.sampled_from(["sms", "push", "call", "popup"]),
        st.sampled_from(["sent", "delivered", "opened", "clicked", "converted", "refused", "unsubscribed"]),
        words,
        st.just(CONTACT),
    ),
}
HEAD = (USER, 1, T0_MS)
EXAMPLES: dict[type[Event], Event] = {
    event.__class__: event
    for event in (
        Purchase(*HEAD, "COFFEE", 1.0, 2.0),
        AppUse(*HEAD, "抖音", "video", 10, 20),
        _presence(*HEAD, "attach", "东湖小区"),
        Call(*HEAD, "voice", True, PEERS[0], 60.0, 2),
        DataUsage(*HEAD, 10, 10),
        Billing(*HEAD, "bill", 80.0),
        Registration(*HEAD, USER, 33),
        CardsOpened(*HEAD, 3),
        Order(*HEAD, "video_pass", True, 12.0),
        Contact(*HEAD, "sms", "sent", "offer", CONTACT),
    )
}
lives = st.lists(st.one_of(*EVENTS.values()), min_size=1, max_size=40)
often = settings(max_examples=100, deadline=None)


def told(events: list[Event], memory: PersonMemory) -> list[tuple[str, str, float]]:
    return [each for event in events for each in evidence_of(event, families_of(event), memory, RULES)]


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_a_group_is_declared_completely(group: TagGroup) -> None:
    assert re.fullmatch("[a-z][a-z_]*", group.name)
    assert group.kind in ("weight", "numeric", "fact")
    assert group.unit
    assert group.meaning.endswith(".")
    assert len(group.meaning) > 20
    assert group.half_life_ms > 0
    assert group.purpose in PURPOSES
    assert group.sensitivity in ("low", "personal", "sensitive")
    assert group.stores in ("hot", "history", "both")
    assert group.sources
    assert set(group.sources) <= FEEDS
    assert group.version >= 1
    assert not group.ordered or (group.kind == "fact" and len(group.tags) > 1 and not group.more_tags)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_groups_name_the_family_of_their_file_and_feeds_that_it_looks_at(family: ModuleType) -> None:
    assert family.GROUPS
    assert len(set(family.EVENTS)) == len(family.EVENTS)
    for group in family.GROUPS:
        assert f"udfs.tags.{group.family}" == family.__name__
    feeds = {FEED_OF[event] for event in family.EVENTS}
    assert {source for group in family.GROUPS for source in group.sources} == feeds


def test_every_kind_of_event_that_is_evidence_is_checked_here() -> None:
    assert set(EVENTS) == set(EXAMPLES) == set(FEED_OF) == {event for family in FAMILIES for event in family.EVENTS}
    for event in EXAMPLES.values():
        assert told([event], PersonMemory()) or isinstance(event, Presence)


def test_decisions_and_requests_are_evidence_for_nothing() -> None:
    said = (Consent(*HEAD, "service", True, 1), Link(*HEAD, "p"), RightsRequest(*HEAD, "erase", "r"), Rebuild(*HEAD, 1))
    for event in said:
        assert families_of(event) == ()


def test_no_two_groups_share_a_name() -> None:
    assert len(GROUPS) == sum(len(family.GROUPS) for family in FAMILIES)


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_a_group_decays_and_never_grows_with_time(group: TagGroup) -> None:
    elapsed_ms = [group.half_life_ms * quarter // 4 for quarter in range(20)]
    weights = [decayed(1.0, each, group.half_life_ms) for each in elapsed_ms]
    assert weights == sorted(weights, reverse=True)
    assert weights[4] == pytest.approx(0.5)


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_a_family_asks_one_purpose_per_kind_of_event(family: ModuleType, kind: type[Event]) -> None:
    """What it remembers of an event is covered by that one consent."""
    listed = [each for each in families_of(EXAMPLES[kind]) if family.__name__ == f"udfs.tags.{each.name}"]
    assert len(listed) == (kind in family.EVENTS)


@pytest.mark.parametrize("name", PersonMemory.__struct_fields__)
def test_only_families_remember_and_for_one_purpose(name: str) -> None:
    importlib.import_module(f"udfs.tags.{name}")
    assert len({group.purpose for group in GROUPS.values() if group.family == name and not group.order_free}) == 1


def test_families_that_look_back_are_those_that_remember() -> None:
    assert {group.family for group in GROUPS.values() if not group.order_free} == set(PersonMemory.__struct_fields__)


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_evidence_is_of_the_family_s_own_groups_fed_by_the_event_finite_and_named_once(kind: type[Event]) -> None:
    @often
    @given(st.lists(EVENTS[kind], min_size=1, max_size=10))
    def check(events: list[Event]) -> None:
        memory = PersonMemory()
        for event in events:
            found = []
            for family in families_of(event):
                mine = family.evidence(event, memory, RULES)
                found += mine
                for name, _, _ in mine:
                    assert GROUPS[name].family == family.name
                    assert FEED_OF[kind] in GROUPS[name].sources
                    assert GROUPS[name].purpose == family.purpose
            assert all(isfinite(value) for _, _, value in found)
            assert len({(name, tag) for name, tag, _ in found}) == len(found)
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(memory), type=PersonMemory) == memory

    check()


@often
@given(lives, st.randoms(use_true_random=False))
def test_groups_that_claim_it_have_the_same_evidence_in_any_order(events: list[Event], random: Random) -> None:
    def order_free(events: list[Event]) -> Counter[tuple[str, str, float]]:
        return Counter(each for each in told(events, PersonMemory()) if GROUPS[each[0]].order_free)

    shuffled = list(events)
    random.shuffle(shuffled)
    assert order_free(events) == order_free(shuffled)


@often
@given(lives)
def test_no_identifier_is_in_a_tag_and_none_decides_one(events: list[Event]) -> None:
    renamed = [_renamed(event) for event in events]
    memory, other = PersonMemory(), PersonMemory()
    found, with_others = told(events, memory), told(renamed, other)
    assert [each[:2] for each in found] == [each[:2] for each in with_others]
    identifiers = (USER, *PEERS, CONTACT)
    assert not [tag for _, tag, _ in found for each in identifiers if each in tag]
    assert not [each for each in identifiers if each.encode() in msgspec.msgpack.encode(memory)]


@often
@given(lives)
def test_where_all_tags_are_declared_there_are_no_others(events: list[Event]) -> None:
    closed = {name: group.tags for name, group in GROUPS.items() if not group.more_tags}
    assert not [(group, tag) for group, tag, _ in told(events, PersonMemory()) if tag not in closed.get(group, (tag,))]


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_tags_are_declared_once_or_said_to_be_open(group: TagGroup) -> None:
    assert group.tags or group.more_tags
    assert len(set(group.tags)) == len(group.tags)
    assert all(group.tags)


def test_every_declared_tag_is_some_day_evidence() -> None:
    """By a life that has all of it: a declared name that nothing gives would be a slip of the pen."""
    memory = PersonMemory()
    found = {each[:2] for each in told(_a_full_life(), memory)}
    declared = {(group.name, tag) for group in GROUPS.values() for tag in group.tags}
    assert declared - found == {("content", "unknown")}  # it is cleaning that says so


def test_memory_stays_small_whatever_happens() -> None:
    memory = PersonMemory()
    told(_ten_thousand(), memory)
    assert None not in msgspec.structs.astuple(memory)
    assert len(msgspec.msgpack.encode(memory)) <= MAX_MEMORY_BYTES


@pytest.mark.parametrize(
    ("withdrawn", "forgotten"),
    [
        ("location_services", {"behaviour"}),
        ("credit_risk", {"consumption"}),
        ("social_analysis", {"social"}),
        ("security", {"fraud"}),
        ("service", {"base", "terminal", "lifecycle"}),
        ("profiling", set()),
        ("marketing", set()),
    ],
)
def test_what_a_purpose_remembered_is_forgotten_with_its_consent(withdrawn: str, forgotten: set[str]) -> None:
    memory = PersonMemory()
    told(_ten_thousand(), memory)
    forget(memory, lambda purpose: purpose != withdrawn)
    assert {name for name in PersonMemory.__struct_fields__ if getattr(memory, name) is None} == forgotten


def test_the_catalogue_has_every_group_and_is_plain_json() -> None:
    listed = entries()
    assert [entry["name"] for entry in listed] == list(GROUPS)
    assert json.loads(json.dumps(listed)) == listed
    assert all(entry["half_life_days"] == GROUPS[entry["name"]].half_life_days for entry in listed)


@pytest.mark.parametrize(
    ("days", "text"), [(7.0, "7 d"), (0.25, "0.25 d"), (1_095.0, "1095 d"), (FOREVER_DAYS, "forever")]
)
def test_half_lives_for_people(days: float, text: str) -> None:
    assert half_life_text(days) == text


def _renamed(event: Event) -> Event:
    others = {"user": "somebody-else"}
    if isinstance(event, Call):
        others["peer"] = {PEERS[0]: "peer-three", PEERS[1]: "peer-four"}[event.peer]
    if isinstance(event, Contact):
        others["contact"] = "contact-two"
    if isinstance(event, Registration):
        others["person"] = "somebody-else"
    return msgspec.structs.replace(event, **others)


def _ten_thousand() -> list[Event]:
    """Random events of every kind, mostly in order, over half a year."""
    random = Random(7)
    districts = [*DISTRICTS, ""]
    events: list[Event] = []
    for number in range(10_000):
        time_ms = T0_MS + number * 180 * DAY_MS // 10_000 - random.choice((0, 0, 0, DAY_MS))
        head = (USER, number, time_ms)
        events.append(
            random.choice(
                (
                    AppUse(*head, "抖音", "video", 10, 20),
                    _presence(*head, "attach", random.choice(districts)),
                    Call(*head, "voice", random.random() < 0.5, f"{random.getrandbits(64):x}", 60.0, 2),
                    DataUsage(*head, 0, random.randrange(10**12)),
                    Billing(*head, random.choice(("bill", "recharge", "balance")), 80.0, "plus", 1.0, 2.0),
                    Registration(*head, USER, 33, "male", "北京-朝阳", T0_MS - DAY_MS, f"Model {number}"),
                    Order(*head, "video_pass", True, 12.0),
                    Contact(*head, "sms", "opened", "offer", CONTACT),
                )
            )
        )
    return events


def _a_full_life() -> list[Event]:
    """Everything that bands and kinds tell apart, happening to one person."""
    events: list[Event] = []

    def happen(kind: type[Event], time_ms: int, *fields: object) -> None:
        events.append(kind(USER, len(events), time_ms, *fields))  # type: ignore[arg-type]

    day = T0_MS
    for age in (10, 20, 30, 40, 50, 60, 70):
        for gender, band in (("female", "low"), ("male", "mid"), ("female", "high"), ("male", "premium")):
            happen(Registration, day, USER, age, gender, "", day, f"Model {age}", "", "", "", "", band)
            day += DAY_MS
    for days in (0, 100, 500, 1_500, 2_500):
        happen(Registration, day + days * DAY_MS, USER, 0, "", "", T0_MS)
    day += 3_000 * DAY_MS
    for amount in (10.0, 140.0, 300.0, 3_000.0):
        for kind in ("bill", "recharge"):
            happen(Billing, day, kind, amount)
            day += DAY_MS
    for share in (0.0, 0.05, 0.2, 0.4, 0.9):
        happen(Billing, day, "balance", 0.0, "", share, 1.0)
    for megabytes in (1, 1, 4, 0):  # steady, more, hardly any
        for _ in range(30):
            day += DAY_MS
            happen(DataUsage, day, 0, megabytes * 10**9)
    for kind, outgoing in (("voice", True), ("voice", False), ("sms", True), ("sms", False)):
        happen(Call, day, kind, outgoing, "peer", 60.0, 5)
        day += DAY_MS
    for hour in (1, 8, 14, 20):
        happen(AppUse, day - day % DAY_MS + (hour - 8) * HOUR_MS, "a", "", 1, 1)
    for category in ("property", "cars", "renovation"):
        happen(AppUse, day, "a", category, 1, 1)
    for channel in ("sms", "push", "call", "popup"):
        for result in ("sent", "clicked", "refused"):
            happen(Contact, day, channel, result, "offer", CONTACT)
    happen(CardsOpened, day, 3)
    happen(Purchase, day, "COFFEE", 1.0, 2.0)
    for district_kind in ("mall", "airport", "station", "school", "leisure"):
        for minutes in (0, 15, 30):
            happen(Presence, day + minutes * 60_000, "attach", "", "北京", district_kind, district_kind)
        day += HOUR_MS
    happen(Presence, day, "attach", "", "北京", "云栖商务区", "business")
    happen(Presence, day + 60_000, "attach", "", "广东", "珠江商务区", "business")
    day += 5 * DAY_MS
    monday = day - day % DAY_MS + ((4 - day // DAY_MS) % 7) * DAY_MS - 8 * HOUR_MS
    for night in range(5):
        for hour in range(24):
            at_work = 9 <= hour < 18
            where = ("云栖商务区", "business") if at_work else ("望山新城", "new_estate")
            happen(Presence, monday + night * DAY_MS + hour * HOUR_MS, "attach", "", "北京", *where)
    return events


def test_what_drift_rebuilds_can_be_read_again_from_the_history() -> None:
    for group in GROUPS.values():
        if group.drift:
            assert group.kind != "fact", group.name  # nothing to down-weight
            assert group.stores == "both", group.name
            # what a family remembers of earlier events is not rebuilt
            assert group.order_free, group.name


def test_consent_to_what_is_watched_covers_all_that_is_rebuilt_with_it() -> None:
    for watched in (group for group in GROUPS.values() if group.drift == "watched"):
        together = [g for g in GROUPS.values() if g.drift and g.sources == watched.sources]
        assert {group.purpose for group in together} == {watched.purpose}
