"""Records of every feed, both stages over them, and both stores by their contracts."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from math import isclose, sqrt
from typing import NamedTuple

from msgspec.structs import replace

from livetags.in_process import InProcess
from livetags.inputs import Input
from livetags.oracle import OracleProfile, OracleResult, Record
from schemas import state
from schemas.dictionaries import NO_DICTIONARIES
from schemas.outputs import Alarm, HistoryBatch, HotBatch, Rebuilt
from schemas.pb.livetags.v1 import (
    billing_pb2,
    cdr_pb2,
    consent_pb2,
    link_pb2,
    order_pb2,
    rebuild_pb2,
    registration_pb2,
    rights_pb2,
)
from schemas.pb.livetags.v1.dpi_pb2 import DpiRecord
from schemas.position import pack_position
from schemas.run import FeedInput, Run
from schemas.settings import Settings
from sources import FEEDS
from udfs.privacy.pseudonym import GivenPseudonyms
from udfs.profile.decay import weight_at
from udfs.profile.weighted_welford import deviation
from udfs.tags import GROUPS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
T0_MS = 1_767_225_600_000
HOURS = 30
NOW_MS = T0_MS + HOURS * HOUR_MS
LOGS = ["link", "consent", "rights", "dpi", "cdr", "order", "billing", "registration", "rebuild"]
IDENTIFIERS = ["one", "two", "three"]
PERSONS = ["p.1", "p.2"]
FLOOR = 1e-6
WIDE = {"max_tags_per_group": 10_000, "weight_floor": FLOOR}


class Said(NamedTuple):
    """A record before it has a place in its log."""

    feed: str
    key: str
    value: bytes


def _common(who: str, number: int, hour: float) -> dict[str, object]:
    return {"record_id": f"{who}-{number}", "event_time_ms": T0_MS + round(hour * HOUR_MS)}


def use(who: str, number: int, hour: float, category: str = "video", mb: int = 1) -> Said:
    record = DpiRecord(
        subscriber_id=who,
        app=f"{category}.example",
        category=category,
        bytes_down=mb * 1_000_000,
        **_common(who, number, hour),
    )
    return Said("dpi", who, record.SerializeToString())


def call(who: str, number: int, hour: float, peer: str = "peer", parties: int = 2) -> Said:
    record = cdr_pb2.CdrRecord(
        msisdn=who,
        kind=cdr_pb2.CDR_KIND_VOICE,
        direction=1 + number % 2,
        peer_msisdn=peer,
        duration_s=60,
        parties=parties,
        **_common(who, number, hour),
    )
    return Said("cdr", who, record.SerializeToString())


def reading(who: str, number: int, hour: float, total_mb: int = 100) -> Said:
    record = cdr_pb2.CdrRecord(
        msisdn=who, kind=cdr_pb2.CDR_KIND_DATA, data_bytes_total=total_mb * 1_000_000, **_common(who, number, hour)
    )
    return Said("cdr", who, record.SerializeToString())


def order(who: str, number: int, hour: float, product: str = "film") -> Said:
    record = order_pb2.OrderRecord(
        account_id=who,
        action=order_pb2.ORDER_ACTION_SUBSCRIBE,
        product=product,
        amount_yuan=9,
        **_common(who, number, hour),
    )
    return Said("order", who, record.SerializeToString())


def bill(who: str, number: int, hour: float, amount: float = 30.0, plan: str = "") -> Said:
    record = billing_pb2.BillingRecord(
        account_id=who, kind=1 + number % 2, amount_yuan=amount, plan_tier=plan, **_common(who, number, hour)
    )
    return Said("billing", who, record.SerializeToString())


def consent(who: str, number: int, hour: float, purpose: str = "profiling", granted: bool = True) -> Said:
    necessary = purpose == "necessary"
    record = consent_pb2.ConsentRecord(
        msisdn=who,
        list=consent_pb2.CONSENT_LIST_NECESSARY if necessary else consent_pb2.CONSENT_LIST_OPTIONAL,
        purpose="" if necessary else purpose,
        decision=consent_pb2.CONSENT_DECISION_GRANTED if granted else consent_pb2.CONSENT_DECISION_WITHDRAWN,
        list_version=1,
        **_common(who, number, hour),
    )
    return Said("consent", who, record.SerializeToString())


def link(who: str, number: int, hour: float, person: str = "p.1") -> Said:
    record = link_pb2.LinkRecord(identifier=who, person_ref=person, **_common(who, number, hour))
    return Said("link", who, record.SerializeToString())


def right(who: str, number: int, hour: float, erase: bool = True) -> Said:
    action = rights_pb2.RIGHTS_ACTION_ERASE if erase else rights_pb2.RIGHTS_ACTION_EXPORT
    record = rights_pb2.RightsRecord(identifier=who, action=action, **_common(who, number, hour))
    return Said("rights", who, record.SerializeToString())


def registration(who: str, number: int, hour: float, person: str = "p.1", age: int = 30, region: str = "x") -> Said:
    document = f"doc-{who}"
    record = registration_pb2.RegistrationRecord(
        registrant_ref=document,
        person_ref=person,
        age=age,
        region=region,
        plan_tier="plus",
        **_common(document, number, hour),
    )
    return Said("registration", document, record.SerializeToString())


def rebuilt(who: str, number: int, hour: float, since_hour: float) -> Said:
    since_ms = T0_MS + round(since_hour * HOUR_MS)
    record = rebuild_pb2.RebuildRecord(identifier=who, since_ms=since_ms, **_common(who, number, hour))
    return Said("rebuild", who, record.SerializeToString())


def broken(who: str, number: int, hour: float) -> Said:
    return Said("dpi", who, b"\xff\xff")


Row = tuple[str, str, int, int]


@dataclass
class Stores:
    """Both stores by their contracts: removals before a batch's own rows, rows keyed, newer versions only."""

    rows: dict[Row, float] = field(default_factory=dict)
    numbers: dict[Row, int] = field(default_factory=dict)
    alarms: dict[tuple[str, str, int], Alarm] = field(default_factory=dict)
    dead: dict[tuple[str, str, int, int, str], str] = field(default_factory=dict)
    hot: dict[str, state.Profile] = field(default_factory=dict)

    def write(self, hot: HotBatch, history: HistoryBatch) -> None:
        for removal in hot.removals:
            if removal.kind in ("move", "erase"):
                self.hot.pop(removal.user, None)
        for user, blob in hot.changed:
            profile, held = state.decode(blob), self.hot.get(user)
            if held is None or (profile.generation, profile.n) >= (held.generation, held.n):
                self.hot[user] = profile
        for removal in history.removals:
            who, to, gone = removal.user, removal.to, removal.groups
            if removal.kind == "move":
                rows = {row: (to, *row[1:]) for row in self.rows if row[0] == who}
                for row, moved in rows.items():
                    self.rows[moved] = self.rows.pop(row)
                    self.numbers[moved] = removal.number or self.numbers[row]
            elif removal.kind == "erase":
                self.rows = {row: v for row, v in self.rows.items() if row[0] != who}
                self.dead = {letter: user for letter, user in self.dead.items() if user != who}
                self.alarms = {key: alarm for key, alarm in self.alarms.items() if key[0] != who}
            else:
                self.rows = {
                    row: v for row, v in self.rows.items() if row[0] != who or row[1].partition(":")[0] not in gone
                }
                for key, alarm in self.alarms.items():
                    if key[0] == who:
                        kept = [[c for c in cs if c[0].split(":")[0] not in gone] for cs in (alarm.rose, alarm.fell)]
                        self.alarms[key] = replace(alarm, rose=kept[0], fell=kept[1])
        for _, user, time_ms, event_id, evidence, number in history.events:
            for group, tag, value in evidence:
                self.rows[user, f"{group}:{tag}", time_ms, event_id] = value
                self.numbers[user, f"{group}:{tag}", time_ms, event_id] = number
        for alarm in history.alarms:
            self.alarms[alarm.user, alarm.kind, alarm.at_ms] = alarm
        for each in history.dead_letters:
            self.dead[each.feed, each.log, each.partition, each.offset, each.reason] = each.user

    def answer(self, alarm: Alarm) -> Rebuilt:
        """What the history says for a rebuild."""
        rows = []
        earlier = [
            a for a in self.alarms.values() if a.user == alarm.user and a.factor < 1 and a.generation < alarm.generation
        ]
        for (user, tag, time_ms, event_id), value in self.rows.items():
            group, _, name = tag.partition(":")
            number = self.numbers[user, tag, time_ms, event_id]
            if user == alarm.user and GROUPS[group].drift and number <= alarm.seq and time_ms >= alarm.since_ms:
                kept = 1.0
                for each in earlier:
                    if number <= each.seq and (each.status != "refined" or time_ms < each.since_ms):
                        kept *= each.factor
                rows.append((group, name, time_ms, value, kept))
        return Rebuilt(alarm, rows)


def log_of(said: list[Said]) -> list[Record]:
    return [(s.feed, f"{s.feed}-topic", 0, offset, s.key.encode(), s.value) for offset, s in enumerate(said)]


def staged(
    log: list[Record],
    cuts: list[int],
    chosen: Settings,
    erased: dict[str, int],
    answered: Container[int] = (),
    now_ms: int = NOW_MS,
) -> tuple[InProcess, Stores]:
    """The log through both stages; after the batches whose numbers are in `answered` the rebuilds that wait are too."""
    inputs = [Input(FEEDS[feed], bootstrap="", topic=f"{feed}-topic") for feed in LOGS]
    run = Run("r", tuple(FeedInput(feed, "kafka", (f"{feed}-topic",)) for feed in LOGS), True, erased=erased)
    stores = Stores()
    stages = InProcess(run, inputs, chosen, GivenPseudonyms(), NO_DICTIONARIES, stores.write)
    waiting: dict[str, Alarm] = {}
    records = [
        (key, value, pack_position(LOGS.index(feed), partition, offset), number)
        for number, (feed, _, partition, offset, key, value) in enumerate(log)
    ]
    for batch, (begin, end) in enumerate(zip([0, *cuts], [*cuts, len(records)], strict=True)):
        if records[begin:end]:
            stages.batch(records[begin:end], now_ms)
        waiting |= stages.waiting
        if batch in answered:
            stages.answer([stores.answer(alarm) for alarm in waiting.values()], now_ms)
            waiting = {}
    return stages, stores


def assert_same_profile(user: str, profile: state.Profile, expected: OracleProfile) -> None:
    assert (profile.n, profile.last_event_ms) == (expected.n, expected.as_of_ms), user
    held = {f"{name}:{tag}" for name, group in profile.groups.items() for tag in group.cells}
    replaced = {n for n, tag in expected.tags.items() if GROUPS[n.partition(":")[0]].kind == "fact" and not tag.weight}
    assert held == expected.tags.keys() - replaced, user
    for field_name in held:
        name, _, tag = field_name.partition(":")
        group, must = profile.groups[name], expected.tags[field_name]
        cell = group.cells[tag]
        weight = weight_at(cell[0], expected.as_of_ms, group.half_life_ms, group.landmark)
        assert isclose(weight, must.weight, rel_tol=1e-9), (user, field_name, weight, must)
        assert cell[-1] == must.last_ms, (user, field_name)
        if must.mean is not None and must.std is not None:
            assert isclose(cell[1], must.mean, rel_tol=1e-9, abs_tol=1e-9), (user, field_name)
            assert isclose(deviation(cell), must.std, rel_tol=1e-6, abs_tol=sqrt(1e-12)), (user, field_name)


def shown(profile: state.Profile) -> tuple[object, ...]:
    """What the hot store's snapshot is made of."""
    return profile.generation, profile.n, profile.last_event_ms, profile.erased_ms, profile.groups


def assert_same(stages: InProcess, stores: Stores, expected: OracleResult) -> None:
    result = stages.result
    door, people = result.door, result.profiles
    assert door.events_in == expected.counts.events_in
    assert door.folded + people.folded == expected.counts.folded
    assert door.duplicates == expected.counts.duplicates
    rejected = dict(door.rejected)
    for code, number in people.rejected.items():
        rejected[code] = rejected.get(code, 0) + number
    assert rejected == expected.counts.rejected
    assert expected.counts.events_in == (
        expected.counts.folded + expected.counts.duplicates + sum(expected.counts.rejected.values())
    )

    decoded = [
        (user, state.decode(blob)) for blobs in (result.identifiers, result.people) for user, blob in blobs.items()
    ]
    profiles = {user: profile for user, profile in decoded if profile.n}
    assert profiles.keys() == expected.profiles.keys()
    assert door.users + people.users == len(profiles)
    for user, must in expected.profiles.items():
        assert_same_profile(user, profiles[user], must)

    # the hot store shows exactly the state
    assert {user: shown(profile) for user, profile in stores.hot.items()} == {
        user: shown(profile) for user, profile in profiles.items()
    }
    # the history holds exactly the evidence
    counted: dict[tuple[str, str], tuple[int, float]] = {}
    for (user, tag, _, _), value in stores.rows.items():
        rows, total = counted.get((user, tag), (0, 0.0))
        counted[user, tag] = rows + 1, total + value
    evidence = {(u, n): tag for u, profile in expected.profiles.items() for n, tag in profile.tags.items()}
    assert {key: rows for key, (rows, _) in counted.items()} == {
        key: tag.evidence_rows for key, tag in evidence.items()
    }
    for key, tag in evidence.items():
        assert isclose(counted[key][1], tag.value_sum, rel_tol=1e-9, abs_tol=1e-9), key
    assert stores.dead == expected.dead_letters
    # and every change of behaviour
    assert stores.alarms.keys() == expected.alarms.keys()
    for key, alarm in expected.alarms.items():
        said = stores.alarms[key]
        assert (said.since_ms, said.seq, said.rose, said.fell) == (alarm.since_ms, alarm.seq, alarm.rose, alarm.fell)
        assert isclose(said.evidence, alarm.evidence), key
